"""What goes wrong: nothing is acknowledged that is not done, and the log names what to fix."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from momento.responses import CacheGet

from local.momento import Fault
from local.pizza import CACHE, Pizza
from tests.end_to_end.conftest import Functions
from tests.pizza import order
from tests.stream import Stream, sequence_number

CLOSED = "127.0.0.1:1"
NO_SECRET = "arn:aws:secretsmanager:us-east-1:000000000000:secret:none"


@pytest.fixture
def orders() -> Stream:
    """Two new orders on the stream."""
    stream = Stream()
    stream.put(order(1))
    stream.put(order(2))
    return stream


@pytest.fixture
def faults(app: Pizza) -> Iterator[Any]:
    """Momento's faults, called off after the test."""
    yield app.momento.faults
    app.momento.faults.clear()


@pytest.fixture(scope="module")
def healthy(functions: Functions) -> str:
    """A function whose settings are right."""
    return functions.deploy("healthy")


def batch_line(log: str) -> dict[str, Any]:
    """The line that a function logs for a batch."""
    [line] = [line for line in map(json.loads, log.splitlines()) if line.get("message") == "batch"]
    return dict(line)


def reasons(log: str) -> str:
    return "\n".join(failure["reason"] for failure in batch_line(log)["failures"])


def test_the_package_serves_a_function_with_settings_of_its_own(
    app: Pizza, functions: Functions, healthy: str, orders: Stream
) -> None:
    answer = functions.call(healthy, orders.event())
    assert (answer.retry_from, answer.error) == ([], None)
    assert batch_line(answer.log)["failed"] == 0
    assert app.read("healthy/order-1")["id"] == "order-1"
    assert [row["id"] for row in app.read("healthy/ann")] == ["order-2", "order-1"]


def test_a_cache_that_does_not_exist(functions: Functions, orders: Stream) -> None:
    name = functions.deploy("no-cache", momento={"cache_name": "no-such-cache"})
    answer = functions.call(name, orders.event())
    assert answer.retry_from == [sequence_number(orders.records[0])]
    assert 'momento.cache_name: there is no cache "no-such-cache" in the account and Region of the API key' in reasons(
        answer.log
    )


def test_a_key_that_momento_does_not_accept(app: Pizza, functions: Functions, orders: Stream) -> None:
    secret = app.aws.client("secretsmanager").create_secret(Name="wrong", SecretString="no-key-of-this-account")
    name = functions.deploy("wrong-key", momento={"secret_arn": secret["ARN"]})
    answer = functions.call(name, orders.event())
    assert answer.retry_from == [sequence_number(orders.records[0])]
    assert "momento.secret_arn: Momento does not accept the API key in this secret" in reasons(answer.log)
    assert "no-key-of-this-account" not in answer.log


def test_a_momento_that_can_not_be_reached(functions: Functions, orders: Stream) -> None:
    answer = functions.call(functions.deploy("unreachable", momento={"endpoint": CLOSED}), orders.event())
    # It does not start, so that all of the batch is retried.
    assert answer.error is not None
    assert "Momento does not answer: check the function's network" in answer.error


@pytest.mark.parametrize(
    ("case", "section", "change", "message"),
    [
        ("no-secret", "momento", {"secret_arn": NO_SECRET}, "momento.secret_arn: the secret cannot be read"),
        ("no-field", "momento", {"secret_json_key": "apiKey"}, "momento.secret_json_key: the secret is not a JSON"),
        ("unknown-kind", "views", {"order": {"kind": "set", "key": "{pk}"}}, "views.order: "),
        ("constant-key", "views", {"order": {"kind": "item", "key": "order"}}, "views.order: `key` has no placeholder"),
        ("shared-key", "views", {"order": {"kind": "item", "key": "{pk}"}}, "views.order: two items could share"),
    ],
)
def test_what_keeps_the_function_from_starting_is_named(
    functions: Functions, orders: Stream, case: str, section: str, change: dict[str, Any], message: str
) -> None:
    answer = functions.call(functions.deploy(case, **{section: change}), orders.event())
    assert answer.error is not None
    assert message in answer.error


def test_a_table_that_a_list_can_not_be_rebuilt_from(app: Pizza, functions: Functions, orders: Stream) -> None:
    name = functions.deploy("no-table", table={"name": "no-such-table"})
    answer = functions.call(name, orders.event())
    assert answer.retry_from == [sequence_number(orders.records[0])]
    assert "rebuild_from: the query failed: ResourceNotFoundException" in reasons(answer.log)
    assert app.read("no-table/all-orders") is None
    # A failure stops nothing else.
    assert app.read("no-table/order-2")["id"] == "order-2"


