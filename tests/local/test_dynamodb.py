"""DynamoDB Local: what of DynamoDB the tests rely on, that it keeps to itself, and how it gets onto a machine."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from handler.attributes import Template
from handler.aws import DynamoTable
from handler.cache import CacheError, NotAKeyError
from handler.settings import RebuildFrom, Table
from local.aws import ACCOUNT_ID, REGION
from local.dynamodb import DynamoDBLocal, install
from local.dynamodb.installation import LOCK
from local.server import ServerError
from local.terraform import PROJECT

README = (PROJECT / "README.md").read_text()


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBLocal]:
    with DynamoDBLocal() as running:
        yield running


def create_table(dynamodb: DynamoDBLocal, name: str, **more: Any) -> str:
    """A table with the key `pk`; its stream's ARN."""
    more.setdefault("AttributeDefinitions", [{"AttributeName": "pk", "AttributeType": "S"}])
    more.setdefault("KeySchema", [{"AttributeName": "pk", "KeyType": "HASH"}])
    created = dynamodb.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        **more,
    )
    return str(created["TableDescription"]["LatestStreamArn"])


def records(dynamodb: DynamoDBLocal, stream_arn: str) -> list[dict[str, Any]]:
    client = dynamodb.client("dynamodbstreams")
    [shard] = client.describe_stream(StreamArn=stream_arn)["StreamDescription"]["Shards"]
    start = client.get_shard_iterator(StreamArn=stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    found: list[dict[str, Any]] = client.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return found


def test_each_write_is_a_record_with_the_images_before_and_after(dynamodb: DynamoDBLocal) -> None:
    stream_arn = create_table(dynamodb, "images")
    client = dynamodb.client("dynamodb")
    first = {"pk": {"S": "a"}, "binary": {"B": b"\x00\xff"}, "number": {"N": "1" * 38}}
    second = {"pk": {"S": "a"}, "nothing": {"NULL": True}}
    client.put_item(TableName="images", Item=first)
    client.put_item(TableName="images", Item=second)
    client.delete_item(TableName="images", Key={"pk": {"S": "a"}})
    changes = [
        (each["eventName"], each["dynamodb"].get("OldImage"), each["dynamodb"].get("NewImage"))
        for each in records(dynamodb, stream_arn)
    ]
    assert changes == [("INSERT", None, first), ("MODIFY", first, second), ("REMOVE", second, None)]


AWS = """\
import json, re, sys
import boto3

[service, operation, *options] = sys.argv[1:]
given = dict(zip(options[::2], options[1::2], strict=True))
words = {name: "".join(map(str.capitalize, name[2:].split("-"))) for name in given}
parameters = {words[name]: json.loads(value) if value.startswith("{") else value for name, value in given.items()}
getattr(boto3.client(service), operation.replace("-", "_"))(**parameters)
"""
"""As much of the AWS CLI as the README's command needs: options become boto3's parameters of the same names."""


def test_the_readmes_refresh_sets_the_attribute_and_creates_no_item_that_is_gone(
    dynamodb: DynamoDBLocal, tmp_path: Path
) -> None:
    [command] = re.findall(r"^(aws dynamodb update-item .*?)^```$", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "aws").write_text(f"#!{sys.executable}\n{AWS}")
    (tmp_path / "aws").chmod(0o755)
    identity = {"AWS_ACCESS_KEY_ID": ACCOUNT_ID, "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": REGION}
    environment = os.environ | dynamodb.environment | identity | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    create_table(
        dynamodb,
        "orders",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    client = dynamodb.client("dynamodb")
    refreshed = subprocess.run(
        ["/bin/bash", "-c", command], check=False, env=environment, capture_output=True, text=True
    )
    assert refreshed.returncode != 0
    assert "ConditionalCheckFailedException" in refreshed.stderr
    assert client.scan(TableName="orders")["Items"] == []
    client.put_item(TableName="orders", Item={"pk": {"S": "order-1"}, "sk": {"S": "metadata"}})
    subprocess.run(["/bin/bash", "-c", command], check=True, env=environment)
    [item] = client.scan(TableName="orders")["Items"]
    assert item["_cache_refresh"]["S"].startswith("20")


def test_an_expired_item_is_deleted_in_seconds_and_its_record_names_who_did_it(dynamodb: DynamoDBLocal) -> None:
    stream_arn = create_table(dynamodb, "expiring")
    client = dynamodb.client("dynamodb")
    item = {"pk": {"S": "a"}, "expires": {"N": str(int(time.time()) - 1)}}
    client.put_item(TableName="expiring", Item=item)
    client.update_time_to_live(
        TableName="expiring", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    deadline = time.monotonic() + 30
    while client.scan(TableName="expiring")["Count"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    last = records(dynamodb, stream_arn)[-1]
    assert (last["eventName"], last["dynamodb"]["OldImage"]) == ("REMOVE", item)
    assert last["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


def test_an_index_is_queried(dynamodb: DynamoDBLocal) -> None:
    create_table(
        dynamodb,
        "indexed",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "type")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-type",
                "KeySchema": [{"AttributeName": "type", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    table = dynamodb.resource().Table("indexed")
    table.put_item(Item={"pk": "a", "type": "order"})
    table.put_item(Item={"pk": "b"})
    answer = table.query(
        IndexName="by-type",
        KeyConditionExpression="#t = :t",
        ExpressionAttributeNames={"#t": "type"},
        ExpressionAttributeValues={":t": "order"},
    )
    assert answer["Items"] == [{"pk": "a", "type": "order"}]


def test_a_value_that_is_not_of_its_keys_type_is_what_the_handler_takes_it_for(
    dynamodb: DynamoDBLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_table(dynamodb, "typed")
    account = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**account, **dynamodb.environment}.items():
        monkeypatch.setenv(name, value)
    source = RebuildFrom(key_condition={"pk": Template("{pk}")})
    with pytest.raises(NotAKeyError):
        asyncio.run(DynamoTable(Table(name="typed")).query(source, {"pk": {"N": "5"}}, None))
    with pytest.raises(CacheError, match="rebuild_from: the query failed: ResourceNotFoundException"):
        asyncio.run(DynamoTable(Table(name="none")).query(source, {"pk": {"S": "5"}}, None))


def test_nothing_listens_but_on_127_0_0_1(dynamodb: DynamoDBLocal) -> None:
    assert listens("127.0.0.1", dynamodb)
    assert not listens("127.0.0.2", dynamodb), "127.0.0.2 is this machine too: all of its addresses are bound"


def test_nothing_is_left_after_an_error() -> None:
    dynamodb = DynamoDBLocal()
    with pytest.raises(ZeroDivisionError), dynamodb:
        raise ZeroDivisionError
    assert not listens("127.0.0.1", dynamodb)


def test_a_machine_without_java_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="Java 17 or newer is needed to run DynamoDB Local: install a JRE"):
        DynamoDBLocal().__enter__()


def test_a_java_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = program(tmp_path, "java", """echo 'openjdk version "1.8.0_422"' >&2""")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=re.escape(f'{java} says: openjdk version "1.8.0_422"')):
        DynamoDBLocal().__enter__()


def test_it_is_installed_once_without_scripts_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, "npm", 'echo "$@" >> calls')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    directory = tmp_path / "build" / "dynamodb-local"
    assert install(directory) == directory / "node_modules/amplify-dynamodb-simulator/emulator"
    assert f"Installing DynamoDB Local into {directory}" in capfd.readouterr().err
    install(directory)
    assert capfd.readouterr().err == ""
    [call] = (directory / "calls").read_text().splitlines()
    assert call.startswith("ci --ignore-scripts ")


def test_another_lock_is_another_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "npm", 'echo "$@" >> calls')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    install(tmp_path)
    (tmp_path / "installed.json").write_text("what an older lock named")
    install(tmp_path)
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_an_installation_that_failed_is_shown_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "npm", "echo no network >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for _ in range(2):
        with pytest.raises(ServerError, match="npm could not install DynamoDB Local:\nno network"):
            install(tmp_path)


def test_a_machine_without_npm_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r"npm is needed to install DynamoDB Local: install Node\.js"):
        install(tmp_path)


def test_the_lock_names_one_package_by_its_hash_and_no_host() -> None:
    packages = json.loads(LOCK.read_text())["packages"]
    assert list(packages) == ["", "node_modules/amplify-dynamodb-simulator"]
    assert packages["node_modules/amplify-dynamodb-simulator"].keys() == {"version", "integrity"}


def program(directory: Path, name: str, script: str) -> Path:
    """Write a program that stands for a real one."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def listens(host: str, dynamodb: DynamoDBLocal) -> bool:
    port = urlsplit(dynamodb.environment["AWS_ENDPOINT_URL_DYNAMODB"]).port
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0
