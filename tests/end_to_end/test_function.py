"""The function as Lambda starts it: from its environment alone, in a process of its own."""

import base64
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from local.momento import Fault, MomentoServer
from local.terraform import PROJECT
from tests.pizza import VIEWS, order
from tests.stream import Stream, image, sequence_number

INVOKE = """
import json, sys
from types import SimpleNamespace
from handler.function import handler

for event, milliseconds in json.load(sys.stdin):
    context = SimpleNamespace(
        function_name="pizza",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:pizza",
        aws_request_id="request",
        get_remaining_time_in_millis=lambda: milliseconds,
    )
    print(json.dumps(["answer", handler(event, context)]))
"""


ENTRIES = {name: VIEWS[name] for name in ("order", "admin_order")}
LIST = {"kind": "list", "key": "of-{pk}", "member": "{sk}", "fields": {"sk": "sk", "note": "note"}, "unique": True}


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "PATH": os.environ["PATH"],
            # tests.mutants has it started from a changed copy.
            "PYTHONPATH": os.environ.get("HANDLER_TREE", str(PROJECT)),
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_SERVICE_NAME": "pizza",
            "POWERTOOLS_METRICS_NAMESPACE": "DynamoDBMomentoCache",
        }
    finally:
        server.stop()


@pytest.fixture(scope="module")
def secret_arn(environment: dict[str, str]) -> str:
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    secrets = session.client("secretsmanager", endpoint_url=environment["AWS_ENDPOINT_URL"])
    return str(secrets.create_secret(Name="momento", SecretString="good")["ARN"])


@pytest.fixture
def momento() -> Iterator[MomentoServer]:
    with MomentoServer(caches=["pizza"], required_keys=["good"]) as server:
        yield server


@pytest.fixture
def stream() -> Stream:
    stream = Stream()
    for number in (1, 2):
        stream.put(order(number))
    return stream


def invoke(
    environment: dict[str, str],
    secret_arn: str,
    endpoint: str,
    *invocations: tuple[Any, int],
    cache_name: str = "pizza",
    timeout_seconds: int = 60,
    views: Mapping[str, Any] = ENTRIES,
) -> subprocess.CompletedProcess[str]:
    settings = {
        "table": {"name": "orders"},
        "momento": {"cache_name": cache_name, "secret_arn": secret_arn, "endpoint": endpoint},
        "views": views,
        "timeout_seconds": timeout_seconds,
    }
    document = base64.b64encode(gzip.compress(msgspec.json.encode(settings))).decode()
    return subprocess.run(
        # Without -P, the current folder would come before PYTHONPATH.
        [sys.executable, "-P", "-c", INVOKE],
        input=json.dumps(invocations),
        env=environment | {"SETTINGS": document},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines()]


def answers(ran: subprocess.CompletedProcess[str]) -> list[Any]:
    assert ran.returncode == 0, ran.stderr
    return [line[1] for line in lines(ran.stdout) if isinstance(line, list)]


