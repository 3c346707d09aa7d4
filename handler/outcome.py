"""Report: what came of a batch, as Lambda's partial batch response, a log line and metrics."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from msgspec import Struct

from handler.cache import Applied
from handler.records import Batch, Rejection, item_hash

LOGGED_FAILURES = 10
"""How many operations that failed the log line names: the first, for the rest tends to be the same."""

LOGGED_REJECTIONS = 500
"""How many rejections it names, for each is an item that someone has to mend: well within CloudWatch's 256 KB a line.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

_ORDER = attrgetter("sequence_number")


class Outcome(Struct, frozen=True):
    """What came of a batch.

    Attributes:
        response: what Lambda is answered: the record to retry from, or none.
        log: the log line's fields. No item's content, and no key.
        metrics: metric name to value, each a count unless its name says otherwise.
    """

    response: Mapping[str, Any]
    log: Mapping[str, Any]
    metrics: Mapping[str, float]


def report(batch: Batch, rejections: Sequence[Rejection], applied: Applied, now: float) -> Outcome:
    """Tell what came of a batch.

    Args:
        batch: the batch.
        rejections: what the plan could not do.
        applied: what came of the plan.
        now: seconds since the epoch.

    Returns:
        a response that names the lowest unfinished sequence number alone: Lambda retries all that follows it.
        https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    items = {change.sequence_number: change.item for change in batch.changes}
    rejected = sorted((*batch.rejections, *rejections), key=_ORDER)
    # Told alike. An operation may stand for several items: it is named by the first, whose record is retried from.
    failed = sorted(
        (
            Rejection(each.operation.lowest, each.reason, item_hash(items[each.operation.lowest]), each.operation.view)
            for each in applied.failures
        ),
        key=_ORDER,
    )
    logged = sorted((*rejected[:LOGGED_REJECTIONS], *failed[:LOGGED_FAILURES]), key=_ORDER)
    lowest = batch.identifiers[logged[0].sequence_number] if logged else None
    delay = None if batch.oldest is None else max(0.0, now - batch.oldest)
    named = [
        {
            "sequence_number": batch.identifiers[each.sequence_number],
            **({} if each.view is None else {"view": each.view}),
            **({} if each.item_hash is None else {"item": each.item_hash}),
            "reason": each.reason,
        }
        for each in logged
    ]
    counts = applied.counts
    return Outcome(
        response={"batchItemFailures": [] if lowest is None else [{"itemIdentifier": lowest}]},
        log={
            "records": len(batch.identifiers),
            "operations": dict(counts),
            "propagation_delay_seconds": delay,
            "failed": len(rejected) + len(failed),
            **({} if lowest is None else {"retry_from": lowest, "failures": named}),
        },
        metrics={
            "Records": len(batch.identifiers),
            "RejectedRecords": len({each.sequence_number for each in rejected}),
            "CacheWrites": counts.get("set", 0) + counts.get("delete", 0) + counts.get("list_update", 0),
            "CacheFailures": len(applied.failures),
            "ListConflicts": counts.get("list_conflict", 0),
            "ListRebuilds": counts.get("list_rebuild", 0),
            "TooBig": counts.get("too_big", 0),
            **({} if delay is None else {"PropagationDelay": delay}),
        },
    )
