"""Decode: a Lambda event to the changes it holds, oldest first.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from handler.attributes import AttributeValueError, Image, check, text

ItemKey = tuple[tuple[str, str, str], ...]
"""An item's identity: name, type and content of each key attribute, sorted by name."""

T = TypeVar("T")


class EventError(ValueError):
    """The event is not a batch of stream records: none of it can be acknowledged."""


class RecordError(Exception):
    """A record can not be applied. Says why without the item's content."""


class Change(Struct, frozen=True):
    """One write to one item.

    Attributes:
        item: which item.
        sequence_number: where in its shard's order the write stands.
        before: the item as it was; None: it did not exist.
        after: the item as it became; None: it is gone.
    """

    item: ItemKey
    sequence_number: int
    before: Image | None
    after: Image | None


class Rejection(Struct, frozen=True):
    """A record, or what one view makes of it, that can not be applied.

    Attributes:
        sequence_number: the record's.
        reason: why, without the item's content.
        item_hash: tells items apart in the log without showing them; None where the record's Keys can not be read.
        view: the view; None: all of them.
    """

    sequence_number: int
    reason: str
    item_hash: str | None
    view: str | None = None


class Batch(Struct, frozen=True):
    """What an event holds.

    Attributes:
        changes: the records that can be read, in order of their sequence numbers.
        rejections: those that can not.
        identifiers: sequence number to the text that the stream gave it, one for each record.
        oldest: when the oldest record was written, in seconds since the epoch; None where no record says so. Only a
            metric needs it, so a record without it, or with something else in its place, is not rejected.
    """

    changes: tuple[Change, ...]
    rejections: tuple[Rejection, ...]
    identifiers: Mapping[int, str]
    oldest: float | None


class _Keyed(Struct, rename="pascal"):
    keys: dict[str, dict[str, Any]]


class _StreamRecord(_Keyed, rename="pascal"):
    new_image: dict[str, dict[str, Any]] | None = None
    old_image: dict[str, dict[str, Any]] | None = None
    stream_view_type: str | None = None


class _Record(Struct, rename="camel"):
    event_name: str
    dynamodb: _StreamRecord


_IMAGES = {"INSERT": {"NewImage"}, "MODIFY": {"OldImage", "NewImage"}, "REMOVE": {"OldImage"}}
"""Which images a record has, by its event name."""

_FIX = "the table's stream_view_type must be NEW_AND_OLD_IMAGES"

_FEWER_IMAGES = ("KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE")
"""The other view types, which leave out what the views need.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
"""

_KEY_TYPES = frozenset({"S", "N", "B"})
"""What a key attribute may be; and never empty.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.CoreComponents.html
"""


LATEST_TIME = 1e11
"""The first time in seconds that is none: such numbers are milliseconds, or what no clock shows."""


_FOREIGN = "the record's Keys are not the primary key of the table, whose stream should hold no such record"


def decode(event: Any, key_attributes: Collection[str] | None = None) -> Batch:
    """Read a batch, record by record.

    Args:
        event: what Lambda passes for a DynamoDB stream.
        key_attributes: the names of the table's primary key; None where they are not known, and most of the records
            say which they are.

    Raises:
        EventError: it has no records, or one of them has no sequence number to report it by. Whatever else is wrong
            with a record, it alone is rejected.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise EventError("the event has no Records: invoke this function by a DynamoDB stream's event source mapping")
    numbered = sorted(((_sequence_number(record), record) for record in records), key=lambda each: each[0])
    changes: list[Change] = []
    rejections: list[Rejection] = []
    written: list[float] = []
    for sequence_number, raw in numbered:
        try:
            record = _convert(raw, _Record)
            changes.append(_change(record, sequence_number))
        except (msgspec.ValidationError, AttributeValueError, RecordError) as error:
            rejections.append(Rejection(sequence_number, str(error), _hash_of(raw)))
        # Unreadable records count too, because they block their shard while they are retried.
        at = raw["dynamodb"].get("ApproximateCreationDateTime")
        if type(at) in (int, float) and 0 <= at < LATEST_TIME:
            written.append(at)
    names = [tuple(name for name, _, _ in change.item) for change in changes]
    known = tuple(sorted(key_attributes)) if key_attributes is not None else _most(names)
    foreign = [change for change, found in zip(changes, names, strict=True) if found != known]
    if foreign:
        changes = [change for change, found in zip(changes, names, strict=True) if found == known]
        rejections += [Rejection(each.sequence_number, _FOREIGN, item_hash(each.item)) for each in foreign]
        rejections.sort(key=lambda each: each.sequence_number)
    identifiers = {sequence_number: raw["dynamodb"]["SequenceNumber"] for sequence_number, raw in numbered}
    return Batch(tuple(changes), tuple(rejections), identifiers, min(written, default=None))


def item_hash(item: ItemKey) -> str:
    """Name an item in the log without its key. Who can guess a key can find it again by trying."""
    return hashlib.sha256(msgspec.json.encode(item)).hexdigest()[:16]


def _most(names: Collection[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the key attributes that most records have; of two that equally many have, the first."""
    counted = Counter(names)
    return max(counted, key=counted.__getitem__, default=None)


def _sequence_number(record: Any) -> int:
    try:
        # With its base told, int() takes strings alone: Lambda would not know another type again.
        return int(record["dynamodb"]["SequenceNumber"], 10)
    except (KeyError, TypeError, ValueError) as error:
        raise EventError("a record has no dynamodb.SequenceNumber: it is not of a DynamoDB stream") from error


def _convert(raw: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(raw, kind)
    except UnicodeEncodeError:
        # Not the cause: it quotes the name.
        raise RecordError("the record has a field whose name is not Unicode text") from None


def _hash_of(record: Any) -> str | None:
    """Name the item of a record that can not be read as a whole, None where not even its Keys can."""
    try:
        keys = _convert(record["dynamodb"], _Keyed).keys
        check(keys)
        return item_hash(_item(keys))
    except (msgspec.ValidationError, AttributeValueError, RecordError):
        return None


def _change(record: _Record, sequence_number: int) -> Change:
    stream = record.dynamodb
    if stream.stream_view_type not in (None, "NEW_AND_OLD_IMAGES"):
        known = stream.stream_view_type in _FEWER_IMAGES
        raise RecordError(f"{stream.stream_view_type if known else 'unknown'} is the record's StreamViewType: {_FIX}")
    expected = _IMAGES.get(record.event_name)
    if expected is None:
        raise RecordError(f"the record's eventName is none of {', '.join(_IMAGES)}")
    # Some event types write an image that is absent as an empty one. An item always has its key, so no item is meant.
    images = {"OldImage": stream.old_image or None, "NewImage": stream.new_image or None}
    for name, image in images.items():
        if (image is not None) != (name in expected):
            raise RecordError(f"{record.event_name} record {'without' if image is None else 'with'} {name}: {_FIX}")
    item = _item(stream.keys)
    for image in images.values():
        if image is not None:
            check(image)
            if not stream.keys.items() <= image.items():
                raise RecordError("the record's Keys are not those of its image")
    return Change(item, sequence_number, images["OldImage"], images["NewImage"])


def _item(keys: Image) -> ItemKey:
    if not keys:
        raise RecordError("the record has no Keys")
    if any(text(value) is None or _KEY_TYPES.isdisjoint(value) for value in keys.values()):
        raise RecordError("the record's Keys hold a value that is empty, or of a type that no key has")
    return tuple(sorted((name, kind, content) for name, value in keys.items() for kind, content in value.items()))
