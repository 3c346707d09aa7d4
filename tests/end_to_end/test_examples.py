"""The examples over their life, all in one account at once: applied, written to, read, changed in place, destroyed.

The pizza example has its own tests, in test_pizza_orders.py and test_deployment.py. Here, each is applied as it stands,
but for the runtime and the architecture, which have to be this machine's. The stack checks no permission, encrypts
nothing, limits no throughput and samples no trace: what is looked at is what it was told.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from boto3.dynamodb.types import TypeDeserializer
from momento import CacheClient

from local import reader
from local.aws import AwsStack
from local.momento import MomentoServer
from local.terraform import Terraform
from tests.end_to_end.account import resources

Result = TypeVar("Result")

SECRET = "momento"
"""The secret that is there before the examples which make none."""

BLOCKS = {
    "simple": "order_cache",
    "complete": "order_cache",
    "existing-table": "order_cache",
    "many-tables": "cache",
}
"""Each example, and what it calls its module block."""

CACHES = ["orders", "complete", "existing-orders", "shop"]


@dataclass(frozen=True)
class Example:
    """An example, applied.

    Attributes:
        name: its folder's.
        terraform: what runs it.
        platform: the inputs that have to be this machine's.
        outputs: its own.
    """

    name: str
    terraform: Terraform
    platform: Mapping[str, str]
    outputs: dict[str, Any]

    def edit(self, **inputs: Any) -> None:
        """Write other inputs into its module block, as its owner would: an override file stands for the editor."""
        override = {"module": {BLOCKS[self.name]: {**self.platform, **inputs}}}
        (self.terraform.working_directory / "override.tf.json").write_text(json.dumps(override))

    def items(self) -> list[dict[str, Any]]:
        """What its README writes to its tables, to be found in the cache as it says."""
        readme = (self.terraform.working_directory / "README.md").read_text()
        written = re.findall(r"--item '(\{.+?\})'$", readme, re.DOTALL | re.MULTILINE)
        return [TypeDeserializer().deserialize({"M": json.loads(item)}) for item in written]

    def apply(self) -> None:
        """Apply what it says now."""
        self.terraform.apply()
        self.outputs.update(self.terraform.outputs())


@dataclass(frozen=True)
class Account:
    """Where all examples are.

    Attributes:
        aws: the stack.
        examples: by name.
        reader: of all their caches.
    """

    aws: AwsStack
    examples: dict[str, Example]
    reader: CacheClient

    def everywhere(self, do: Callable[[Example], Result]) -> dict[str, Result]:
        """Do something with each example: at once, for Terraform's provider spends most of its time waiting."""
        with ThreadPoolExecutor() as pool:
            return dict(zip(self.examples, pool.map(do, self.examples.values()), strict=True))

    def table(self, name: str) -> Any:
        """A table to write to."""
        return self.aws.resource("dynamodb").Table(name)

    def shows(self, cache: str, entries: Mapping[str, Any]) -> None:
        """Wait until a cache has these entries; None: until there is none."""
        deadline = time.monotonic() + 30
        while different := {
            key: found for key, entry in entries.items() if (found := reader.read(self.reader, cache, key)) != entry
        }:
            assert time.monotonic() < deadline, different
            time.sleep(0.05)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with ExitStack() as stack:
        momento_key = secrets.token_hex(16)
        momento = stack.enter_context(MomentoServer(caches=CACHES, required_keys=[momento_key]))
        aws = stack.enter_context(AwsStack())
        secret = aws.client("secretsmanager").create_secret(Name=SECRET, SecretString=momento_key)
        examples = {}
        for name in BLOCKS:
            variables = {"momento_endpoint": momento.endpoint, "momento_secret_arn": secret["ARN"]}
            root_module = Terraform(f"examples/{name}", environment=aws.environment, variables=variables)
            terraform = stack.enter_context(root_module)
            examples[name] = Example(name, terraform, aws.function_platform, {})
            examples[name].edit()
        client = stack.enter_context(reader.connect(momento, momento_key))
        account = Account(aws, examples, client)
        account.everywhere(Example.apply)
        for name, value in {"complete": json.dumps({"apiKey": momento_key}), "many-tables": momento_key}.items():
            arn = examples[name].outputs["secret_arn"]
            aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=value)
        yield account


