import io
import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from handler.cache import Applied, Failure
from handler.outcome import LOGGED_BYTES, LOGGED_CHARACTERS, LOGGED_FAILURES, LOGGED_REJECTIONS, Outcome, report
from handler.records import Batch, Rejection, decode, item_hash
from handler.views import DeleteEntry, Plan
from tests.stream import Stream

NONE = Applied((), {})


def of(count: int) -> Batch:
    stream = Stream()
    for number in range(count):
        stream.put({"pk": f"p{number}", "sk": "m"})
    return decode(stream.event())


def failed(batch: Batch, *positions: int) -> Applied:
    operations = [DeleteEntry("mine", "key", batch.changes[position].sequence_number) for position in positions]
    return Applied(tuple(Failure(operation, "throttled") for operation in operations), {})


def told(
    batch: Batch, rejections: Sequence[Rejection] = (), applied: Applied = NONE, now: float = 1_700_000_100.0
) -> Outcome:
    return report(batch, Plan((), tuple(rejections)), applied, now)


def item(batch: Batch, position: int) -> str:
    return item_hash(batch.changes[position].item)


def number(batch: Batch, position: int) -> Any:
    return batch.identifiers[batch.changes[position].sequence_number]


def test_a_batch_in_which_all_went_well_has_nothing_to_retry_and_no_failures() -> None:
    outcome = told(of(2))
    assert outcome.response == {"batchItemFailures": []}
    assert outcome.log == {"records": 2, "operations": {}, "propagation_delay_seconds": 0.0, "failed": 0}
    assert outcome.metrics == {
        "Records": 2,
        "RejectedRecords": 0,
        "CacheWrites": 0,
        "CacheFailures": 0,
        "ListConflicts": 0,
        "ListRebuilds": 0,
        "TooBig": 0,
        "PropagationDelay": 0.0,
    }


def test_an_operation_that_failed_is_named_by_its_first_record_and_that_records_item() -> None:
    batch = of(3)
    outcome = told(batch, applied=failed(batch, 2, 1))
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": number(batch, 1)}]}
    assert outcome.log["retry_from"] == number(batch, 1)
    assert outcome.log["failures"] == [
        {"sequence_number": number(batch, place), "view": "mine", "item": item(batch, place), "reason": "throttled"}
        for place in (1, 2)
    ]
    assert outcome.metrics["CacheFailures"] == 2
    assert outcome.metrics["RejectedRecords"] == 0


def test_the_first_change_that_was_left_out_is_retried_from_and_named_with_the_first_failures() -> None:
    batch = of(LOGGED_FAILURES + 10)
    failures = failed(batch, *range(3, LOGGED_FAILURES + 10))
    outcome = report(batch, Plan((), (), batch.changes[1:]), failures, 1_700_000_100.0)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": number(batch, 1)}]}
    left_out, *others = outcome.log["failures"]
    assert (left_out["sequence_number"], left_out["item"]) == (number(batch, 1), item(batch, 1))
    assert "view" not in left_out
    assert len(others) == LOGGED_FAILURES - 1
    assert outcome.log["records_left_out"] == LOGGED_FAILURES + 9
    assert outcome.metrics["CacheFailures"] == LOGGED_FAILURES + 8


def test_rejections_and_failures_are_named_together_lowest_number_first() -> None:
    batch = of(4)
    of_a_view = Rejection(batch.changes[2].sequence_number, "wrong", item(batch, 2), "mine")
    outcome = told(batch, [of_a_view], failed(batch, 3, 0))
    assert [failure["sequence_number"] for failure in outcome.log["failures"]] == [
        number(batch, place) for place in (0, 2, 3)
    ]
    assert [failure["reason"] for failure in outcome.log["failures"]] == ["throttled", "wrong", "throttled"]
    assert outcome.log["failed"] == 3


def test_what_is_wrong_with_one_record_is_named_in_the_order_of_the_views_and_failures_last() -> None:
    batch = of(1)
    (change,) = batch.changes
    rejections = [Rejection(change.sequence_number, "wrong", item(batch, 0), view) for view in ("second", "first")]
    failures = told(batch, rejections, failed(batch, 0)).log["failures"]
    assert [failure["view"] for failure in failures] == ["second", "first", "mine"]


def test_a_record_that_nobody_can_read_has_neither_view_nor_item_to_name() -> None:
    stream = Stream()
    stream.put({"pk": "a", "sk": "m"})
    stream.records[0]["dynamodb"]["Keys"] = None
    batch = decode(stream.event())
    (failure,) = told(batch).log["failures"]
    assert failure.keys() == {"sequence_number", "reason"}


def test_a_record_is_counted_once_however_many_views_reject_it() -> None:
    batch = of(2)
    rejections = [
        Rejection(batch.changes[place].sequence_number, "wrong", None, view)
        for place, view in ((0, "one"), (0, "other"), (1, "one"))
    ]
    outcome = told(batch, rejections)
    assert outcome.metrics["RejectedRecords"] == 2
    assert outcome.log["failed"] == 3


def test_the_first_failures_are_named_and_all_are_counted() -> None:
    batch = of(LOGGED_FAILURES + 5)
    outcome = told(batch, applied=failed(batch, *range(LOGGED_FAILURES + 5)))
    assert len(outcome.log["failures"]) == LOGGED_FAILURES
    assert outcome.log["failed"] == outcome.metrics["CacheFailures"] == LOGGED_FAILURES + 5


