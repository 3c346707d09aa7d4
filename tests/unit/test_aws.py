import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from handler.attributes import Template
from handler.aws import ATTEMPTS, CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, DynamoTable, SecretKey
from handler.cache import CONCURRENCY, CacheError, NotAKeyError, Page, TransientError
from handler.momento_cache import MomentoCache, credentials_of
from handler.settings import Momento, RebuildFrom, Table


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


def momento(arn: str, field: str | None = None) -> Momento:
    return Momento(cache_name="pizza", secret_arn=arn, secret_json_key=field)


def secret(value: str) -> str:
    return boto3.client("secretsmanager").create_secret(Name="momento", SecretString=value)["ARN"]


def test_the_key_is_the_whole_secret() -> None:
    assert SecretKey(momento(secret("the-key\n"))).fetch() == "the-key"


def test_a_key_stored_as_binary_is_the_same() -> None:
    create = boto3.client("secretsmanager").create_secret
    plain = create(Name="plain", SecretBinary=b"the-key")["ARN"]
    field = create(Name="field", SecretBinary=b'{"apiKey": "the-key"}')["ARN"]
    assert SecretKey(momento(plain)).fetch() == SecretKey(momento(field, "apiKey")).fetch() == "the-key"


@pytest.mark.parametrize("field", [None, "apiKey"])
def test_bytes_that_are_no_text_are_no_key(field: str | None) -> None:
    arn = boto3.client("secretsmanager").create_secret(Name="bytes", SecretBinary=b"\xff\xfe")["ARN"]
    key = SecretKey(momento(arn, field))
    with pytest.raises(CacheError, match=r"momento\.secret_"):
        credentials_of(key.fetch(), "127.0.0.1:8080")


def test_the_key_is_a_field_of_the_secrets_json() -> None:
    assert SecretKey(momento(secret(json.dumps({"apiKey": "the-key"})), "apiKey")).fetch() == "the-key"


def test_a_key_changed_in_the_secret_is_the_next_one_fetched() -> None:
    arn = secret("old")
    key = SecretKey(momento(arn))
    assert key.fetch() == "old"
    boto3.client("secretsmanager").put_secret_value(SecretId=arn, SecretString="new")
    assert key.fetch() == "new"


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        (" ", None, "momento.secret_arn: the secret holds no text"),
        ('{"apiKey": "the-key"}', None, "momento.secret_json_key: the secret is a JSON object: name the field"),
        ("the-key", "apiKey", "momento.secret_json_key: the secret is not a JSON object"),
        ('["the-key"]', "apiKey", "momento.secret_json_key: the secret is not a JSON object"),
        ('{"key": "the-key"}', "apiKey", 'momento.secret_json_key: the secret\'s JSON has no text "apiKey"'),
        ('{"apiKey": 1}', "apiKey", 'has no text "apiKey"'),
    ],
)
def test_a_secret_without_a_key_is_named_and_not_shown(value: str, field: str | None, message: str) -> None:
    with pytest.raises(CacheError, match=message) as caught:
        SecretKey(momento(secret(value), field)).fetch()
    assert "the-key" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_secret_that_does_not_exist_is_named() -> None:
    with pytest.raises(CacheError, match="momento.secret_arn: the secret cannot be read"):
        SecretKey(momento("arn:aws:secretsmanager:eu-west-1:111122223333:secret:none")).fetch()


def source(index_name: str | None = None) -> RebuildFrom:
    return RebuildFrom(key_condition={"pk": Template("{pk}")}, index_name=index_name)


@pytest.fixture
def table() -> DynamoTable:
    boto3.client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "B"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "by", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-creator",
                "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return DynamoTable(Table(name="orders"))


def put(**attributes: Any) -> None:
    boto3.client("dynamodb").put_item(TableName="orders", Item=attributes)


def numbers(table: DynamoTable, source: RebuildFrom, condition: dict[str, Any]) -> list[str]:
    found: list[str] = []
    after: Any = None
    while True:
        page = asyncio.run(table.query(source, condition, after))
        found += [image["sk"]["N"] for image in page.images]
        after = page.after
        if after is None:
            return found


