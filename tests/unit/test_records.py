import re
from typing import Any

import pytest

from handler.changes import coalesce
from handler.records import EventError, decode, item_hash
from tests.stream import Stream, batch, sequence_number


@pytest.fixture
def stream() -> Stream:
    stream = Stream()
    stream.put({"pk": "a", "sk": "m", "n": 1})
    stream.put({"pk": "b", "sk": "m", "n": 1})
    stream.put({"pk": "a", "sk": "m", "n": 2})
    stream.delete("a", "m")
    return stream


def test_a_record_gives_the_item_as_it_was_and_as_it_became(stream: Stream) -> None:
    insert, _, modify, remove = decode(stream.event()).changes
    assert insert.before is None
    assert insert.after == modify.before == {"pk": {"S": "a"}, "sk": {"S": "m"}, "n": {"N": "1"}}
    assert modify.after == remove.before
    assert remove.after is None
    assert insert.item == (("pk", "S", "a"), ("sk", "S", "m"))


def test_dynamodbs_own_ttl_delete_is_a_removal_like_any_other(stream: Stream) -> None:
    stream.records[3]["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    *_, remove = decode(stream.event()).changes
    assert remove.before == {"pk": {"S": "a"}, "sk": {"S": "m"}, "n": {"N": "2"}}
    assert remove.after is None


def test_an_items_identity_does_not_hang_on_the_order_of_its_keys(stream: Stream) -> None:
    stream.records[2]["dynamodb"]["Keys"] = {"sk": {"S": "m"}, "pk": {"S": "a"}}
    assert len(coalesce(decode(stream.event()).changes)) == 2


def test_changes_are_in_the_order_of_their_numbers_as_integers(stream: Stream) -> None:
    for record, number in zip(stream.records, ("9", "10", "011", "100"), strict=True):
        record["dynamodb"]["SequenceNumber"] = number
    decoded = decode(batch(stream.records[::-1]))
    assert [change.sequence_number for change in decoded.changes] == [9, 10, 11, 100]
    assert decoded.identifiers[11] == "011"


def test_coalescing_gathers_an_items_changes_and_keeps_their_order(stream: Stream) -> None:
    first, second = coalesce(decode(stream.event()).changes)
    assert [(change.before is None, change.after is None) for change in first.changes] == [
        (True, False),
        (False, False),
        (False, True),
    ]
    assert first.lowest == first.changes[0].sequence_number < second.lowest


def test_the_oldest_record_tells_when_it_was_written(stream: Stream) -> None:
    assert decode(stream.event()).oldest == 1_700_000_100.0
    del stream.records[0]["dynamodb"]["ApproximateCreationDateTime"]
    assert decode(stream.event()).oldest == 1_700_000_101.0
    assert decode(batch([])).oldest is None


@pytest.mark.parametrize(
    ("position", "change", "reason"),
    [
        (0, {"NewImage": None}, "INSERT record without NewImage.*stream_view_type must be NEW_AND_OLD_IMAGES"),
        (2, {"OldImage": None}, "MODIFY record without OldImage"),
        (2, {"NewImage": None}, "MODIFY record without NewImage"),
        (3, {"OldImage": None}, "REMOVE record without OldImage"),
        (2, {"Keys": {}}, "no Keys"),
        (2, {"Keys": {"pk": {}}}, "0 types"),
        (2, {"NewImage": "secret"}, "new_image|NewImage"),
    ],
)
def test_a_record_that_can_not_be_read_is_rejected_alone(
    stream: Stream, position: int, change: dict[str, Any], reason: str
) -> None:
    stream.records[position]["dynamodb"].update(change)
    decoded = decode(stream.event())
    (rejection,) = decoded.rejections
    assert len(decoded.changes) == 3
    assert decoded.identifiers[rejection.sequence_number] == sequence_number(stream.records[position])
    assert "secret" not in rejection.reason
    assert re.search(reason, rejection.reason)


def test_an_unknown_event_name_is_rejected_alone(stream: Stream) -> None:
    stream.records[1]["eventName"] = "TRUNCATE"
    decoded = decode(stream.event())
    assert len(decoded.changes) == 3
    assert "eventName" in decoded.rejections[0].reason


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"Records": None},
        {"Records": [None]},
        {"Records": [{}]},
        {"Records": [{"dynamodb": {}}]},
        {"Records": [{"dynamodb": {"SequenceNumber": "x"}}]},
    ],
)
def test_what_is_not_a_batch_of_stream_records_is_refused_whole(event: Any) -> None:
    with pytest.raises(EventError, match="stream"):
        decode(event)


def test_an_items_hash_tells_items_apart_and_shows_nothing() -> None:
    one, other = item_hash((("pk", "S", "ann"),)), item_hash((("pk", "S", "bob"),))
    assert one != other
    assert "ann" not in one
    assert len(one) == 16
