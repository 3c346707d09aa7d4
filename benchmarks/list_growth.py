"""What one list costs as it grows."""

import math
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.job import Job, Measured, run
from benchmarks.results import ListGrowth, ListOf, Spread
from benchmarks.rows import LATENCY_MS
from benchmarks.session import Session, Stream
from benchmarks.sizing import PARTITION_RECORDS_PER_SECOND
from benchmarks.workload import Scale, encoded

LIST, VIEW = "all-orders", "all_orders"

ROWS = (10, 100, 1_000, 3_000, 10_000, 45_000)
UPDATES, BATCH, BATCHES = 20, 100, 4


class Growth:
    """A list view alone, at several sizes.

    Args:
        session: the server.
        rows: the sizes.
    """

    def __init__(self, session: Session, rows: Sequence[int] = ROWS) -> None:
        self._session = session
        self.rows = rows
        self._streams: dict[int, Stream] = {}
        self._runs: dict[tuple[int, int], list[Measured]] = {(size, batch): [] for size in rows for batch in (1, BATCH)}

    def measure(self, rows: int) -> None:
        """Run a size once more: single changes, then batches.

        Raises:
            RuntimeError: the list came out wrong.
        """
        if rows not in self._streams:
            self._streams[rows] = self._session.stream(
                Scale(orders=rows, creators=1, inserts=0, modifies=BATCH * BATCHES, removes=0)
            )
        stream = self._streams[rows]
        for batch, records in ((1, UPDATES), (BATCH, BATCH * BATCHES)):
            stream.load(self._session.server, LATENCY_MS)
            job = Job("ours", self._session.endpoint, stream.scale, str(stream.path), records, batch, (VIEW,))
            self._runs[rows, batch].append(run(job))
            if stream.wrong_entries(self._session.server, records, LIST):
                raise RuntimeError(f"the list of {rows} rows came out wrong after {records} records")

    def result(self) -> ListGrowth:
        """What all runs came to."""
        sizes = tuple(map(self._list_of, self.rows))
        limit_ms = BATCH / PARTITION_RECORDS_PER_SECOND * 1000
        return ListGrowth(sizes, crossing([(size.rows, size.batch_ms.median) for size in sizes], limit_ms))

    def _list_of(self, rows: int) -> ListOf:
        entry = encoded(self._streams[rows].workload.entries(0))[LIST]
        return ListOf(
            rows=rows,
            kilobytes=round(len(entry) / 1000, 1),
            update_ms=self._per_batch(rows, 1, "seconds"),
            batch_ms=self._per_batch(rows, BATCH, "seconds"),
            update_cpu_ms=self._per_batch(rows, 1, "cpu_seconds"),
            batch_cpu_ms=self._per_batch(rows, BATCH, "cpu_seconds"),
        )

    def _per_batch(self, rows: int, batch: int, figure: str) -> Spread:
        return Spread.of([getattr(run, figure) * 1000 / run.batches for run in self._runs[rows, batch]])


def crossing(points: Sequence[tuple[int, float]], limit: float) -> int | None:
    """Tell where a rising figure crosses a limit, between two points along a line of their logarithms.

    Returns:
        to two significant digits; None where it stays below, or is above from the first point on.
    """
    for (left, low), (right, high) in pairwise(points):
        if low <= limit < high:
            share = math.log(limit / low) / math.log(high / low)
            return int(float(f"{left * (right / left) ** share:.2g}"))
    return None
