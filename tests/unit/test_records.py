import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.changes import coalesce
from handler.records import EventError, Rejection, decode, item_hash
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


def test_records_of_two_shards_at_once_keep_each_items_order(stream: Stream) -> None:
    # An item is in one shard; the shards' numbers are mixed, and so is the batch.
    records = [stream.records[position] for position in (1, 3, 0, 2)]
    by_item = {net.item[0][2]: net.changes for net in coalesce(decode(batch(records)).changes)}
    assert [len(by_item[name]) for name in ("a", "b")] == [3, 1]
    assert [change.after for change in by_item["a"]] == [
        {"pk": {"S": "a"}, "sk": {"S": "m"}, "n": {"N": "1"}},
        {"pk": {"S": "a"}, "sk": {"S": "m"}, "n": {"N": "2"}},
        None,
    ]


def test_a_record_that_comes_twice_is_taken_twice_in_its_place(stream: Stream) -> None:
    again = batch([*stream.records, stream.records[0], stream.records[2]])
    decoded = decode(again)
    assert [change.after and change.after["n"]["N"] for change in coalesce(decoded.changes)[0].changes] == [
        "1",
        "1",
        "2",
        "2",
        None,
    ]
    assert len(decoded.identifiers) == 4


def test_two_items_with_one_sequence_number_are_both_kept(stream: Stream) -> None:
    stream.records[1]["dynamodb"]["SequenceNumber"] = stream.records[0]["dynamodb"]["SequenceNumber"]
    first, second = coalesce(decode(stream.event()).changes)
    assert first.lowest == second.lowest
    assert first.item != second.item


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


def test_a_record_that_can_not_be_read_tells_when_it_was_written_too(stream: Stream) -> None:
    first = stream.records[0]
    first["eventName"] = "RENAME"
    decoded = decode(batch([first]))
    assert (len(decoded.rejections), decoded.oldest) == (1, 1_700_000_100.0)


@pytest.mark.parametrize(
    "wrong",
    [
        "yesterday",
        "2026-01-01T00:00:00Z",
        True,
        None,
        [1],
        {},
        math.nan,
        math.inf,
        -math.inf,
        -1,
        1e11,
        10**11,
        10**400,
    ],
)
def test_what_only_a_metric_needs_is_no_reason_to_reject_a_record(stream: Stream, wrong: Any) -> None:
    for record in stream.records:
        record["dynamodb"]["ApproximateCreationDateTime"] = wrong
    decoded = decode(stream.event())
    assert (len(decoded.changes), decoded.rejections, decoded.oldest) == (4, (), None)
    stream.records[2]["dynamodb"]["ApproximateCreationDateTime"] = 1_700_000_000
    assert decode(stream.event()).oldest == 1_700_000_000


@pytest.mark.parametrize("at", [0, 0.5, 10**11 - 1])
def test_every_time_that_is_in_seconds_tells_when_a_record_was_written(stream: Stream, at: float) -> None:
    stream.records[0]["dynamodb"]["ApproximateCreationDateTime"] = at
    assert decode(batch(stream.records[:1])).oldest == at


@pytest.mark.parametrize(("position", "name"), [(0, "OldImage"), (3, "NewImage")])
def test_an_empty_image_is_an_absent_one(stream: Stream, position: int, name: str) -> None:
    expected = decode(stream.event())
    stream.records[position]["dynamodb"][name] = {}
    assert decode(stream.event()) == expected


@pytest.mark.parametrize(("kind", "content"), [("S", "a"), ("N", "1"), ("B", "AAE=")])
def test_a_key_is_a_string_a_number_or_binary(kind: str, content: str) -> None:
    stream = Stream("pk")
    stream.put({"pk": "a"})
    for part in ("Keys", "NewImage"):
        stream.records[0]["dynamodb"][part] = {"pk": {kind: content}}
    assert [change.item for change in decode(stream.event()).changes] == [(("pk", kind, content),)]


FOREIGN = "the record's Keys are not the primary key of the table, whose stream should hold no such record"


@pytest.mark.parametrize("known", [None, ("pk", "sk"), ("sk", "pk")])
@pytest.mark.parametrize("position", [0, 2, 3])
@pytest.mark.parametrize("keys", [("pk",), ("pk", "sk", "expires"), ("pk", "expires"), ("expires",), ("zone",)])
def test_a_record_with_other_key_attributes_than_the_tables_is_rejected_alone(
    stream: Stream, keys: tuple[str, ...], position: int, known: tuple[str, ...] | None
) -> None:
    attributes = {"pk": {"S": "x"}, "sk": {"S": "m"}, "expires": {"N": "1"}, "zone": {"S": "z"}}
    foreign = stream.records[position]["dynamodb"]
    foreign["Keys"] = {name: attributes[name] for name in keys}
    for image in ("OldImage", "NewImage"):
        if image in foreign:
            foreign[image] = attributes
    decoded = decode(stream.event(), known)
    assert len(decoded.changes) == 3
    (rejection,) = decoded.rejections
    assert decoded.identifiers[rejection.sequence_number] == foreign["SequenceNumber"]
    assert rejection.reason == FOREIGN
    assert rejection.item_hash == item_hash(
        tuple((name, *next(iter(attributes[name].items()))) for name in sorted(keys))
    )


