"""The event source poller between real streams and the real function, where the stack's own leaves AWS's rules out."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.dynamodb import DynamoDBLocal
from local.event_source import EventSourceMapping, Function, Poller
from local.event_source.aws import INVOKE_CONFIG, DynamoDBStream, LambdaFunction, connect
from local.momento import Fault
from local.pizza import CACHE, Pizza, views
from local.terraform import Terraform
from tests.end_to_end.conftest import Functions
from tests.pizza import order

NAME = "true-stream"
"""The function that follows DynamoDB Local, and the prefix of its keys."""


class Watched:
    """A function that keeps what it was invoked with.

    Attributes:
        batches: the sequence numbers of each.
        records: all of them, in the order of delivery.
    """

    def __init__(self, function: Function) -> None:
        self.batches: list[list[str]] = []
        self.records: list[dict[str, Any]] = []
        self._function = function

    async def invoke(self, event: dict[str, Any]) -> Any:
        self.batches.append([record["dynamodb"]["SequenceNumber"] for record in event["Records"]])
        self.records += event["Records"]
        return await self._function.invoke(event)


class Followed:
    """A table of DynamoDB Local like the example's, whose stream the example's function follows.

    The function queries it too: where a list has to be rebuilt, from an index that is a real one.
    """

    def __init__(self, app: Pizza, functions: Functions, dynamodb: DynamoDBLocal) -> None:
        self._app = app
        described = app.aws.client("dynamodb").describe_table(TableName=app.outputs["table_name"])["Table"]
        self.client = dynamodb.client("dynamodb")
        created = self.client.create_table(
            TableName=described["TableName"],
            KeySchema=described["KeySchema"],
            AttributeDefinitions=described["AttributeDefinitions"],
            GlobalSecondaryIndexes=[
                {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
                for index in described["GlobalSecondaryIndexes"]
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification=described["StreamSpecification"],
        )
        self.table = dynamodb.resource().Table(described["TableName"])
        functions.deploy(NAME, environment=dynamodb.environment)
        self.function = Watched(LambdaFunction(app.aws.client("lambda", INVOKE_CONFIG), NAME))
        self._poller = Poller(
            EventSourceMapping(
                event_source_arn=created["TableDescription"]["LatestStreamArn"],
                function_arn=NAME,
                batch_size=10,
                maximum_retry_attempts=1,
                report_batch_item_failures=True,
            ),
            DynamoDBStream(dynamodb.client("dynamodbstreams"), created["TableDescription"]["LatestStreamArn"]),
            self.function,
            None,
            time.time,
            backoff=lambda _failures: 0.01,
        )

    def drain(self) -> list[list[str]]:
        """Deliver what was written since the last time; the batches."""
        self.function.batches.clear()
        self.function.records.clear()
        asyncio.run(self._poller.drain())
        return self.function.batches

    def read(self, key: str) -> Any:
        return self._app.read(f"{NAME}/{key}")

    def is_cached(self) -> None:
        """Check that every view shows what the table holds, and nothing else."""
        in_table = views(self.table.scan(ConsistentRead=True)["Items"])
        keys = [key.decode() for key in self._app.momento.engine.keys(CACHE)]
        own = [key.removeprefix(f"{NAME}/") for key in keys if key.startswith(f"{NAME}/")]
        cached = {key: self.read(key) for key in own}
        # A list may outlive its last row.
        assert {key: value for key, value in cached.items() if key in in_table or value != []} == in_table


@pytest.fixture(scope="module")
def followed(app: Pizza, functions: Functions) -> Iterator[Followed]:
    with DynamoDBLocal() as dynamodb:
        yield Followed(app, functions, dynamodb)


@pytest.fixture(scope="module")
def polled(app: Pizza) -> Iterator[Terraform]:
    """A module block whose mapping is not enabled, applied to the stack of the example."""
    with Terraform(
        "tests/end_to_end/polled",
        environment=app.aws.environment,
        variables=app.aws.function_platform
        | {"secret_arn": app.outputs["secret_arn"], "momento_endpoint": app.momento.endpoint},
    ) as terraform:
        terraform.apply()
        yield terraform


@pytest.fixture
def faults(app: Pizza) -> Iterator[Any]:
    """Momento's faults, called off after the test."""
    yield app.momento.faults
    app.momento.faults.clear()


