"""What connects the poller to a stack: a real stream, a real function, real destinations, and the command."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.stub import Stubber

from local.aws import AwsStack
from local.dynamodb import DynamoDBLocal
from local.event_source import (
    EventSourceMapping,
    ExpiredIteratorError,
    FunctionError,
    InvocationError,
    Page,
    Poller,
    Position,
    Shard,
    TrimmedDataAccessError,
)
from local.event_source.aws import (
    INVOKE_CONFIG,
    BucketDestination,
    DynamoDBStream,
    HandlerFunction,
    LambdaFunction,
    QueueDestination,
    TopicDestination,
    connect,
    on_failure_destination,
)

ROLE_ARN = "arn:aws:iam::000000000000:role/tested"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:tested"
MAPPING_UUID = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"

SOURCE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no such luck")
    changes = [record["dynamodb"] for record in event.get("Records", [])]
    poison = [each["SequenceNumber"] for each in changes if each["Keys"]["pk"]["S"] == "poison"]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in poison], "echo": event.get("echo")}
"""

MESSAGE = {
    "requestContext": {"condition": "RetryAttemptsExhausted"},
    "timestamp": "2026-01-02T03:04:05.678Z",
    "DDBStreamBatchInfo": {"shardId": "shardId-1"},
    "payload": '{"Records":[]}',
}
METADATA = {name: value for name, value in MESSAGE.items() if name != "payload"}


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsStack]:
    with AwsStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBLocal]:
    with DynamoDBLocal() as running:
        yield running


@pytest.fixture(scope="module")
def function_arn(aws: AwsStack) -> str:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as zipped:
        zipped.writestr("tested.py", SOURCE)
    client = aws.client("lambda")
    created = client.create_function(
        FunctionName="tested",
        Role=ROLE_ARN,
        Handler="tested.handler",
        Runtime=aws.function_platform["runtime"],
        Code={"ZipFile": package.getvalue()},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="tested", WaiterConfig={"Delay": 1})
    return str(created["FunctionArn"])


@pytest.fixture(scope="module")
def function(aws: AwsStack, function_arn: str) -> LambdaFunction:
    return LambdaFunction(aws.client("lambda", INVOKE_CONFIG), function_arn)


@pytest.fixture(scope="module")
def queue_arn(aws: AwsStack) -> str:
    return create_queue(aws, "failures")


@pytest.fixture(params=["DynamoDB Local", "ministack"])
def clients(request: pytest.FixtureRequest, aws: AwsStack, dynamodb: DynamoDBLocal) -> Callable[[str], Any]:
    """What makes the clients of either stack."""
    return dynamodb.client if request.param == "DynamoDB Local" else aws.client


