"""Report: what came of a batch, as Lambda's partial batch response, a log line and metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from handler.cache import Applied
from handler.records import Batch, Rejection, item_hash

LOGGED_FAILURES = 10
"""How many of a batch's failures the log line names: the first, for the rest tends to be the same."""


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
    rejected = (*batch.rejections, *rejections)
    items = {change.sequence_number: change.item for change in batch.changes}
    failures = [
        *((each.sequence_number, each.view, each.reason, each.item_hash) for each in rejected),
        # An operation may stand for several items: it is named by the first, whose record is retried from.
        *(
            (each.operation.lowest, each.operation.view, each.reason, item_hash(items[each.operation.lowest]))
            for each in applied.failures
        ),
    ]
    failures.sort(key=lambda failure: failure[0])
    lowest = batch.identifiers[failures[0][0]] if failures else None
    delay = None if batch.oldest is None else max(0.0, now - batch.oldest)
    named = [
        {
            "sequence_number": batch.identifiers[sequence_number],
            **({} if view is None else {"view": view}),
            **({} if item is None else {"item": item}),
            "reason": reason,
        }
        for sequence_number, view, reason, item in failures[:LOGGED_FAILURES]
    ]
    counts = applied.counts
    return Outcome(
        response={"batchItemFailures": [] if lowest is None else [{"itemIdentifier": lowest}]},
        log={
            "records": len(batch.identifiers),
            "operations": dict(counts),
            "propagation_delay_seconds": delay,
            "failed": len(failures),
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