def test_a_second_plan_is_empty(account: Account) -> None:
    assert account.everywhere(lambda example: example.terraform.plan()) == dict.fromkeys(BLOCKS)


def test_simple_caches_the_whole_item_under_its_key(account: Account) -> None:
    example = account.examples["simple"]
    table = account.table(example.outputs["table_name"])
    [item] = example.items()
    table.put_item(Item=item)
    account.shows("orders", {"1": {"id": "1", "status": "OPEN"}})
    table.update_item(
        Key={"id": "1"},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": "CLOSED"},
    )
    account.shows("orders", {"1": {"id": "1", "status": "CLOSED"}})
    table.delete_item(Key={"id": "1"})
    account.shows("orders", {"1": None})


def test_complete_caches_what_its_patterns_let_through(account: Account) -> None:
    example = account.examples["complete"]
    table = account.table(example.outputs["table_name"])
    [parcel] = example.items()
    piano = parcel | {"id": "order-2", "createdAt": "2025-01-02T12:00:00Z", "weight": 400}
    table.put_item(Item=parcel | {"id": "profile"})
    table.put_item(Item=parcel | {"id": "order-0", "status": "DRAFT"})
    table.put_item(Item=parcel)
    table.put_item(Item=piano)
    row = {"customer": "ada", "id": "order-1", "status": "PAID", "createdAt": "2025-01-01T12:00:00Z", "city": "Oslo"}
    last_row = row | {"id": "order-2", "createdAt": "2025-01-02T12:00:00Z"}
    account.shows(
        "complete",
        {
            "orders/ada/profile": None,
            "orders/ada/order-0": None,
            "orders/ada/order-1": parcel,
            "orders/ada/order-2": piano,
            "orders/ada": [last_row, row],
            "orders/urgent": [
                {"customer": "ada", "id": "order-1", "createdAt": parcel["createdAt"], "carrier": "express-air"}
            ],
        },
    )
    table.put_item(Item=parcel | {"status": "SENT"})
    account.shows("complete", {"orders/ada": [last_row, row | {"status": "SENT"}], "orders/urgent": []})