def create_table(client: Any, name: str, *index_keys: str) -> str:
    """A table with the key `pk`, and an index for each other attribute; its stream's ARN."""
    indexes = [
        {
            "IndexName": f"by-{key}",
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        for key in index_keys
    ]
    created = client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", *index_keys)],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    return str(created["TableDescription"]["LatestStreamArn"])


def put(client: Any, table: str, *keys: str) -> None:
    for key in keys:
        client.put_item(TableName=table, Item={"pk": {"S": key}})


def create_queue(aws: AwsStack, name: str) -> str:
    client = aws.client("sqs")
    url = client.create_queue(QueueName=name)["QueueUrl"]
    return str(client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def messages(aws: AwsStack, queue: str) -> list[Any]:
    """All that a queue holds, taken out."""
    client = aws.client("sqs")
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    taken = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for each in taken:
        client.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return [json.loads(each["Body"]) for each in taken]


def test_a_stream_is_read_in_order_from_each_kind_of_position(clients: Callable[[str], Any]) -> None:
    stream = DynamoDBStream(clients("dynamodbstreams"), create_table(clients("dynamodb"), "positions"))
    put(clients("dynamodb"), "positions", "a", "b", "c")

    async def read() -> None:
        [shard] = await stream.shards()
        first = await stream.records(await stream.iterator(shard.shard_id, Position("TRIM_HORIZON")), 2)
        assert keys(first) == ["a", "b"]
        assert keys(await stream.records(first.next_iterator or "", 2)) == ["c"]
        second = first.records[1]["dynamodb"]["SequenceNumber"]
        for position, expected in (
            (Position("TRIM_HORIZON"), ["a", "b", "c"]),
            (Position("AT_SEQUENCE_NUMBER", second), ["b", "c"]),
            (Position("AFTER_SEQUENCE_NUMBER", second), ["c"]),
            (Position("LATEST"), []),
        ):
            iterator = await stream.iterator(shard.shard_id, position)
            assert keys(await stream.records(iterator, 1000)) == expected

    asyncio.run(read())


def test_every_page_of_shards_is_read(dynamodb: DynamoDBLocal) -> None:
    client = dynamodb.client("dynamodbstreams")
    stream_arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-01-02T03:04:05.678"
    pages = (["shard-0000000000000000000000001"], ["shard-0000000000000000000000002"])
    with Stubber(client) as stubbed:
        for number, [shard_id] in enumerate(pages):
            parent = {"ParentShardId": pages[0][0]} if number else {}
            description: dict[str, Any] = {"Shards": [{"ShardId": shard_id, **parent}]}
            expected = {"StreamArn": stream_arn}
            if number:
                expected["ExclusiveStartShardId"] = pages[0][0]
            else:
                description["LastEvaluatedShardId"] = shard_id
            stubbed.add_response("describe_stream", {"StreamDescription": description}, expected)
        shards = asyncio.run(DynamoDBStream(client, stream_arn).shards())
    assert shards == [Shard(pages[0][0]), Shard(pages[1][0], pages[0][0])]


def test_a_shard_that_is_closed_ends(dynamodb: DynamoDBLocal) -> None:
    client = dynamodb.client("dynamodb")
    stream_arn = create_table(client, "closing")
    put(client, "closing", "a")
    client.update_table(TableName="closing", StreamSpecification={"StreamEnabled": False})
    handled, poller = collecting(dynamodb, stream_arn)
    asyncio.run(poller.drain())
    assert [each["dynamodb"]["Keys"]["pk"]["S"] for each in handled] == ["a"]
    assert len(poller.checkpoints.finished) == 1


def test_a_position_that_is_trimmed_and_an_iterator_that_expired_are_told_apart(aws: AwsStack) -> None:
    client = aws.client("dynamodb")
    stream = DynamoDBStream(aws.client("dynamodbstreams"), create_table(client, "forgotten"))
    put(client, "forgotten", "a")

    async def read() -> None:
        [shard] = await stream.shards()
        with pytest.raises(TrimmedDataAccessError):
            await stream.iterator(shard.shard_id, Position("AFTER_SEQUENCE_NUMBER", "0" * 21))
        iterator = await stream.iterator(shard.shard_id, Position("TRIM_HORIZON"))
        client.update_table(TableName="forgotten", StreamSpecification={"StreamEnabled": False})
        with pytest.raises(ExpiredIteratorError):
            await stream.records(iterator, 1000)

    asyncio.run(read())


def test_records_reach_a_handler_as_lambda_would_pass_them(dynamodb: DynamoDBLocal) -> None:
    client = dynamodb.client("dynamodb")
    # A delete by TTL has an index's key among its own on DynamoDB Local, and on AWS does not.
    stream_arn = create_table(client, "passed", "type")
    item = {
        "pk": {"S": "a"},
        "type": {"S": "order"},
        "expires": {"N": str(int(time.time()) - 1)},
        "content": {"M": {"binary": {"B": b"\x00\xff"}, "several": {"BS": [b"1"]}}},
    }
    client.put_item(TableName="passed", Item=item)
    client.update_time_to_live(
        TableName="passed", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    wait_until(lambda: client.scan(TableName="passed")["Count"] == 0)
    handled, poller = collecting(dynamodb, stream_arn)
    asyncio.run(poller.drain())
    inserted, removed = handled
    image = item | {"content": {"M": {"binary": {"B": "AP8="}, "several": {"BS": ["MQ=="]}}}}
    assert inserted["dynamodb"]["NewImage"] == removed["dynamodb"]["OldImage"] == image
    assert inserted["dynamodb"]["Keys"] == removed["dynamodb"]["Keys"] == {"pk": {"S": "a"}}
    assert removed["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert removed["eventSourceARN"] == stream_arn


def test_a_functions_answer_comes_back(function: LambdaFunction) -> None:
    answer = asyncio.run(function.invoke({"echo": "grüße"}))
    assert answer == {"batchItemFailures": [], "echo": "grüße"}


def test_a_function_that_raises_is_a_function_error(function: LambdaFunction) -> None:
    with pytest.raises(FunctionError, match="no such luck") as raised:
        asyncio.run(function.invoke({"fail": True}))
    assert raised.value.function_error == "Unhandled"


def test_a_function_that_is_not_there_was_not_invoked(aws: AwsStack) -> None:
    with pytest.raises(InvocationError, match="ResourceNotFoundException"):
        asyncio.run(LambdaFunction(aws.client("lambda", INVOKE_CONFIG), FUNCTION_ARN + "-not").invoke({}))


def test_a_handler_is_called_with_a_context_and_its_answer_comes_back() -> None:
    def handler(event: dict[str, Any], context: Any) -> Any:
        left = context.get_remaining_time_in_millis()
        return {"event": event, "name": context.function_name, "has time": 59_000 < left <= 60_000}

    answer = asyncio.run(HandlerFunction(handler, FUNCTION_ARN, timeout=60).invoke({"Records": []}))
    assert answer == {"event": {"Records": []}, "name": "tested", "has time": True}


def test_what_a_handler_raises_is_a_function_error() -> None:
    def handler(event: dict[str, Any], context: Any) -> Any:
        raise ValueError("no such luck")

    with pytest.raises(FunctionError, match="ValueError: no such luck"):
        asyncio.run(HandlerFunction(handler, FUNCTION_ARN).invoke({}))


def test_a_handlers_answer_that_is_not_json_is_a_function_error() -> None:
    with pytest.raises(FunctionError, match="TypeError: Object of type bytes is not JSON serializable"):
        asyncio.run(HandlerFunction(lambda _event, _context: b"", FUNCTION_ARN).invoke({}))


def test_a_handler_whose_time_is_up_failed_whatever_it_returns() -> None:
    with pytest.raises(FunctionError, match=r"Task timed out after 0\.05 seconds"):
        asyncio.run(HandlerFunction(lambda _event, _context: time.sleep(0.1), FUNCTION_ARN, timeout=0.05).invoke({}))


def test_a_handler_is_called_for_one_batch_at_a_time() -> None:
    under_way = threading.Lock()

    def handler(event: dict[str, Any], context: Any) -> None:
        assert under_way.acquire(blocking=False)
        time.sleep(0.02)
        under_way.release()

    async def invoke() -> None:
        function = HandlerFunction(handler, FUNCTION_ARN)
        await asyncio.gather(*(function.invoke({}) for _ in range(3)))

    asyncio.run(invoke())


def test_a_queue_gets_the_metadata_alone(aws: AwsStack, queue_arn: str) -> None:
    destination = on_failure_destination(queue_arn, MAPPING_UUID, aws.client)
    assert isinstance(destination, QueueDestination)
    asyncio.run(destination.send(MESSAGE))
    assert messages(aws, "failures") == [METADATA]


def test_a_topic_gets_the_metadata_alone(aws: AwsStack) -> None:
    topic = aws.client("sns")
    topic_arn = topic.create_topic(Name="failures")["TopicArn"]
    subscriber = create_queue(aws, "subscriber")
    topic.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=subscriber, Attributes={"RawMessageDelivery": "true"})
    destination = on_failure_destination(topic_arn, MAPPING_UUID, aws.client)
    assert isinstance(destination, TopicDestination)
    asyncio.run(destination.send(MESSAGE))
    wait_until(lambda: messages(aws, "subscriber") == [METADATA])


def test_a_bucket_gets_the_records_too_under_the_documented_key(aws: AwsStack) -> None:
    bucket = aws.client("s3")
    bucket.create_bucket(Bucket="failures")
    destination = on_failure_destination("arn:aws:s3:::failures", MAPPING_UUID, aws.client)
    assert isinstance(destination, BucketDestination)
    asyncio.run(destination.send(MESSAGE))
    [found] = bucket.list_objects_v2(Bucket="failures")["Contents"]
    documented = rf"aws/lambda/{MAPPING_UUID}/shardId-1/2026/01/02/2026-01-02T03\.04\.05-[0-9a-f-]{{36}}"
    assert re.fullmatch(documented, found["Key"])
    assert json.load(bucket.get_object(Bucket="failures", Key=found["Key"])["Body"]) == MESSAGE


@pytest.mark.parametrize("arn", ["arn:aws:kinesis:us-east-1:000000000000:stream/failures", "failures"])
def test_a_destination_of_another_kind_is_refused(aws: AwsStack, arn: str) -> None:
    with pytest.raises(ValueError, match=f"is an SQS queue, an SNS topic or an S3 bucket, not {arn}"):
        on_failure_destination(arn, MAPPING_UUID, aws.client)


def test_a_mapping_connects_what_it_names(aws: AwsStack, function_arn: str, queue_arn: str) -> None:
    uuid, stream_arn = create_mapping(
        aws,
        "connected",
        function_arn,
        queue_arn,
        BatchSize=7,
        ParallelizationFactor=3,
        MaximumRecordAgeInSeconds=3600,
        BisectBatchOnFunctionError=True,
        MaximumBatchingWindowInSeconds=2,
        FilterCriteria={"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
    )
    mapping, _, _, destination = connect(uuid, aws.client)
    assert mapping == EventSourceMapping(
        event_source_arn=stream_arn,
        function_arn=function_arn,
        batch_size=7,
        parallelization_factor=3,
        maximum_retry_attempts=0,
        maximum_record_age_in_seconds=3600,
        bisect_batch_on_function_error=True,
        maximum_batching_window_in_seconds=2,
        report_batch_item_failures=True,
        filter_patterns=('{"eventName": ["INSERT"]}',),
        on_failure_destination_arn=queue_arn,
    )
    assert isinstance(destination, QueueDestination)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("ending", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_polls_a_mapping_shows_what_it_does_and_ends(
    aws: AwsStack, function_arn: str, queue_arn: str, ending: signal.Signals, status: int
) -> None:
    table = f"polled-{status}"
    uuid, _ = create_mapping(aws, table, function_arn, queue_arn, BatchSize=10)
    put(aws.client("dynamodb"), table, "a", "poison", "b")
    with command(uuid, aws.environment) as process:
        assert process.stdout is not None
        shown = [re.sub(r"^\S+ |\d+ ms", "", process.stdout.readline()).strip() for _ in range(4)]
        process.send_signal(ending)
        rest = process.stdout.read()
    numbers = re.findall(r"\d{21,}", " ".join(shown))
    first, poison = sorted(set(numbers))
    assert shown == [
        "polling; Ctrl-C ends it",
        f"batch of 3 from {first}: 1 done in , again from {poison}",
        f"batch of 2 from {poison}: 0 done in , again from {poison}",
        f"batch of 2 from {poison}: discarded, RetryAttemptsExhausted",
    ]
    assert "Traceback" not in rest
    assert process.returncode == status
    [discarded] = messages(aws, "failures")
    assert discarded["DDBStreamBatchInfo"]["batchSize"] == 2


def test_the_command_leaves_a_mapping_alone_that_the_stack_polls(
    aws: AwsStack, function_arn: str, queue_arn: str
) -> None:
    uuid, _ = create_mapping(aws, "enabled", function_arn, queue_arn, Enabled=True)
    with command(uuid, aws.environment) as process:
        assert "apply it with enabled = false" in unwrapped(process)
    assert process.returncode == 2


def test_the_command_says_what_it_lacks(aws: AwsStack) -> None:
    with command(MAPPING_UUID, {}) as process:
        assert "run `python -m local aws` and export what it prints" in unwrapped(process)
    assert process.returncode == 2
    with command(MAPPING_UUID, aws.environment) as process:
        assert f"the stack has no event source mapping {MAPPING_UUID}" in unwrapped(process)
    assert process.returncode == 2


def keys(page: Page) -> list[str]:
    return [record["dynamodb"]["Keys"]["pk"]["S"] for record in page.records]


def collecting(dynamodb: DynamoDBLocal, stream_arn: str) -> tuple[list[dict[str, Any]], Poller]:
    """A poller of a stream, and the list in which it collects the records that it delivers."""
    handled: list[dict[str, Any]] = []

    def handler(event: dict[str, Any], context: Any) -> None:
        handled.extend(event["Records"])

    mapping = EventSourceMapping(event_source_arn=stream_arn, function_arn=FUNCTION_ARN)
    stream = DynamoDBStream(dynamodb.client("dynamodbstreams"), stream_arn)
    return handled, Poller(mapping, stream, HandlerFunction(handler, FUNCTION_ARN), None, time.time)


def create_mapping(aws: AwsStack, table: str, function_arn: str, queue_arn: str, **settings: Any) -> tuple[str, str]:
    """A table whose stream a mapping reads that gives up at the first failure; the mapping's UUID, the stream's ARN."""
    stream_arn = create_table(aws.client("dynamodb"), table)
    created = aws.client("lambda").create_event_source_mapping(
        EventSourceArn=stream_arn,
        FunctionName=function_arn,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig={"OnFailure": {"Destination": queue_arn}},
        **{"Enabled": False} | settings,
    )
    return created["UUID"], stream_arn


@contextmanager
def command(uuid: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The command, run with nothing but this in its environment."""
    with subprocess.Popen(
        [sys.executable, "-m", "local", "poller", uuid],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def unwrapped(process: subprocess.Popen[str]) -> str:
    """All that a command says, without the frame that typer draws around an error."""
    assert process.stdout is not None
    text = process.stdout.read()
    process.wait()
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