@pytest.mark.parametrize("rpc", ["SetBatch", "Delete", "GetWithHash", "SetIfHash"])
def test_a_failed_request_is_not_acknowledged_and_done_by_the_retry(
    app: Pizza, functions: Functions, healthy: str, faults: Any, rpc: str
) -> None:
    stream = Stream()
    stream.put(order(11, creator=rpc))
    stream.put(order(12, creator=rpc))
    assert functions.call(healthy, stream.event()).retry_from == []
    stream.delete("order-11", "metadata")
    stream.put(order(12, creator=rpc, status="SUBMITTED"))
    # The order's two entries are refused together, and then each alone.
    faults.add(Fault(rpc=rpc, code="INVALID_ARGUMENT", times=3 if rpc == "SetBatch" else 1))
    failed = functions.call(healthy, stream.event(2))
    assert failed.retry_from
    assert set(failed.retry_from) < {sequence_number(record) for record in stream.records[2:]}
    assert "Momento refuses the request" in reasons(failed.log)
    assert functions.call(healthy, stream.event(2)).retry_from == []
    assert app.read("healthy/order-11") is None
    assert app.read("healthy/order-12")["status"] == "SUBMITTED"
    assert [row["status"] for row in app.read(f"healthy/{rpc}")] == ["SUBMITTED"]


def test_a_throttled_request_is_made_again_by_the_same_invocation(
    app: Pizza, functions: Functions, healthy: str, faults: Any
) -> None:
    stream = Stream()
    stream.put(order(15, creator="throttled"))
    for rpc in ("SetBatch", "GetWithHash"):
        faults.add(Fault(rpc=rpc, code="RESOURCE_EXHAUSTED", times=2))
    answer = functions.call(healthy, stream.event())
    assert answer.retry_from == []
    assert batch_line(answer.log)["operations"]["retry"] == 4
    assert app.read("healthy/order-15")["id"] == "order-15"


def test_a_write_whose_answer_was_lost_is_made_once(
    app: Pizza, functions: Functions, healthy: str, faults: Any
) -> None:
    stream = Stream()
    stream.put(order(21, creator="lossy"))
    assert functions.call(healthy, stream.event()).retry_from == []
    stream.put(order(22, creator="lossy"))
    faults.add(Fault(rpc="SetIfHash", key="healthy/lossy", code="UNAVAILABLE", applied=True))
    functions.call(healthy, stream.event(1))
    assert functions.call(healthy, stream.event(1)).retry_from == []
    assert [row["id"] for row in app.read("healthy/lossy")] == ["order-22", "order-21"]


def test_momento_going_away_is_not_acknowledged(functions: Functions, healthy: str, faults: Any) -> None:
    stream = Stream()
    stream.put(order(31))
    for rpc in ("SetBatch", "GetWithHash"):
        faults.add(Fault(rpc=rpc, code="UNAVAILABLE", times=None))
    answer = functions.call(healthy, stream.event())
    assert answer.retry_from == [sequence_number(stream.records[0])]
    assert "Momento does not answer" in reasons(answer.log)


def test_hundreds_of_batches_later_lists_are_still_written(app: Pizza, functions: Functions, healthy: str) -> None:
    stream = Stream()
    stream.put(order(41, creator="regular"))
    for number in range(150):
        stream.put(order(41, creator="regular", numItems=number))
        answer = functions.call(healthy, stream.event(number))
        assert (answer.retry_from, answer.error) == ([], None)
    assert [row["numItems"] for row in app.read("healthy/regular")] == [149]


def test_a_new_key_is_taken_up_without_a_new_deployment(app: Pizza, functions: Functions) -> None:
    name = app.outputs["function_name"]
    before, after = Stream(), Stream()
    before.put(order(51, creator="before"))
    before.delete("order-51", "metadata")
    after.put(order(52, creator="after"))
    after.delete("order-52", "metadata")
    assert functions.call(name, before.event()).retry_from == []
    try:
        app.momento.required_keys = frozenset({"rotated"})
        refused = functions.call(name, after.event())
        assert refused.retry_from == [sequence_number(after.records[0])]
        assert "momento.secret_arn" in reasons(refused.log)
        app.store_key("rotated")
        assert functions.call(name, after.event()).retry_from == []
        with app.reader("rotated") as reader:
            assert isinstance(reader.get(CACHE, "after"), CacheGet.Hit)
    finally:
        app.momento.required_keys = frozenset({app.api_key})
        app.store_key(app.api_key)