def test_complete_is_there_as_it_says(account: Account) -> None:
    client, outputs = account.aws.client, account.examples["complete"].outputs
    key, topic, bucket = (outputs[name] for name in ("kms_key_arn", "alarm_topic_arn", "failure_bucket_name"))
    tags = {"service": "orders", "example": "complete"}

    table = client("dynamodb").describe_table(TableName=outputs["table_name"])["Table"]
    assert table["SSEDescription"]["KMSMasterKeyArn"] == key
    assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500}
    [index] = table["GlobalSecondaryIndexes"]
    assert set(index["Projection"]["NonKeyAttributes"]) == {"carrier", "gift", "weight"}
    backups = client("dynamodb").describe_continuous_backups(TableName=outputs["table_name"])
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert (recovery["PointInTimeRecoveryStatus"], recovery["RecoveryPeriodInDays"]) == ("ENABLED", 7)
    ttl = client("dynamodb").describe_time_to_live(TableName=outputs["table_name"])["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}
    assert plain(client("dynamodb").list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]) == tags | {
        "backup": "daily"
    }

    function = client("lambda").get_function(FunctionName=outputs["function_name"])
    said = function["Configuration"]
    assert (said["MemorySize"], said["Timeout"], said["TracingConfig"]["Mode"]) == (1024, 120, "Active")
    assert (said["KMSKeyArn"], said["Environment"]["Variables"]["TEAM"]) == (key, "orders")
    assert function["Concurrency"]["ReservedConcurrentExecutions"] == 8
    assert function["Tags"] == tags
    [log] = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/complete-orders")["logGroups"]
    assert (log["retentionInDays"], log["kmsKeyId"]) == (90, key)

    mapping = client("lambda").get_event_source_mapping(UUID=outputs["event_source_mapping_uuid"])
    assert mapping["EventSourceArn"] == table["LatestStreamArn"]
    assert {
        name: mapping[name]
        for name in (
            "BatchSize",
            "MaximumBatchingWindowInSeconds",
            "ParallelizationFactor",
            "MaximumRetryAttempts",
            "MaximumRecordAgeInSeconds",
        )
    } == {
        "BatchSize": 200,
        "MaximumBatchingWindowInSeconds": 1,
        "ParallelizationFactor": 2,
        "MaximumRetryAttempts": 50,
        "MaximumRecordAgeInSeconds": 43200,
    }
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == f"arn:aws:s3:::{bucket}"
    patterns = [json.loads(each["Pattern"])["dynamodb"] for each in mapping["FilterCriteria"]["Filters"]]
    assert [pattern.pop("Keys") for pattern in patterns] == [{"id": {"S": [{"prefix": "order-"}]}}] * 4
    assert sorted(image for pattern in patterns for image in pattern) == [
        "NewImage",
        "NewImage",
        "OldImage",
        "OldImage",
    ]

    role = client("iam").get_role(RoleName=outputs["role_name"])["Role"]
    assert (role["Path"], plain(role["Tags"])) == ("/caches/", tags)
    policy = client("iam").get_role_policy(RoleName=outputs["role_name"], PolicyName="complete-orders")
    allowed = {each["Sid"]: each["Resource"] for each in policy["PolicyDocument"]["Statement"]}
    assert allowed == {
        "ReadStream": [table["LatestStreamArn"]],
        "ReadApiKey": [outputs["secret_arn"]],
        "WriteLogs": [f"{log['arn'].removesuffix(':*')}:*"],
        "ReportFailures": [f"arn:aws:s3:::{bucket}/aws/lambda/*"],
        "FindFailuresBucket": [f"arn:aws:s3:::{bucket}"],
        "EncryptFailures": [key],
        "RebuildLists": [table["TableArn"], f"{table['TableArn']}/index/by-status"],
        "DecryptApiKey": [key],
        "DecryptTable": [key],
        "DecryptEnvironment": [key],
        "WriteTraces": ["*"],
    }

    alarms = client("cloudwatch").describe_alarms(AlarmNamePrefix="complete-orders-")["MetricAlarms"]
    # None on the failure queue: there is a bucket instead.
    assert len(alarms) == 8
    assert all(alarm["AlarmActions"] == alarm["OKActions"] == [topic] for alarm in alarms)
    assert all(" https://wiki.example.com/order-cache#" in alarm["AlarmDescription"] for alarm in alarms)
    thresholds = {alarm["AlarmName"].removeprefix("complete-orders-"): alarm["Threshold"] for alarm in alarms}
    assert (thresholds["propagation-delay"], thresholds["throttles"], thresholds["duration"]) == (5, 10, 108_000)
    assert client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == key

    s3 = client("s3")
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    [rule] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["Expiration"]["Days"] == 14


def test_existing_table_is_read_and_left_as_it_is(account: Account) -> None:
    client, example = account.aws.client, account.examples["existing-table"]
    table = account.table(example.outputs["table_name"])
    [first] = example.items()
    second = first | {"id": "2", "createdAt": "2025-01-02T12:00:00Z"}
    table.put_item(Item=first)
    table.put_item(Item=second)
    rows = [{name: order[name] for name in ("id", "createdAt", "status")} for order in (second, first)]
    account.shows("existing-orders", {"1": first, "2": second, "customer-ada": rows})
    table.delete_item(Key={"id": "2"})
    account.shows("existing-orders", {"2": None, "customer-ada": rows[1:]})

    stream = client("dynamodb").describe_table(TableName=table.name)["Table"]["LatestStreamArn"]
    [mapping] = client("lambda").list_event_source_mappings(FunctionName="existing-orders-cache")["EventSourceMappings"]
    assert mapping["EventSourceArn"] == stream
    tables = [name for name in client("dynamodb").list_tables()["TableNames"] if name.startswith("existing-")]
    assert tables == ["existing-orders"]


