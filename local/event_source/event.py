"""The event that Lambda makes of a stream's records.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

PAYLOAD_BYTES = 6 * 1024 * 1024
"""The most that an invocation may carry. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_json = msgspec.json.Encoder()


class Record(msgspec.Struct, eq=False):
    """A record on its way to the function.

    Attributes:
        body: the record as the event has it.
        sequence_number: as the stream wrote it.
        created: `ApproximateCreationDateTime`, in seconds since the epoch.
        payload_bytes: what it adds to the event.
        acknowledged: it was handled, filtered out or discarded.
    """

    body: dict[str, Any]
    sequence_number: str
    created: float
    payload_bytes: int
    acknowledged: bool = False


def decoded(record: Mapping[str, Any], event_source_arn: str) -> Record:
    """Take a record as GetRecords has it."""
    change: dict[str, Any] = {
        name: _image(value) if name in ("Keys", "NewImage", "OldImage") else value
        for name, value in record["dynamodb"].items()
    }
    created = change["ApproximateCreationDateTime"]
    change["ApproximateCreationDateTime"] = created.timestamp() if isinstance(created, datetime) else created
    body = {**record, "dynamodb": change, "eventSourceARN": event_source_arn}
    if "userIdentity" in body:
        # GetRecords says `PrincipalId` and `Type` where the event says `principalId` and `type`.
        body["userIdentity"] = {name[0].lower() + name[1:]: value for name, value in body["userIdentity"].items()}
    return Record(
        body=body,
        sequence_number=change["SequenceNumber"],
        created=change["ApproximateCreationDateTime"],
        payload_bytes=len(_json.encode(body)) + len(","),
    )


def event(records: Sequence[Record]) -> dict[str, Any]:
    """The event of a batch."""
    return {"Records": [record.body for record in records]}


def event_text(records: Sequence[Record]) -> str:
    """The event as JSON."""
    return _json.encode(event(records)).decode()


EVENT_BYTES = len(_json.encode({"Records": []}))
"""What an event takes on top of its records."""


def item_hash(record: Record) -> int:
    """A number that is the same for all records of one item, in every process."""
    return zlib.crc32(_json.encode(sorted(record.body["dynamodb"]["Keys"].items())))


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
