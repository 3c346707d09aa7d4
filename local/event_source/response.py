"""Partial batch responses: what a function's answer says of its batch.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from collections.abc import Sequence
from typing import Any

_EMPTY: tuple[Any, ...] = (None, "", [], {})


def first_failure(response: Any, sequence_numbers: Sequence[str]) -> int:
    """Find where a batch has to be tried again, by a mapping that has `ReportBatchItemFailures`.

    Args:
        response: what the function returned.
        sequence_numbers: the batch's, in order.

    Returns:
        How many of the first records succeeded: all where there is no failure, 0 where the answer makes the whole batch
        one.
    """
    if response in _EMPTY:
        return len(sequence_numbers)
    if not isinstance(response, dict):
        # Not in the page's lists, but in its first paragraph: all other results are a complete failure.
        return 0
    failures = response.get("batchItemFailures")
    if failures in _EMPTY:
        return len(sequence_numbers)
    indexes = {number: index for index, number in enumerate(sequence_numbers)}
    return min(indexes.get(_identifier(each), 0) for each in failures) if isinstance(failures, list) else 0


def _identifier(failure: Any) -> str:
    """The sequence number that a failure names; none, as "" is, makes the whole batch a failure."""
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return identifier if isinstance(identifier, str) else ""