def test_writes_changes_and_deletes_of_a_true_stream_reach_every_view(followed: Followed) -> None:
    for number in range(1, 7):
        followed.table.put_item(Item=order(number, creator="ann" if number % 2 else "bob"))
    followed.drain()
    followed.is_cached()
    assert [row["id"] for row in followed.read("bob")] == ["order-6", "order-4", "order-2"]
    followed.table.put_item(Item=order(1, status="COMPLETED"))
    followed.table.put_item(Item=order(2, creator="ann"))
    followed.table.put_item(Item=order(3, numItems=2))
    followed.table.delete_item(Key={"pk": "order-4", "sk": "metadata"})
    followed.drain()
    followed.is_cached()
    assert [row["id"] for row in followed.read("bob")] == ["order-6"]


def test_a_delete_by_dynamodbs_own_ttl_leaves_no_entry(followed: Followed) -> None:
    expiring = order(20, creator="ttl") | {"expires": int(time.time()) - 1}
    followed.table.put_item(Item=order(21, creator="ttl"))
    followed.table.put_item(Item=expiring)
    followed.drain()
    assert [row["id"] for row in followed.read("ttl")] == ["order-21", "order-20"]
    followed.client.update_time_to_live(
        TableName=followed.table.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    deadline = time.monotonic() + 30
    while "Item" in followed.table.get_item(Key={"pk": "order-20", "sk": "metadata"}):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    followed.drain()
    [removed] = followed.function.records
    assert removed["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    followed.is_cached()
    assert followed.read("order-20") is None
    assert [row["id"] for row in followed.read("ttl")] == ["order-21"]


def test_a_list_that_momento_lost_is_rebuilt_from_the_index_of_the_true_table(app: Pizza, followed: Followed) -> None:
    for number in (30, 31, 32):
        followed.table.put_item(Item=order(number, creator="evicted"))
    followed.drain()
    app.momento.engine.evict(CACHE, f"{NAME}/evicted".encode())
    followed.table.delete_item(Key={"pk": "order-31", "sk": "metadata"})
    followed.drain()
    assert [row["id"] for row in followed.read("evicted")] == ["order-32", "order-30"]


def test_a_batch_is_delivered_again_from_the_record_that_the_function_names(followed: Followed, faults: Any) -> None:
    for number in range(40, 45):
        followed.table.put_item(Item=order(number, creator="partial"))
    # As often as it takes to find that entry among the ten of the batch.
    faults.add(Fault(rpc="SetBatch", key=f"{NAME}/order-42", code="INVALID_ARGUMENT", times=4))
    whole, rest = followed.drain()
    assert len(whole) == 5
    assert rest == whole[2:]
    followed.is_cached()


def test_a_record_that_can_not_be_handled_ends_in_the_failure_queue_and_holds_up_no_other(
    app: Pizza, polled: Terraform, faults: Any
) -> None:
    outputs = polled.outputs()
    mapping, stream, function, destination = connect(outputs["event_source_mapping_uuid"], app.aws.client)
    assert (mapping.batch_size, mapping.parallelization_factor, mapping.maximum_retry_attempts) == (20, 2, 2)
    assert mapping.bisect_batch_on_function_error
    assert mapping.report_batch_item_failures
    assert mapping.on_failure_destination_arn == outputs["failure_queue_arn"]
    watched = Watched(function)
    faults.add(Fault(rpc="SetBatch", key="polled/order-7", code="INVALID_ARGUMENT", times=None))
    table = app.aws.resource("dynamodb").Table(outputs["table_name"])
    orders = [order(number) for number in range(1, 31)]
    for each in orders:
        table.put_item(Item=each)

    asyncio.run(Poller(mapping, stream, watched, destination, time.time, backoff=lambda _failures: 0.01).drain())

    cached = {each["pk"]: app.read(f"polled/{each['pk']}") for each in orders}
    expected = {each["pk"]: {"id": each["pk"], "status": "WAITING"} for each in orders}
    assert cached == expected | {"order-7": None}
    [poison] = {
        record["dynamodb"]["SequenceNumber"]
        for record in watched.records
        if record["dynamodb"]["Keys"]["pk"]["S"] == "order-7"
    }
    queue = app.aws.client("sqs")
    [message] = queue.receive_message(QueueUrl=outputs["failure_queue_url"], MaxNumberOfMessages=10)["Messages"]
    told = json.loads(message["Body"])
    assert told["requestContext"]["functionArn"] == mapping.function_arn
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 1 + 2
    assert watched.batches.count([poison]) == 1 + 2
    batch = told["DDBStreamBatchInfo"]
    assert (batch["batchSize"], batch["streamArn"]) == (1, mapping.event_source_arn)
    assert batch["startSequenceNumber"] == batch["endSequenceNumber"] == poison
    assert "payload" not in told
