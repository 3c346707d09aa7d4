"""The poller's seams over boto3: a stream, a function, the three kinds of destination, and a mapping that names them.

A function can be a handler in this process, too.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec import Struct

from local.event_source.mapping import EventSourceMapping
from local.event_source.seams import (
    ExpiredIteratorError,
    FunctionError,
    InvocationError,
    Page,
    Shard,
    TrimmedDataAccessError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

    from local.event_source.seams import Destination, Position

T = TypeVar("T")

INVOKE_CONFIG = Config(read_timeout=15 * 60 + 5, retries={"total_max_attempts": 1})
"""What a client that invokes functions needs: it waits for the longest that a function may take, and invokes it once.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

# As many as a client of `local.aws` has connections. asyncio's own are few: batches would wait for one.
_THREADS = ThreadPoolExecutor(32, thread_name_prefix="event-source")


class Client(Protocol):
    """What makes boto3 clients, as `AwsStack.client` does."""

    def __call__(self, service: str, config: Config | None = None) -> Any:
        """Return a client of a service."""
        ...


class Connections(NamedTuple):
    """A mapping and what it connects: a poller's first arguments."""

    mapping: EventSourceMapping
    stream: DynamoDBStream
    function: LambdaFunction
    destination: Destination | None


def connect(mapping_uuid: str, client: Client) -> Connections:
    """Read a mapping's settings, and make what they name.

    Args:
        mapping_uuid: the mapping's `UUID`.
        client: what makes the clients.
    """
    functions = client("lambda", INVOKE_CONFIG)
    mapping = EventSourceMapping.from_response(functions.get_event_source_mapping(UUID=mapping_uuid))
    on_failure = mapping.on_failure_destination_arn
    return Connections(
        mapping,
        DynamoDBStream(client("dynamodbstreams"), mapping.event_source_arn),
        LambdaFunction(functions, mapping.function_arn),
        on_failure_destination(on_failure, mapping_uuid, client) if on_failure else None,
    )


class DynamoDBStream:
    """A table's stream.

    Args:
        client: of DynamoDB Streams.
        stream_arn: the stream's.
    """

    def __init__(self, client: DynamoDBStreamsClient, stream_arn: str) -> None:
        self._client = client
        self._stream_arn = stream_arn
        self._key_attributes: frozenset[str] | None = None

    async def shards(self) -> list[Shard]:
        """DescribeStream, all pages."""
        shards: list[Shard] = []
        page: dict[str, Any] = {}
        while True:
            answer = await _call(self._client.describe_stream, StreamArn=self._stream_arn, **page)
            description = answer["StreamDescription"]
            shards += [Shard(each["ShardId"], each.get("ParentShardId")) for each in description["Shards"]]
            last = description.get("LastEvaluatedShardId")
            if last is None:
                return shards
            page = {"ExclusiveStartShardId": last}

    async def iterator(self, shard_id: str, position: Position) -> str:
        """GetShardIterator."""
        number = {} if position.sequence_number is None else {"SequenceNumber": position.sequence_number}
        try:
            answer = await _call(
                self._client.get_shard_iterator,
                StreamArn=self._stream_arn,
                ShardId=shard_id,
                ShardIteratorType=position.shard_iterator_type,
                **number,
            )
        except self._client.exceptions.TrimmedDataAccessException as error:
            raise TrimmedDataAccessError(str(error)) from error
        return str(answer["ShardIterator"])

    async def records(self, iterator: str, limit: int) -> Page:
        """GetRecords, each record's `Keys` with the table's own key alone."""
        try:
            answer = await _call(self._client.get_records, ShardIterator=iterator, Limit=limit)
        except self._client.exceptions.ExpiredIteratorException as error:
            raise ExpiredIteratorError(str(error)) from error
        except self._client.exceptions.TrimmedDataAccessException as error:
            raise TrimmedDataAccessError(str(error)) from error
        key = await self._key()
        return Page([_with_key(each, key) for each in answer["Records"]], answer.get("NextShardIterator"))

    async def _key(self) -> frozenset[str]:
        if self._key_attributes is None:
            answer = await _call(self._client.describe_stream, StreamArn=self._stream_arn, Limit=1)
            schema = answer["StreamDescription"]["KeySchema"]
            self._key_attributes = frozenset(each["AttributeName"] for each in schema)
        return self._key_attributes


class LambdaFunction:
    """A function of Lambda's.

    Args:
        client: of Lambda, made with `INVOKE_CONFIG`.
        function_arn: the function's.
    """

    def __init__(self, client: LambdaClient, function_arn: str) -> None:
        self._client = client
        self._function_arn = function_arn

    async def invoke(self, event: dict[str, Any]) -> Any:
        """Invoke, and wait for the answer."""
        return await _call(self._invoke, event)

    def _invoke(self, event: dict[str, Any]) -> Any:
        try:
            answer = self._client.invoke(FunctionName=self._function_arn, Payload=json.dumps(event))
        except ClientError as error:
            raise InvocationError(str(error)) from error
        payload = json.load(answer["Payload"])
        if "FunctionError" in answer:
            message = payload.get("errorMessage", "") if isinstance(payload, dict) else str(payload)
            raise FunctionError(message, answer["FunctionError"])
        return payload