def test_many_tables_share_a_cache_a_secret_and_a_package(account: Account) -> None:
    client, example = account.aws.client, account.examples["many-tables"]
    tables = example.outputs["table_names"]
    for (_, table), item in zip(sorted(tables.items()), example.items(), strict=True):
        account.table(table).put_item(Item=item)
    account.shows(
        "shop",
        {
            "customers/ada": {"id": "ada", "city": "Oslo"},
            "orders/ada": [{"customer": "ada", "id": "1"}],
            "orders/ada/1": {"customer": "ada", "id": "1"},
            "products/pizza": {"sku": "pizza", "price": 5},
        },
    )
    functions = [client("lambda").get_function_configuration(FunctionName=f"shop-{key}") for key in tables]
    assert len({function["CodeSha256"] for function in functions}) == 1
    for key in tables:
        policy = client("iam").get_role_policy(RoleName=f"shop-{key}", PolicyName=f"shop-{key}")["PolicyDocument"]
        [statement] = [each for each in policy["Statement"] if each["Sid"] == "ReadApiKey"]
        assert statement["Resource"] == [example.outputs["secret_arn"]]


def test_other_inputs_are_an_update_in_place_and_destroy_leaves_nothing(account: Account) -> None:
    """Last: it takes away what all others need."""
    examples, client = account.examples, account.aws.client
    # As its README says, before a destroy.
    examples["simple"].edit(table={"hash_key": {"name": "id"}, "deletion_protection_enabled": False})
    examples["existing-table"].edit(ttl_seconds=3600)
    examples["many-tables"].edit(parallelization_factor=2)
    examples["complete"].edit(
        tags={"service": "orders"},
        batch_size=400,
        memory_size=2048,
        tracing_mode="PassThrough",
        log_retention_in_days=30,
    )
    changes = account.everywhere(lambda example: example.terraform.changes())
    assert {what for each in changes.values() for what in each.values()} == {"updated in-place"}
    assert set(changes["simple"]) == {"module.order_cache.aws_dynamodb_table.this[0]"}
    assert set(changes["existing-table"]) == {"module.order_cache.aws_lambda_function.this[0]"}
    assert set(changes["many-tables"]) == {
        f'module.cache["{key}"].aws_lambda_event_source_mapping.this[0]' for key in ("customers", "orders", "products")
    }
    tagged = {resource.split(".")[2].partition("[")[0] for resource in changes["complete"]}
    assert tagged == {
        "aws_cloudwatch_log_group",
        "aws_cloudwatch_metric_alarm",
        "aws_dynamodb_table",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_lambda_event_source_mapping",
        "aws_lambda_function",
    }

    account.everywhere(Example.apply)
    assert account.everywhere(lambda example: example.terraform.plan()) == dict.fromkeys(BLOCKS)
    function = client("lambda").get_function(FunctionName="complete-orders")
    assert (function["Configuration"]["MemorySize"], function["Tags"]) == (2048, {"service": "orders"})
    mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]
    factors = {each["FunctionArn"].rpartition(":")[2]: each["ParallelizationFactor"] for each in mappings}
    assert factors == {
        "orders": 1,
        "complete-orders": 2,
        "existing-orders-cache": 1,
        "shop-customers": 2,
        "shop-orders": 2,
        "shop-products": 2,
    }
    # What is deployed now still follows its table.
    account.table("existing-orders").put_item(Item={"id": "3", "customer": "bob"})
    account.shows("existing-orders", {"3": {"id": "3", "customer": "bob"}})

    account.everywhere(lambda example: example.terraform.destroy())
    assert resources(account.aws) == [SECRET]


def plain(tags: list[dict[str, str]]) -> dict[str, str]:
    """Tags as Terraform has them."""
    return {tag["Key"]: tag["Value"] for tag in tags}