def test_where_the_tables_key_is_not_known_the_first_of_equally_many_records_says_what_it_is() -> None:
    stream = Stream()
    stream.put({"pk": "a", "sk": "m"})
    other = Stream("id")
    other.records, other.items = stream.records, {}
    other.put({"id": "b"})
    decoded = decode(stream.event())
    assert [change.item[0][0] for change in decoded.changes] == ["pk"]
    assert [rejection.reason for rejection in decoded.rejections] == [FOREIGN]
    assert [change.item[0][0] for change in decode(stream.event(), ["id"]).changes] == ["id"]


def test_rejections_of_all_kinds_are_in_the_order_of_their_records(stream: Stream) -> None:
    for position, name in ((0, "pk"), (2, "eventName"), (3, "sk")):
        record = stream.records[position]
        record["eventName"] = "RENAME" if name == "eventName" else record["eventName"]
        record["dynamodb"]["Keys"] = {"pk": {"S": "a"}} if name != "eventName" else record["dynamodb"]["Keys"]
    rejections = decode(stream.event(), ["pk", "sk"]).rejections
    assert [each.sequence_number for each in rejections] == sorted(each.sequence_number for each in rejections)
    assert len(rejections) == 3


FIX = "the table's stream_view_type must be NEW_AND_OLD_IMAGES"
NO_KEY = "the record's Keys hold a value that is empty, or of a type that no key has"
OTHER_KEYS = "the record's Keys are not those of its image"


