"""The invocation record: what a destination is told about records that were discarded.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from local.event_source.event import Record, event_text
from local.event_source.mapping import EventSourceMapping

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


class Invocations(Struct, frozen=True):
    """What was tried with some records.

    Attributes:
        count: how often the function got them.
        function_error: what the last one failed with; None: it answered with a partial batch response.
    """

    count: int = 0
    function_error: str | None = None


def invocation_record(
    mapping: EventSourceMapping,
    shard_id: str,
    records: Sequence[Record],
    condition: Condition,
    invocations: Invocations,
    now: float,
) -> dict[str, Any]:
    """Describe a discarded batch, as AWS does.

    `payload` is the whole event as JSON text. AWS sends it to an S3 bucket only: a queue's or topic's adapter leaves it
    out.
    """
    first, last = records[0], records[-1]
    name = f"{mapping.function_arn} {shard_id} {first.sequence_number} {len(records)}"
    response = {"statusCode": 200, "executedVersion": "$LATEST"}
    if invocations.function_error is not None:
        response |= {"functionError": invocations.function_error}
    return {
        "requestContext": {
            # By the batch's name, so that a run can be repeated exactly.
            "requestId": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            "functionArn": mapping.function_arn,
            "condition": condition,
            "approximateInvokeCount": invocations.count,
        },
        **({"responseContext": response} if invocations.count else {}),
        "version": "1.0",
        "timestamp": _time(now, "milliseconds"),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": _time(first.created, "seconds"),
            "approximateArrivalOfLastRecord": _time(last.created, "seconds"),
            "batchSize": len(records),
            "streamArn": mapping.event_source_arn,
        },
        "payload": event_text(records),
    }


def _time(seconds: float, precision: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