def test_a_query_gives_every_page(table: DynamoTable) -> None:
    for number in range(8):
        put(pk={"B": b"\x00"}, sk={"N": str(number)}, big={"S": "x" * 300_000})
    put(pk={"B": b"\x01"}, sk={"N": "9"})
    # A Lambda event has binary as base64 text.
    assert numbers(table, source(), {"pk": {"B": "AA=="}}) == [str(number) for number in range(8)]


def test_an_index_is_queried_by_its_name(table: DynamoTable) -> None:
    put(pk={"B": b"\x00"}, sk={"N": "1"}, by={"S": "ann"})
    put(pk={"B": b"\x00"}, sk={"N": "2"}, by={"S": "bob"})
    assert numbers(table, source("by-creator"), {"by": {"S": "bob"}}) == ["2"]


def test_the_table_itself_is_read_consistently_and_an_index_as_it_can_be(table: DynamoTable) -> None:
    asked: list[dict[str, Any]] = []
    table._client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: asked.append(dict(params))
    )
    numbers(table, source(), {"pk": {"B": "AA=="}})
    numbers(table, source("by-creator"), {"by": {"S": "bob"}})
    assert [(params.get("ConsistentRead"), params.get("IndexName")) for params in asked] == [
        (True, None),
        (None, "by-creator"),
    ]


def test_a_table_out_of_reach_fails_within_the_time_it_says(
    table: DynamoTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(CacheError, match="rebuild_from: the query failed: EndpointConnectionError"):
            numbers(DynamoTable(Table(name="orders")), source(), {"pk": {"B": "AA=="}})


class HangsUp:
    """A server that ends every connection before it answers.

    Attributes:
        url: where it listens.
        connections: how many there were.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.connections = 0


@pytest.fixture
def hangs_up() -> Iterator[HangsUp]:
    def serve(listener: socket.socket, server: HangsUp) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server.connections += 1
                client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = HangsUp(listener)
        thread = threading.Thread(target=serve, args=(listener, server))
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_query_is_made_as_often_as_its_time_allows(
    table: DynamoTable, hangs_up: HangsUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", hangs_up.url)
    with pytest.raises(CacheError, match="rebuild_from: the query failed: Connection"):
        numbers(DynamoTable(Table(name="orders")), source(), {"pk": {"B": "AA=="}})
    assert hangs_up.connections == ATTEMPTS


def test_the_secret_is_asked_for_as_often_as_its_time_allows(
    hangs_up: HangsUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", hangs_up.url)
    with pytest.raises(CacheError, match=r"momento\.secret_arn: the secret cannot be read"):
        SecretKey(momento("arn")).fetch()
    assert hangs_up.connections == ATTEMPTS


@pytest.fixture
def trickle() -> Iterator[str]:
    """The address of a server whose answer never ends: each read gets a byte, so no read times out."""
    over = threading.Event()

    def answer(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                client, _ = listener.accept()
                with client:
                    client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                    while not over.wait(0.05):
                        client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_query_is_bounded_as_a_whole(table: DynamoTable, trickle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The last attempt may end where botocore ends it.
    assert ATTEMPTS * (CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS) < table.request_seconds < 10
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", trickle)
    slow = DynamoTable(Table(name="orders"))
    slow.request_seconds = 0.3

    async def query() -> None:
        # Its thread goes on until the server ends: asyncio.run() would wait for it.
        await slow.query(source(), {"pk": {"B": "AA=="}}, None)

    with pytest.raises(CacheError, match="rebuild_from: DynamoDB does not answer: check the function's network"):
        asyncio.run(asyncio.wait_for(query(), 5))


def test_as_many_queries_as_operations_run_at_once_over_connections_that_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    all_there = threading.Barrier(CONCURRENCY)
    connections: list[object] = []

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(self)
            super().setup()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            all_there.wait(2.5)
            self.send_response(200)
            self.send_header("Content-Length", "12")
            self.end_headers()
            self.wfile.write(b'{"Items":[]}')

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = CONCURRENCY

        def handle_error(self, *_: object) -> None:
            pass

    async def queries(table: DynamoTable) -> None:
        for _ in range(2):
            every = (table.query(source(), {"pk": {"B": "AA=="}}, None) for _ in range(CONCURRENCY))
            assert [page.images for page in await asyncio.gather(*every)] == [[]] * CONCURRENCY

    with Server(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server.server_port}")
        try:
            asyncio.run(queries(DynamoTable(Table(name="orders"))))
        finally:
            server.shutdown()
            thread.join()
    assert len(connections) == CONCURRENCY


def test_the_secret_and_momento_leave_the_init_phase_time_to_say_what_is_wrong() -> None:
    cache = MomentoCache(momento("arn"), SecretKey(momento("arn")))
    # Lambda ends the init phase after 10 s. Importing the libraries takes one or two of them.
    assert cache.renew_seconds <= 8


@contextlib.contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, status: int, body: bytes) -> Iterator[DynamoTable]:
    """A table behind a server that gives every query this answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server.server_port}")
        try:
            yield DynamoTable(Table(name="orders"))
        finally:
            server.shutdown()
            thread.join()