@pytest.mark.parametrize(
    ("position", "change", "reason"),
    [
        (0, {"NewImage": None}, f"INSERT record without NewImage: {FIX}"),
        (2, {"OldImage": None}, f"MODIFY record without OldImage: {FIX}"),
        (2, {"NewImage": None}, f"MODIFY record without NewImage: {FIX}"),
        (3, {"OldImage": None}, f"REMOVE record without OldImage: {FIX}"),
        (2, {"OldImage": {}}, f"MODIFY record without OldImage: {FIX}"),
        (0, {"NewImage": {}}, f"INSERT record without NewImage: {FIX}"),
        (0, {"OldImage": {"pk": {"S": "a"}}}, f"INSERT record with OldImage: {FIX}"),
        (3, {"NewImage": {"pk": {"S": "a"}}}, f"REMOVE record with NewImage: {FIX}"),
        (2, {"StreamViewType": "secret"}, f"unknown is the record's StreamViewType: {FIX}"),
        (2, {"StreamViewType": "secret\ud800"}, f"unknown is the record's StreamViewType: {FIX}"),
        (2, {"StreamViewType": ["secret"]}, ".*StreamViewType.*"),
        (2, {"Keys": None}, ".*[Kk]eys.*"),
        (2, {"Keys": {}}, "the record has no Keys"),
        (2, {"Keys": {"pk": {}}}, ".*0 types.*"),
        (2, {"Keys": {"pk": {"S": ""}}}, NO_KEY),
        (2, {"Keys": {"pk": {"B": ""}}}, NO_KEY),
        (2, {"Keys": {"pk": {"BOOL": True}}}, NO_KEY),
        (2, {"Keys": {"pk": {"L": [{"S": "secret"}]}}}, NO_KEY),
        (2, {"Keys": {"pk": {"S": ["secret"]}}}, ".*of type S holds what.*"),
        (2, {"Keys": {"pk": {"S": "secret\ud800"}}}, ".*not Unicode text"),
        (2, {"Keys": {"secret\ud800": {"S": "a"}}}, OTHER_KEYS),
        (2, {"Keys": {"pk": {"N": "secret"}}}, ".*is not a number.*"),
        (2, {"Keys": {"pk": {"S": "secret"}, "sk": {"S": "m"}}}, OTHER_KEYS),
        (2, {"Keys": {"secret": {"S": "a"}}}, OTHER_KEYS),
        (2, {"OldImage": {"pk": {"S": "secret"}, "sk": {"S": "m"}}}, OTHER_KEYS),
        (2, {"NewImage": "secret"}, ".*NewImage.*"),
        (2, {"NewImage": {"secret": "secret"}}, ".*NewImage.*"),
        (2, {"NewImage": {"secret\ud800": {"S": "secret"}}}, ".*not Unicode text"),
        (2, {"secret\ud800": None}, "the record has a field whose name is not Unicode text"),
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
    assert re.fullmatch(reason, rejection.reason)


@pytest.mark.parametrize("name", ["secret", "insert", "secret\ud800", ""])
def test_an_unknown_event_name_is_rejected_alone_and_not_shown(stream: Stream, name: str) -> None:
    stream.records[1]["eventName"] = name
    decoded = decode(stream.event())
    assert len(decoded.changes) == 3
    assert decoded.rejections[0].reason == "the record's eventName is none of INSERT, MODIFY, REMOVE"


@pytest.mark.parametrize("name", [None, 5, ["secret"]])
def test_an_event_name_that_is_no_text_is_rejected_alone_and_not_shown(stream: Stream, name: Any) -> None:
    stream.records[1]["eventName"] = name
    decoded = decode(stream.event())
    assert len(decoded.changes) == 3
    assert "eventName" in decoded.rejections[0].reason
    assert "secret" not in decoded.rejections[0].reason


@pytest.mark.parametrize("says_so", [True, False])
@pytest.mark.parametrize("event_name", ["INSERT", "MODIFY", "REMOVE"])
@pytest.mark.parametrize(
    ("view_type", "shown"),
    [
        ("KEYS_ONLY", ()),
        ("NEW_IMAGE", ("NewImage",)),
        ("OLD_IMAGE", ("OldImage",)),
        ("NEW_AND_OLD_IMAGES", ("NewImage", "OldImage")),
    ],
)
def test_a_record_with_fewer_images_than_its_event_has_is_refused_with_the_fix(
    stream: Stream, view_type: str, shown: tuple[str, ...], event_name: str, says_so: bool
) -> None:
    record = next(record for record in stream.records if record["eventName"] == event_name)
    stream_record = record["dynamodb"]
    whole = [name for name in ("NewImage", "OldImage") if name in stream_record]
    for name in whole:
        if name not in shown:
            del stream_record[name]
    if says_so:
        stream_record["StreamViewType"] = view_type
    else:
        del stream_record["StreamViewType"]
    decoded = decode(batch([record]))
    # A stream of new images alone shows all that there is of an INSERT: only the record itself can tell.
    if view_type == "NEW_AND_OLD_IMAGES" or (not says_so and all(name in shown for name in whole)):
        assert decoded.rejections == ()
        assert len(decoded.changes) == 1
    else:
        (rejection,) = decoded.rejections
        assert rejection.reason.endswith(FIX)
        assert rejection.reason.startswith(view_type if says_so else event_name)
        assert decoded.changes == ()


def rejection_of(stream: Stream, position: int, **wrong: Any) -> Rejection:
    stream.records[position]["dynamodb"].update(wrong)
    (rejection,) = decode(stream.event()).rejections
    return rejection


def test_a_rejected_records_item_is_named_by_the_same_hash_as_ever(stream: Stream) -> None:
    item = decode(stream.event()).changes[2].item
    rejected: list[dict[str, Any]] = [{"NewImage": None}, {"NewImage": "x"}, {"OldImage": {}}]
    for wrong in rejected:
        assert rejection_of(stream, 2, **wrong).item_hash == item_hash(item)


@pytest.mark.parametrize("keys", [None, {}, "pk", {"pk": "a"}, {"pk": {"S": "\ud800"}}, {"\ud800": {"S": "a"}}])
def test_a_record_whose_keys_can_not_be_read_has_no_hash(stream: Stream, keys: Any) -> None:
    assert rejection_of(stream, 2, Keys=keys).item_hash is None
    assert rejection_of(stream, 2, **{"\ud800": None}).item_hash is None


@pytest.mark.parametrize("event", [None, [], {}, {"Records": None}])
def test_an_event_without_records_is_refused_with_what_has_to_invoke_the_function(event: Any) -> None:
    with pytest.raises(
        EventError, match="^the event has no Records: invoke this function by a DynamoDB stream's event source mapping$"
    ):
        decode(event)


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"dynamodb": {}},
        {"dynamodb": []},
        *({"dynamodb": {"SequenceNumber": number}} for number in ("x", 5, 5.0, True, "", "1" * 5_000)),
    ],
)
def test_a_record_without_a_sequence_number_fails_the_batch_for_nothing_could_name_it(
    stream: Stream, record: Any
) -> None:
    with pytest.raises(EventError, match=r"^a record has no dynamodb\.SequenceNumber: it is not of a DynamoDB stream$"):
        decode(batch([*stream.records, record]))


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["S", "N", "B", "M", "L"]) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = ("Keys", "NewImage", "OldImage", "StreamViewType", "ApproximateCreationDateTime")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, anything)), anything, anything)
def test_whatever_a_record_holds_it_alone_is_rejected(wrong: dict[str, Any], event_name: Any, other: Any) -> None:
    stream = Stream()
    stream.put({"pk": "a", "sk": "m"})
    stream.put({"pk": "b", "sk": "m"})
    record = {"eventName": event_name, "other": other, "dynamodb": {"SequenceNumber": "1", **wrong}}
    decoded = decode(batch([record, *stream.records]))
    assert len(decoded.changes) + len(decoded.rejections) == 3
    assert [change.item[0] for change in decoded.changes[-2:]] == [("pk", "S", "a"), ("pk", "S", "b")]
    assert [rejection.sequence_number for rejection in decoded.rejections] in ([1], [])


def test_an_items_hash_tells_items_apart_and_shows_nothing() -> None:
    one, other = item_hash((("pk", "S", "ann"),)), item_hash((("pk", "S", "bob"),))
    assert one != other
    assert "ann" not in one
    assert len(one) == 16
