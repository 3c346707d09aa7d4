"""Report: what came of a batch, as Lambda's partial batch response, a log line and metrics."""

import json
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

from msgspec import Struct

from handler.cache import Applied
from handler.records import Batch, Rejection, item_hash
from handler.views import Plan

LOGGED_FAILURES = 10
"""How many operations that failed the log line names: the first, because the rest tends to be the same."""

LOGGED_REJECTIONS = 500
"""How many rejections it names: more, because each is an item that someone has to fix."""

LOGGED_CHARACTERS = 500
"""How much of a name or a reason it shows."""

LOGGED_BYTES = 200_000
"""How long all that it names may be, as JSON in ASCII, which is never shorter than UTF-8.

CloudWatch cuts a line at 262,144 bytes, 26 of them its own: what is cut is no JSON, and no query finds it. The rest is
left to the fields that Powertools adds.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

_LEFT_OUT = (
    "from here on, there was no time to match items with the views' `where`: test less of them, lower `batch_size`, or "
    "raise `memory_size`"
)

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


def report(batch: Batch, planned: Plan, applied: Applied, now: float) -> Outcome:
    """Tell what came of a batch.

    Args:
        batch: the batch.
        planned: its plan.
        applied: what came of the plan.
        now: seconds since the epoch.

    Returns:
        a response that names the lowest unfinished sequence number alone: Lambda retries all that follows it.
        https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    items = {change.sequence_number: change.item for change in batch.changes}
    rejected = sorted((*batch.rejections, *planned.rejections), key=_ORDER)
    # Told alike. An operation may stand for several items: it is named by the first, whose record is retried from.
    failed = [
        Rejection(each.operation.lowest, each.reason, item_hash(items[each.operation.lowest]), each.operation.view)
        for each in applied.failures
    ]
    failed += [Rejection(each.sequence_number, _LEFT_OUT, item_hash(each.item)) for each in planned.left_out[:1]]
    failed.sort(key=_ORDER)
    logged = sorted((*rejected[:LOGGED_REJECTIONS], *failed[:LOGGED_FAILURES]), key=_ORDER)
    lowest = batch.identifiers[logged[0].sequence_number] if logged else None
    delay = None if batch.oldest is None else max(0.0, now - batch.oldest)
    named = _named(logged, batch.identifiers)
    omitted = len(rejected) + len(failed) - len(named)
    counts = applied.counts
    return Outcome(
        response={"batchItemFailures": [] if lowest is None else [{"itemIdentifier": lowest}]},
        log={
            "records": len(batch.identifiers),
            "operations": dict(counts),
            "propagation_delay_seconds": delay,
            "failed": len(rejected) + len(failed),
            **({} if lowest is None else {"retry_from": _cut(lowest), "failures": named}),
            **({"failures_omitted": omitted} if omitted else {}),
            **({"records_left_out": len(planned.left_out)} if planned.left_out else {}),
        },
        metrics={
            "Records": len(batch.identifiers),
            "RejectedRecords": len({each.sequence_number for each in rejected}),
            "CacheWrites": counts.get("set", 0) + counts.get("delete", 0) + counts.get("list_update", 0),
            "CacheFailures": len(failed),
            "ListConflicts": counts.get("list_conflict", 0),
            "ListRebuilds": counts.get("list_rebuild", 0),
            "TooBig": counts.get("too_big", 0),
            **({} if delay is None else {"PropagationDelay": delay}),
        },
    )


def _named(failures: Iterable[Rejection], identifiers: Mapping[int, str]) -> list[Mapping[str, str]]:
    """Return what the log line says of failures: of the first, as many as fit."""
    named: list[Mapping[str, str]] = []
    left = LOGGED_BYTES
    for each in failures:
        failure = {
            "sequence_number": _cut(identifiers[each.sequence_number]),
            **({} if each.view is None else {"view": _cut(each.view)}),
            **({} if each.item_hash is None else {"item": each.item_hash}),
            "reason": _cut(each.reason),
        }
        left -= len(json.dumps(failure)) + len(", ")
        if left < 0:
            break
        named.append(failure)
    return named


def _cut(text: str) -> str:
    return text if len(text) <= LOGGED_CHARACTERS else f"{text[: LOGGED_CHARACTERS - 1]}…"
