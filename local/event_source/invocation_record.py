"""The invocation record: what a destination is told about records that were discarded.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from local.event_source.event import Record, event_text
from local.event_source.mapping import EventSourceMapping

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]
"""Why. The page shows the first alone; the second is what users of AWS report to have received."""


def invocation_record(
    mapping: EventSourceMapping,
    shard_id: str,
    records: Sequence[Record],
    condition: Condition,
    invocations: int,
    function_error: str | None,
    now: float,
) -> dict[str, Any]:
    """Describe a discarded batch, as AWS does.

    Args:
        mapping: the mapping.
        shard_id: the records' shard.
        records: what is discarded.
        condition: why.
        invocations: how often the function got just these.
        function_error: what it last failed with; None: it returned a partial batch response.
        now: the time, in seconds since the epoch.

    Returns:
        The message. Its `payload` is the whole event as JSON text. AWS sends that to an S3 bucket only: a queue's or
        topic's adapter has to leave it out.
    """
    first, last = records[0], records[-1]
    response = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": function_error}
    return {
        "requestContext": {
            # A name, not a chance, so that a run can be repeated exactly.
            "requestId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{shard_id} {first.sequence_number} {len(records)}")),
            "functionArn": mapping.function_arn,
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        **({"responseContext": response} if invocations else {}),
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
