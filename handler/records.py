"""Decode: a Lambda event to the changes it holds, oldest first.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from handler.attributes import AttributeValueError, Image, unpack

ItemKey = tuple[tuple[str, str, str], ...]
"""An item's identity: name, type and content of each key attribute, sorted by name."""


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
        item_hash: tells items apart in the log without showing them; None where the record has no key.
        view: the view; None: all of them.
    """

    sequence_number: int
    reason: str
    item_hash: str | None = None
    view: str | None = None


class Batch(Struct, frozen=True):
    """What an event holds.

    Attributes:
        changes: the records that can be read, in order of their sequence numbers.
        rejections: those that can not.
        identifiers: sequence number to the text that the stream gave it, one for each record.
        oldest: when the oldest record was written, in seconds since the epoch; None where no record says so.
    """

    changes: tuple[Change, ...]
    rejections: tuple[Rejection, ...]
    identifiers: Mapping[int, str]
    oldest: float | None


class _StreamRecord(Struct, rename="pascal"):
    keys: dict[str, dict[str, Any]]
    new_image: dict[str, dict[str, Any]] | None = None
    old_image: dict[str, dict[str, Any]] | None = None
    approximate_creation_date_time: float | None = None


class _Record(Struct, rename="camel"):
    event_name: Literal["INSERT", "MODIFY", "REMOVE"]
    dynamodb: _StreamRecord


_IMAGES = {"INSERT": (False, True), "MODIFY": (True, True), "REMOVE": (True, False)}
"""Which images a record has before and after, by its event name."""


def decode(event: Any) -> Batch:
    """Read a batch, record by record.

    Args:
        event: what Lambda passes for a DynamoDB stream.

    Raises:
        EventError: it has no records, or one of them has no sequence number to report it by.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        raise EventError("the event has no Records: invoke this function by a DynamoDB stream's event source mapping")
    identifiers = {_sequence_number(record): record["dynamodb"]["SequenceNumber"] for record in records}
    changes: list[Change] = []
    rejections: list[Rejection] = []
    oldest: float | None = None
    for raw in sorted(records, key=_sequence_number):
        sequence_number = _sequence_number(raw)
        try:
            record = msgspec.convert(raw, _Record)
            changes.append(_change(record, sequence_number))
        except (msgspec.ValidationError, AttributeValueError, RecordError) as error:
            rejections.append(Rejection(sequence_number, str(error)))
        else:
            written = record.dynamodb.approximate_creation_date_time
            if written is not None and (oldest is None or written < oldest):
                oldest = written
    return Batch(tuple(changes), tuple(rejections), identifiers, oldest)


def item_hash(item: ItemKey) -> str:
    """Name an item in the log without its key. Who can guess a key can find it again by trying."""
    return hashlib.sha256(msgspec.json.encode(item)).hexdigest()[:16]


def _sequence_number(record: Any) -> int:
    try:
        return int(record["dynamodb"]["SequenceNumber"])
    except (KeyError, TypeError, ValueError) as error:
        raise EventError("a record has no dynamodb.SequenceNumber: it is not of a DynamoDB stream") from error


def _change(record: _Record, sequence_number: int) -> Change:
    stream = record.dynamodb
    if not stream.keys:
        raise RecordError("the record has no Keys")
    item = tuple(sorted((name, *unpack(value)) for name, value in stream.keys.items()))
    images = (stream.old_image, stream.new_image)
    for image, name, expected in zip(images, ("OldImage", "NewImage"), _IMAGES[record.event_name], strict=True):
        if (image is not None) != expected:
            raise RecordError(
                f"{record.event_name} record {'without' if expected else 'with'} {name}: "
                "the table's stream_view_type must be NEW_AND_OLD_IMAGES"
            )
    return Change(item, sequence_number, *images)