def test_every_rejection_is_named_beside_the_first_operations_that_failed() -> None:
    batch = of(LOGGED_REJECTIONS + 5)
    numbers = sorted(batch.identifiers)
    rejections = [Rejection(number, "wrong", None) for number in reversed(numbers)]
    outcome = told(batch, rejections[5:], failed(batch, *range(LOGGED_FAILURES + 5)))
    named = [(each["sequence_number"], each["reason"]) for each in outcome.log["failures"]]
    expected = [(number, "wrong") for number in numbers[:LOGGED_REJECTIONS]]
    expected += [(number, "throttled") for number in numbers[:LOGGED_FAILURES]]
    assert sorted(named) == sorted((batch.identifiers[number], reason) for number, reason in expected)
    assert [int(number) for number, _ in named] == sorted(int(number) for number, _ in named)
    assert outcome.log["failed"] == LOGGED_REJECTIONS + LOGGED_FAILURES + 5
    more = told(batch, rejections)
    assert more.log["failed"] == LOGGED_REJECTIONS + 5
    first = [batch.identifiers[number] for number in numbers[:LOGGED_REJECTIONS]]
    assert [each["sequence_number"] for each in more.log["failures"]] == first
    assert more.response == {"batchItemFailures": [{"itemIdentifier": first[0]}]}


def line(outcome: Outcome) -> bytes:
    """The batch's log line, as the function writes it."""
    stream = io.StringIO()
    # A service of its own, because Powertools writes all lines of one service to the first stream that it was given.
    Logger(service=uuid.uuid4().hex * 6, stream=stream).error("batch", extra=dict(outcome.log))
    return stream.getvalue().encode()


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        ("v" * 115, "wrong"),
        ("v" * 5_000, "r" * 5_000),
        ("\N{PILE OF POO}" * 5_000, "\x00" * 5_000),
        ("ä" * 400, '"' * 400),
    ],
)
def test_a_log_line_is_never_longer_than_cloudwatch_keeps_and_says_what_it_leaves_out(view: str, reason: str) -> None:
    batch = of(1_000)
    numbers = sorted(batch.identifiers)
    outcome = told(batch, [Rejection(number, reason, "0" * 16, view) for number in numbers])
    written = line(outcome)
    assert len(written) < 262_144 - 26 - 10_000
    failures = json.loads(written)["failures"]
    assert [each["sequence_number"] for each in failures] == [
        batch.identifiers[number] for number in numbers[: len(failures)]
    ]
    assert 0 < len(failures) <= LOGGED_REJECTIONS
    assert outcome.log["failures_omitted"] == outcome.log["failed"] - len(failures) == 1_000 - len(failures)
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": batch.identifiers[numbers[0]]}]}
    assert {len(each[name]) for each in failures for name in ("view", "reason")} <= {
        min(len(text), LOGGED_CHARACTERS) for text in (view, reason)
    }


@pytest.mark.parametrize(("more", "omitted"), [(0, 1), (1, 2)])
def test_failures_that_fill_the_line_to_its_last_byte_are_named(more: int, omitted: int) -> None:
    batch = of(LOGGED_BYTES // 500 + 1)
    first, *others = sorted(batch.identifiers)

    def of_500_bytes(number: int, more: int = 0) -> Rejection:
        named = told(batch, [Rejection(number, "", None)]).log["failures"]
        return Rejection(number, "r" * (500 - len(", ") - len(json.dumps(named[0])) + more), None)

    log = told(batch, [of_500_bytes(first, more), *map(of_500_bytes, others)]).log
    assert log["failures_omitted"] == omitted
    assert len(log["failures"]) == len(others) + 1 - omitted


def test_a_number_of_any_length_is_cut_in_the_log_and_whole_in_the_response() -> None:
    stream = Stream()
    stream.put({"pk": "a", "sk": "m"})
    identifier = "0" * 3_000 + "1"
    stream.records[0]["dynamodb"]["SequenceNumber"] = identifier
    batch = decode(stream.event())
    outcome = told(batch, [Rejection(1, "wrong", None)])
    assert outcome.response == {"batchItemFailures": [{"itemIdentifier": identifier}]}
    assert outcome.log["retry_from"] == outcome.log["failures"][0]["sequence_number"]
    assert outcome.log["retry_from"] == "0" * (LOGGED_CHARACTERS - 1) + "…"


def test_where_all_failures_are_named_none_is_said_to_be_left_out() -> None:
    batch = of(2)
    log = told(
        batch, [Rejection(batch.changes[0].sequence_number, "r" * LOGGED_CHARACTERS, None)], failed(batch, 1)
    ).log
    assert len(log["failures"]) == log["failed"] == 2
    assert log["failures"][0]["reason"] == "r" * LOGGED_CHARACTERS
    assert "failures_omitted" not in log


def test_the_delay_is_the_oldest_records_and_absent_where_none_says_when_it_was_written() -> None:
    assert told(of(3), now=1_700_000_107.5).metrics["PropagationDelay"] == 7.5
    outcome = told(of(0))
    assert "PropagationDelay" not in outcome.metrics
    assert outcome.log["propagation_delay_seconds"] is None


def test_what_was_counted_becomes_metrics() -> None:
    counts = {"set": 1, "delete": 2, "list_update": 4, "list_conflict": 8, "list_rebuild": 16, "too_big": 32}
    assert told(of(1), applied=Applied((), counts)).metrics == {
        "Records": 1,
        "RejectedRecords": 0,
        "CacheWrites": 7,
        "CacheFailures": 0,
        "ListConflicts": 8,
        "ListRebuilds": 16,
        "TooBig": 32,
        "PropagationDelay": 0.0,
    }
