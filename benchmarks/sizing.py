"""What a write rate asks of the mapping, the function and Momento, worked out from what was measured."""

import math
from collections.abc import Sequence

from msgspec import Struct

from benchmarks.results import Results, Row
from benchmarks.rows import LATENCY_MS

PARTITION_RECORDS_PER_SECOND = 1_000
"""A partition takes 1,000 write units a second, each a record of 1 KB, and its shard brings them.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

FEWEST_SHARDS = 4
"""A new on-demand table takes 4,000 writes a second from the start, so it has four partitions.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
"""

FULL_CORE_MB = 1_769
"""The memory at which a function has one whole processor; below, a share in proportion.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

BUSY = 0.7
"""Which share of its time an execution environment may be busy, so that it catches up after a pause."""

MONTH_SECONDS = 730 * 3600

DOLLARS_PER_INVOCATION = 0.20 / 1e6
DOLLARS_PER_GB_SECOND = 0.0000133334
"""arm64 in us-east-1, first tier, no free tier: https://aws.amazon.com/lambda/pricing/"""

DOLLARS_PER_WRITE = 0.625 / 1e6
"""On demand in us-east-1. Lambda's reads of the stream are free: https://aws.amazon.com/dynamodb/pricing/on-demand/"""

DOLLARS_PER_GB_MOVED = 0.15
"""Momento's, where it charges by what is moved; its list has changed often: https://www.gomomento.com/pricing"""


class Choice(Struct, frozen=True):
    """A write rate, and what is chosen for it.

    Attributes:
        writes_per_second: of 1 KB, spread evenly over the partitions.
        batch_size: the mapping's.
        window_seconds: the mapping's maximum_batching_window_in_seconds.
        memory_mb: the function's memory_size.
    """

    writes_per_second: int
    batch_size: int
    window_seconds: int
    memory_mb: int


CHOICES = (Choice(100, 100, 1, 512), Choice(10_000, 1_000, 1, FULL_CORE_MB), Choice(1_000_000, 1_000, 1, FULL_CORE_MB))


class Sizing(Struct, frozen=True):
    """What follows of a choice.

    Attributes:
        choice: the choice.
        shards: that the stream has, at least.
        records_per_batch: what gathers in the window.
        measured_at: the batch size of the row that the rest is taken from: the largest that is no larger.
        batch_seconds: how long a batch takes: the processor's part longer by as much as it has less of a processor.
        parallelization_factor: the mapping's.
        invocations_per_second: of the function.
        concurrency: how many of them at once.
        requests_per_second: to Momento.
        operations_per_second: of its quota.
        megabytes_per_second: to and from Momento.
        list_updates_per_second: of a list that every shard's batches change.
        table_dollars: a month, for the writes themselves.
        lambda_dollars: a month.
        momento_dollars: a month.
    """

    choice: Choice
    shards: int
    records_per_batch: int
    measured_at: int
    batch_seconds: float
    parallelization_factor: int
    invocations_per_second: float
    concurrency: float
    requests_per_second: float
    operations_per_second: float
    megabytes_per_second: float
    list_updates_per_second: float
    table_dollars: float
    lambda_dollars: float
    momento_dollars: float


def size(results: Results, choices: Sequence[Choice] = CHOICES) -> list[Sizing]:
    """Work out what each choice asks for."""
    rows = {row.batch_size: row for row in results.rows if row.name.startswith("ours") and row.latency_ms == LATENCY_MS}
    return [_size(choice, rows[max(size for size in rows if size <= _records(choice))]) for choice in choices]


def _shards(choice: Choice) -> int:
    return max(FEWEST_SHARDS, math.ceil(choice.writes_per_second / PARTITION_RECORDS_PER_SECOND))


def _records(choice: Choice) -> int:
    return min(choice.batch_size, choice.writes_per_second * choice.window_seconds // _shards(choice))


def _size(choice: Choice, row: Row) -> Sizing:
    shards, records = _shards(choice), _records(choice)
    cpu_seconds = records * row.cpu_ms_per_1000_records.median / 1e6
    waiting_seconds = max(0.0, records / row.records_per_second.median - cpu_seconds)
    batch_seconds = waiting_seconds + cpu_seconds * max(1.0, FULL_CORE_MB / choice.memory_mb)
    invocations_per_second = choice.writes_per_second / records
    concurrency = invocations_per_second * batch_seconds
    megabytes_per_second = row.bytes_per_record.median * choice.writes_per_second / 1e6
    gb_seconds = concurrency * choice.memory_mb / 1024
    return Sizing(
        choice=choice,
        shards=shards,
        records_per_batch=records,
        measured_at=row.batch_size,
        batch_seconds=batch_seconds,
        parallelization_factor=math.ceil(concurrency / shards / BUSY),
        invocations_per_second=invocations_per_second,
        concurrency=concurrency,
        requests_per_second=row.requests_per_record.median * choice.writes_per_second,
        operations_per_second=row.operations_per_record.median * choice.writes_per_second,
        megabytes_per_second=megabytes_per_second,
        list_updates_per_second=invocations_per_second,
        table_dollars=choice.writes_per_second * DOLLARS_PER_WRITE * MONTH_SECONDS,
        lambda_dollars=(invocations_per_second * DOLLARS_PER_INVOCATION + gb_seconds * DOLLARS_PER_GB_SECOND)
        * MONTH_SECONDS,
        momento_dollars=megabytes_per_second / 1000 * DOLLARS_PER_GB_MOVED * MONTH_SECONDS,
    )
