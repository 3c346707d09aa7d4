"""The event that Lambda makes of a stream's records.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

PAYLOAD_BYTES = 6 * 1024 * 1024
"""The most that an invocation may carry. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_HEAD, _SEPARATOR, _TAIL = b'{"Records":[', b",", b"]}"

EVENT_BYTES = len(_HEAD + _TAIL)
"""What an event takes on top of its records."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Record(Struct, eq=False):
    """A record on its way to the function.

    Attributes:
        sequence_number: as the stream wrote it.
        created: `ApproximateCreationDateTime`, in seconds since the epoch.
        item_hash: the same for all records of one item, in every process.
        payload: the record as the event has it, as JSON.
        acknowledged: it was handled, filtered out or discarded.
    """

    sequence_number: str
    created: float
    item_hash: int
    payload: bytes
    acknowledged: bool = False

    @property
    def payload_bytes(self) -> int:
        """What the record adds to the event."""
        return len(self.payload) + len(_SEPARATOR)


def lambda_record(record: Mapping[str, Any], event_source_arn: str) -> dict[str, Any]:
    """Turn a record as GetRecords has it into one as the event has it.

    The event's says `eventSourceARN`, has its time as a number and its binary as base64 text, and writes the names in
    `userIdentity` with a small first letter:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
    """
    change: dict[str, Any] = {
        name: _image(value) if name in ("Keys", "NewImage", "OldImage") else value
        for name, value in record["dynamodb"].items()
    }
    created = change["ApproximateCreationDateTime"]
    change["ApproximateCreationDateTime"] = created.timestamp() if isinstance(created, datetime) else created
    turned = {**record, "dynamodb": change, "eventSourceARN": event_source_arn}
    if "userIdentity" in record:
        turned["userIdentity"] = {name[0].lower() + name[1:]: each for name, each in record["userIdentity"].items()}
    return turned


def packed(record: Mapping[str, Any]) -> Record:
    """Make a record ready to be sent."""
    change = record["dynamodb"]
    item = _encode(sorted(change["Keys"].items()))
    return Record(
        sequence_number=change["SequenceNumber"],
        created=change["ApproximateCreationDateTime"],
        item_hash=int.from_bytes(hashlib.blake2b(item, digest_size=8).digest()),
        payload=_encode(record),
    )


def event_text(records: Iterable[Record]) -> str:
    """The event of a batch, as JSON."""
    return (_HEAD + _SEPARATOR.join(record.payload for record in records) + _TAIL).decode()


def event(records: Iterable[Record]) -> dict[str, Any]:
    """The event of a batch: each time a new one, so that a function may do with it what it likes."""
    decoded: dict[str, Any] = _decode(event_text(records))
    return decoded


def _image(image: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: _value(value) for name, value in image.items()}


def _value(value: Mapping[str, Any]) -> dict[str, Any]:
    """An attribute value with its binary as base64 text."""
    [(kind, content)] = value.items()
    match kind:
        case "B":
            return {kind: _text(content)}
        case "BS":
            return {kind: [_text(each) for each in content]}
        case "L":
            return {kind: [_value(each) for each in content]}
        case "M":
            return {kind: _image(content)}
        case _:
            return {kind: content}


def _text(binary: bytes | str) -> str:
    return binary if isinstance(binary, str) else base64.b64encode(binary).decode()