class Context(Struct, frozen=True, kw_only=True):
    """Lambda's context object, as far as handlers use it.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    function_name: str
    invoked_function_arn: str
    aws_request_id: str
    memory_limit_in_mb: int
    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        """The time that is left."""
        return max(0, round((self.deadline - time.monotonic()) * 1000))


class HandlerFunction:
    """A handler in this process, invoked one batch at a time, as in one execution environment.

    A handler is not interrupted when its time is up. It then counts as failed, whatever it returns.

    Args:
        handler: what Lambda would call.
        function_arn: what its context says.
        timeout: the seconds that it has.
    """

    def __init__(self, handler: Callable[[dict[str, Any], Any], Any], function_arn: str, timeout: float = 30.0) -> None:
        self._handler = handler
        self._function_arn = function_arn
        self._timeout = timeout
        self._free = asyncio.Lock()

    async def invoke(self, event: dict[str, Any]) -> Any:
        """Call the handler in a thread."""
        async with self._free:
            return await _call(self._invoke, event)

    def _invoke(self, event: dict[str, Any]) -> Any:
        context = Context(
            function_name=self._function_arn.split(":")[6],
            invoked_function_arn=self._function_arn,
            aws_request_id=str(uuid.uuid4()),
            memory_limit_in_mb=512,
            deadline=time.monotonic() + self._timeout,
        )
        try:
            # Lambda sends JSON back: what is none is an error of the function's, too.
            response = json.loads(json.dumps(self._handler(event, context)))
        except Exception as error:  # whatever a handler raises is what Lambda calls a function error
            raise FunctionError(f"{type(error).__name__}: {error}") from error
        if not context.get_remaining_time_in_millis():
            raise FunctionError(f"Task timed out after {self._timeout:.2f} seconds")
        return response


def on_failure_destination(arn: str, mapping_uuid: str, client: Client) -> Destination:
    """Return the destination that an ARN names.

    Raises:
        ValueError: it is none that a mapping on a DynamoDB stream can have.
    """
    match arn.split(":")[2:3]:
        case ["sqs"]:
            return QueueDestination(client("sqs"), arn)
        case ["sns"]:
            return TopicDestination(client("sns"), arn)
        case ["s3"]:
            return BucketDestination(client("s3"), arn, mapping_uuid)
        case _:
            raise ValueError(f"an on-failure destination is an SQS queue, an SNS topic or an S3 bucket, not {arn}")


class QueueDestination:
    """An SQS queue: gets the metadata alone."""

    def __init__(self, client: SQSClient, queue_arn: str) -> None:
        self._client = client
        self._queue_arn = queue_arn

    async def send(self, message: dict[str, Any]) -> None:
        """Send an invocation record."""
        account_id, name = self._queue_arn.split(":")[4:6]
        answer = await _call(self._client.get_queue_url, QueueName=name, QueueOwnerAWSAccountId=account_id)
        await _call(self._client.send_message, QueueUrl=answer["QueueUrl"], MessageBody=_metadata(message))


class TopicDestination:
    """An SNS topic: gets the metadata alone."""

    def __init__(self, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    async def send(self, message: dict[str, Any]) -> None:
        """Publish an invocation record."""
        await _call(self._client.publish, TopicArn=self._topic_arn, Message=_metadata(message))


class BucketDestination:
    """An S3 bucket: gets the records, too.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """

    def __init__(self, client: Any, bucket_arn: str, mapping_uuid: str) -> None:
        self._client = client
        self._bucket = bucket_arn.removeprefix("arn:aws:s3:::")
        self._mapping_uuid = mapping_uuid

    async def send(self, message: dict[str, Any]) -> None:
        """Put an invocation record under the key that AWS documents."""
        shard_id = message["DDBStreamBatchInfo"]["shardId"]
        sent = datetime.fromisoformat(message["timestamp"])
        key = f"aws/lambda/{self._mapping_uuid}/{shard_id}/{sent:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        await _call(self._client.put_object, Bucket=self._bucket, Key=key, Body=json.dumps(message).encode())


def _metadata(message: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in message.items() if name != "payload"})


def _with_key(record: Mapping[str, Any], key: frozenset[str]) -> dict[str, Any]:
    """Leave the key attributes of indexes out of `Keys`, where DynamoDB Local has them after a TTL delete."""
    change = record["dynamodb"]
    keys = {name: value for name, value in change["Keys"].items() if name in key}
    return {**record, "dynamodb": {**change, "Keys": keys}}


async def _call(request: Callable[..., T], *arguments: Any, **options: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, functools.partial(request, *arguments, **options))
