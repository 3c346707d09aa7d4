"""The AWS stack: it comes up empty, keeps to itself, and goes."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.aws import ACCOUNT_ID, REGION, AwsStack
from local.server import Server, ServerError

FUNCTION = """
import importlib.util, os

def handler(event, context):
    return {
        "environment": sorted(os.environ),
        "found": [name for name in event["modules"] if importlib.util.find_spec(name)],
    }
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsStack]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(Path.cwd()))
        environment.setenv("AWS_PROFILE", "someones-own")
        with AwsStack() as stack:
            yield stack


@pytest.fixture(scope="module")
def told_by_function(aws: AwsStack) -> dict[str, Any]:
    """What a function finds around it that brings along nothing but itself."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as zipped:
        zipped.writestr("lonely.py", FUNCTION)
    client = aws.client("lambda")
    client.create_function(
        FunctionName="lonely",
        Role="arn:aws:iam::000000000000:role/lonely",
        Handler="lonely.handler",
        Runtime=aws.function_platform["runtime"],
        Code={"ZipFile": package.getvalue()},
    )
    client.get_waiter("function_active_v2").wait(FunctionName="lonely", WaiterConfig={"Delay": 1})
    event = {"modules": ["boto3", "botocore", "msgspec", "momento", "grpc", "ministack", "local", "handler"]}
    answer = client.invoke(FunctionName="lonely", Payload=json.dumps(event))
    told: dict[str, Any] = json.load(answer["Payload"])
    return told


def test_every_service_answers_and_is_empty(aws: AwsStack) -> None:
    assert aws.client("dynamodb").list_tables()["TableNames"] == []
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []
    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
    assert aws.client("logs").describe_log_groups()["logGroups"] == []
    assert aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_a_client_that_knows_only_the_environment_finds_the_stack(aws: AwsStack) -> None:
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    environment = {"PATH": os.defpath, **aws.environment}
    answer = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert answer.stdout.strip() == b"000000000000"


def test_an_answer_goes_out_in_one_piece(aws: AwsStack) -> None:
    """Or a client in Go may drop its connection between the two, and make something a second time."""
    body = b"{}"
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"X-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(aws.environment["AWS_ENDPOINT_URL"]).port or 0)) as connection:
        # Not to sleep until all of it is there.
        connection.setblocking(False)
        for _ in range(100):
            connection.send(head.encode() + body)
            answer = b""
            while not answer:
                with suppress(BlockingIOError):
                    answer = connection.recv(2**16)
            assert answer.endswith(b"}")


def test_a_client_that_waits_for_continue_gets_it(aws: AwsStack) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(aws.environment["AWS_ENDPOINT_URL"]).port or 0)) as connection:
        connection.sendall(
            b"PUT /bucket HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        connection.settimeout(5)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 100 ")


def test_a_log_group_is_told_with_its_class_and_its_key(aws: AwsStack) -> None:
    logs = aws.client("logs")
    key = f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/logs"
    logs.create_log_group(logGroupName="rare", logGroupClass="INFREQUENT_ACCESS", kmsKeyId=key)
    logs.create_log_group(logGroupName="plain")
    told = {group["logGroupName"]: group for group in logs.describe_log_groups()["logGroups"]}
    assert (told["rare"]["logGroupClass"], told["rare"]["kmsKeyId"]) == ("INFREQUENT_ACCESS", key)
    assert told["plain"]["logGroupClass"] == "STANDARD"
    assert "kmsKeyId" not in told["plain"]


def test_a_topic_has_the_tags_that_it_was_made_with(aws: AwsStack) -> None:
    sns = aws.client("sns")
    arn = sns.create_topic(Name="tagged", Tags=[{"Key": "team", "Value": "kitchen"}])["TopicArn"]
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "kitchen"}]


def test_an_event_source_mapping_is_told_with_the_arn_that_its_tags_are_under(
    aws: AwsStack, told_by_function: dict[str, Any]
) -> None:
    assert told_by_function, "the function is there"
    client = aws.client("lambda")
    queue = aws.client("sqs").create_queue(QueueName="source")["QueueUrl"]
    made = client.create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:source",
        FunctionName="lonely",
        Enabled=False,
        Tags={"team": "kitchen"},
    )
    arn = made["EventSourceMappingArn"]
    assert arn == f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:event-source-mapping:{made['UUID']}"
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "kitchen"}
    client.delete_event_source_mapping(UUID=made["UUID"])
    aws.client("sqs").delete_queue(QueueUrl=queue)


@pytest.mark.parametrize(
    ("specification", "told"),
    [
        ({"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}, ("ENABLED", 7)),
        ({"PointInTimeRecoveryEnabled": True}, ("ENABLED", 35)),
        ({"PointInTimeRecoveryEnabled": False}, ("DISABLED", None)),
    ],
)
def test_a_table_is_told_with_its_recovery_period(
    aws: AwsStack, specification: dict[str, Any], told: tuple[str, int | None]
) -> None:
    dynamodb = aws.client("dynamodb")
    key = {"AttributeName": "id"}
    dynamodb.create_table(
        TableName="recovered",
        KeySchema=[key | {"KeyType": "HASH"}],
        AttributeDefinitions=[key | {"AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        dynamodb.update_continuous_backups(TableName="recovered", PointInTimeRecoverySpecification=specification)
        answer = dynamodb.describe_continuous_backups(TableName="recovered")["ContinuousBackupsDescription"]
        recovery = answer["PointInTimeRecoveryDescription"]
        assert (recovery["PointInTimeRecoveryStatus"], recovery.get("RecoveryPeriodInDays")) == told
    finally:
        dynamodb.delete_table(TableName="recovered")


def test_a_scalable_target_has_tags(aws: AwsStack) -> None:
    scaling = aws.client("application-autoscaling")
    arn = scaling.register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/orders",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=1,
        MaxCapacity=2,
        Tags={"team": "kitchen", "stage": "test"},
    )["ScalableTargetARN"]
    scaling.tag_resource(ResourceARN=arn, Tags={"stage": "live"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stage": "live"}


def test_nothing_listens_but_on_127_0_0_1(aws: AwsStack) -> None:
    for port in ports(aws):
        assert listens("127.0.0.1", port)
        assert not listens("127.0.0.2", port), "127.0.0.2 is this machine too: all of its addresses are bound"


def test_a_function_finds_boto3_and_nothing_else_that_is_installed(told_by_function: dict[str, Any]) -> None:
    assert told_by_function["found"] == ["boto3", "botocore"]


def test_a_function_does_not_see_the_callers_environment(told_by_function: dict[str, Any]) -> None:
    assert "AWS_ENDPOINT_URL" in told_by_function["environment"]
    assert not {"PYTHONPATH", "AWS_PROFILE", "VIRTUAL_ENV"} & set(told_by_function["environment"])


def test_nothing_is_left_after_an_error() -> None:
    stack = AwsStack()
    with pytest.raises(ZeroDivisionError), stack:
        raise ZeroDivisionError
    assert not any(listens("127.0.0.1", port) for port in ports(stack))
    assert not stack.log_file.parent.exists()


def test_a_server_that_ends_while_starting_shows_its_log(tmp_path: Path) -> None:
    server = Server("broken", [sys.executable, "-c", "raise SystemExit('no such luck')"], 1, tmp_path)
    server.start()
    with pytest.raises(ServerError, match=r"broken ended while starting:\nno such luck"):
        server.wait_until_ready()
    server.end()


@pytest.mark.parametrize(
    ("end", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_the_command_says_how_to_reach_the_stack_and_leaves_nothing(
    end: signal.Signals, status: int, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "local", "aws"],
        # Who is killed can not remove its folder.
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as command:
        assert command.stdout is not None
        exports = dict(line.removeprefix("export ").split("=", 1) for line in lines_until_ready(command.stdout))
        port = urlsplit(exports["AWS_ENDPOINT_URL"].strip()).port
        assert port is not None
        assert listens("127.0.0.1", port)
        command.send_signal(end)
        rest = command.stdout.read()
    assert command.returncode == status
    assert "Traceback" not in rest
    wait_until(lambda: not listens("127.0.0.1", port))


def lines_until_ready(stdout: Any) -> Iterator[str]:
    for line in stdout:
        if line.startswith("Ready"):
            return
        yield line
    pytest.fail("the command ended before it was ready")


def ports(aws: AwsStack) -> list[int]:
    return [urlsplit(url).port or 0 for name, url in aws.environment.items() if "ENDPOINT" in name]


def listens(host: str, port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