def test_one_environment_handles_batch_after_batch(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    ran = invoke(environment, secret_arn, momento.endpoint, (stream.event(0, 1), 30_000), (stream.event(1), 30_000))
    assert answers(ran) == [{"batchItemFailures": []}] * 2
    assert momento.engine.get("pizza", b"order-1") is not None
    assert momento.engine.get("pizza", b"ADMIN-order-2") is not None


def test_a_batch_leaves_one_log_line_and_its_metrics_and_no_item(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    ran = invoke(environment, secret_arn, momento.endpoint, (stream.event(), 30_000))
    (log,) = lines(ran.stderr)
    assert log["message"] == "batch"
    assert (log["level"], log["records"], log["operations"], log["failed"]) == ("INFO", 2, {"set": 4}, 0)
    assert log["function_request_id"] == "request"
    (metrics,) = [line for line in lines(ran.stdout) if "Records" in line]
    assert metrics["CacheWrites"] == [4.0]
    units = {each["Name"]: each["Unit"] for each in metrics["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert (units["PropagationDelay"], units["CacheWrites"]) == ("Seconds", "Count")
    assert "order-1" not in ran.stderr + ran.stdout
    assert "basil" not in ran.stderr + ran.stdout


def test_failures_are_one_line_too_whatever_their_number(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    momento.faults.add(Fault(rpc="SetBatch", code="RESOURCE_EXHAUSTED", times=None))
    ran = invoke(environment, secret_arn, momento.endpoint, (stream.event(), 4_000))
    assert answers(ran) == [{"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[0])}]}]
    (log,) = lines(ran.stderr)
    assert (log["level"], log["failed"]) == ("ERROR", 4)
    assert "Momento's limit is reached" in log["failures"][0]["reason"]


def test_a_list_that_is_not_cached_is_rebuilt_from_the_table(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    database = session.client("dynamodb", endpoint_url=environment["AWS_ENDPOINT_URL"])
    database.create_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for sk in ("metadata", "payment"):
        database.put_item(TableName="orders", Item=image({"pk": "order-1", "sk": sk}))
    rebuilt = {"mine": LIST | {"rebuild_from": {"key_condition": {"pk": "{pk}"}}}}
    ran = invoke(environment, secret_arn, momento.endpoint, (stream.event(0, 1), 30_000), views=rebuilt)
    assert answers(ran) == [{"batchItemFailures": []}]
    assert json.loads(momento.engine.get("pizza", b"of-order-1") or b"") == [{"sk": "metadata"}, {"sk": "payment"}]


@pytest.mark.parametrize(("memory", "reads"), [({}, [1, 0]), ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1"}, [1, 1])])
def test_lists_are_remembered_from_batch_to_batch_as_far_as_the_functions_memory_allows(
    environment: dict[str, str],
    secret_arn: str,
    momento: MomentoServer,
    memory: dict[str, str],
    reads: list[int],
) -> None:
    stream = Stream()
    for note in ("x", "y"):
        stream.put(order(1, note=note * 150_000))
    momento.engine.set("pizza", b"of-order-1", b"[]", 60_000)
    batches = [(stream.event(position, position + 1), 30_000) for position in (0, 1)]
    ran = invoke(environment | memory, secret_arn, momento.endpoint, *batches, views={"mine": LIST})
    assert answers(ran) == [{"batchItemFailures": []}] * 2
    assert [log["operations"].get("list_read", 0) for log in lines(ran.stderr)] == reads


def test_the_time_left_is_taken_from_the_invocation(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    ran = invoke(environment, secret_arn, momento.endpoint, (stream.event(), 1_500))
    assert answers(ran) == [{"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[0])}]}]
    assert momento.counters["SetBatch"].requests == 0


def test_the_time_left_is_never_more_than_the_timeout(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    """The wall clock of an environment that was frozen may be behind."""
    ran = invoke(environment, secret_arn, momento.endpoint, (stream.event(), 600_000), timeout_seconds=1)
    assert answers(ran) == [{"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[0])}]}]
    assert momento.counters["SetBatch"].requests == 0


def test_a_cache_that_does_not_exist_is_named_and_nothing_acknowledged(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    ran = invoke(environment, secret_arn, momento.endpoint, (stream.event(), 30_000), cache_name="pasta")
    assert answers(ran) == [{"batchItemFailures": [{"itemIdentifier": sequence_number(stream.records[0])}]}]
    assert 'momento.cache_name: there is no cache \\"pasta\\"' in ran.stderr


def test_a_secret_that_does_not_exist_stops_the_start_and_is_named(
    environment: dict[str, str], secret_arn: str, momento: MomentoServer, stream: Stream
) -> None:
    ran = invoke(environment, secret_arn + "x", momento.endpoint, (stream.event(), 30_000))
    assert ran.returncode != 0
    assert "CacheError: momento.secret_arn: the secret cannot be read" in ran.stderr


@pytest.mark.parametrize("name", ["google.protobuf", "grpc"])
def test_a_layers_library_in_the_place_of_the_packages_own_is_named(
    environment: dict[str, str], secret_arn: str, tmp_path: Path, name: str
) -> None:
    package, layer = tmp_path / "package", tmp_path / "layer"
    package.mkdir()
    for folder in (Path(environment["PYTHONPATH"]) / "handler", *map(_installed, ("google", "grpc"))):
        (package / folder.name).symlink_to(folder)
    older = layer.joinpath(*name.split("."))
    older.mkdir(parents=True)
    (older / "__init__.py").write_text('__version__ = "1.2.3"')
    ran = invoke(environment | {"PYTHONPATH": f"{layer}:{package}"}, secret_arn, "127.0.0.1:1")
    assert ran.returncode != 0
    assert f"ImportError: Momento's SDK cannot be loaded with {name} of {older}, which comes before" in ran.stderr
    ran = invoke(environment | {"PYTHONPATH": f"{package}"}, secret_arn, "127.0.0.1:1")
    assert "Momento does not answer" in ran.stderr
    # Without libraries in the package, there is none in whose place another could be.
    (package / name.partition(".")[0]).unlink()
    ran = invoke(environment | {"PYTHONPATH": f"{layer}:{package}"}, secret_arn, "127.0.0.1:1")
    assert ran.returncode != 0
    assert "cannot be loaded" not in ran.stderr


def _installed(name: str) -> Path:
    found = find_spec(name)
    assert found is not None
    assert found.submodule_search_locations
    return Path(next(iter(found.submodule_search_locations)))