def refusal(code: str, message: str) -> bytes:
    """Give the body of an answer by which DynamoDB refuses a request."""
    return json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}).encode()


@pytest.mark.parametrize(
    ("message", "kind", "told"),
    [
        # DynamoDB's own words, which DynamoDB Local repeats: tests/local/test_dynamodb.py.
        (
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
            NotAKeyError,
            "rebuild_from: a value is not of its key's type",
        ),
        (
            "One or more parameter values are not valid: private",
            CacheError,
            "rebuild_from: the query failed: ValidationException",
        ),
    ],
)
def test_a_query_by_a_value_of_another_type_than_its_keys_is_told_from_other_refusals(
    monkeypatch: pytest.MonkeyPatch, message: str, kind: type[CacheError], told: str
) -> None:
    body = refusal("ValidationException", message)
    with answering(monkeypatch, 400, body) as table, pytest.raises(CacheError) as caught:
        numbers(table, source(), {"pk": {"S": "private"}})
    assert (type(caught.value), str(caught.value)) == (kind, told)


def test_a_query_by_both_key_attributes_gives_that_item_alone(table: DynamoTable) -> None:
    for number in range(3):
        put(pk={"B": b"\x00"}, sk={"N": str(number)})
    assert numbers(table, source(), {"pk": {"B": "AA=="}, "sk": {"N": "1"}}) == ["1"]


def test_a_query_that_is_refused_names_the_input_and_not_the_item(table: DynamoTable) -> None:
    with pytest.raises(CacheError, match="rebuild_from: the query failed: ") as caught:
        numbers(table, source("none"), {"by": {"S": "private"}})
    assert "private" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ProvisionedThroughputExceededException", TransientError),
        (400, "RequestLimitExceeded", TransientError),
        (400, "ThrottlingException", TransientError),
        (500, "InternalServerError", TransientError),
        (503, "ServiceUnavailable", TransientError),
        (400, "AccessDeniedException", CacheError),
        (400, "ResourceNotFoundException", CacheError),
    ],
)
def test_a_query_that_may_succeed_the_next_time_is_told_from_one_that_cannot(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, kind: type[CacheError]
) -> None:
    with answering(monkeypatch, status, refusal(code, "private")) as table, pytest.raises(CacheError) as caught:
        numbers(table, source(), {"pk": {"B": "AA=="}})
    assert type(caught.value) is kind
    assert str(caught.value) == f"rebuild_from: the query failed: {code}"


@pytest.mark.parametrize("last", [b"", b',"LastEvaluatedKey":{}', b',"LastEvaluatedKey":null'])
def test_an_empty_key_ends_the_pages_as_none_does(monkeypatch: pytest.MonkeyPatch, last: bytes) -> None:
    with answering(monkeypatch, 200, b'{"Items":[]%b}' % last) as table:
        page = asyncio.run(table.query(source(), {"pk": {"B": "AA=="}}, None))
    assert page == Page([], None)
