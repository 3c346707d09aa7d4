"""The rows: which handlers are measured, and what their runs come to."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, structs

from benchmarks.job import Measured
from benchmarks.results import LITERAL, Row, Spread

LARGEST = 10_000
"""The largest batch_size that Lambda takes; 6 MB hold far fewer of these records."""

LATENCY_MS = 1
"""What a request waits in the rows that figures are taken from."""


class Case(Struct, frozen=True):
    """One row to measure.

    Attributes:
        contestant: the handler.
        batch_size: the most records in a batch.
        records: how many of the stream's records it gets, the first ones: as many as it can do in half a minute. A
            limit as many as its row, for what a record costs depends on them.
        latency_ms: what each request waits.
    """

    contestant: str
    batch_size: int
    records: int
    latency_ms: int = LATENCY_MS

    @property
    def name(self) -> str:
        """The row's name."""
        size = "largest" if self.batch_size == LARGEST else f"{self.batch_size:,}"
        match self.contestant:
            case "seed":
                return "seed"
            case "literal":
                return LITERAL
            case name:
                return f"{name}, {size}"


CASES: Sequence[Case] = (
    Case("seed", 1, 1_000),
    Case("literal", 1, 200),
    Case("careful", 100, 1_000),
    Case("ours", 1, 500),
    Case("ours", 10, 4_000),
    Case("ours", 100, 20_000),
    Case("ours", 1_000, 20_000),
    Case("ours", LARGEST, 20_000),
    Case("limit", 1, 500),
    Case("limit", 10, 4_000),
    Case("limit", 100, 20_000),
    Case("limit", 1_000, 20_000),
    Case("limit", LARGEST, 20_000),
    Case("seed", 1, 200, 0),
    Case("careful", 100, 200, 0),
    Case("ours", 100, 4_000, 0),
    Case("ours", 1_000, 4_000, 0),
    Case("seed", 1, 200, 5),
    Case("careful", 100, 200, 5),
    Case("ours", 100, 4_000, 5),
    Case("ours", 1_000, 4_000, 5),
)


def quick_cases() -> Sequence[Case]:
    """The same with a tenth of the records, and two batches at least."""
    return [
        structs.replace(case, records=max(case.records // 10, min(case.records, 2 * case.batch_size, 2_000)))
        for case in CASES
    ]


class Run(NamedTuple):
    """One run of a case."""

    measured: Measured
    wrong_entries: int


class Runs:
    """The runs of some cases, each case as often as the others.

    Args:
        cases: the rows.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases
        self._runs: dict[Case, list[Run]] = {case: [] for case in cases}

    def add(self, case: Case, run: Run) -> None:
        """Keep another run."""
        self._runs[case].append(run)

    def case(self, contestant: str, batch_size: int, latency_ms: int = LATENCY_MS) -> Case | None:
        """Find a case."""
        sought = (contestant, batch_size, latency_ms)
        found = (case for case in self.cases if (case.contestant, case.batch_size, case.latency_ms) == sought)
        return next(found, None)

    def ratio(self, row: tuple[str, int], base: tuple[str, int]) -> Spread:
        """How many times a base's records a second a row handles, each a handler and its batch size, round by round."""
        return Spread.of_ratios(*(self._rates(self._required(*each)) for each in (row, base)))

    def requests_per_record(self, contestant: str, batch_size: int) -> Spread:
        """How many requests the server got for each record."""
        return _per_record([run.measured for run in self._runs[self._required(contestant, batch_size)]], "requests")

    def rows(self) -> tuple[Row, ...]:
        """What all runs came to."""
        return tuple(map(self._row, self.cases))

    def _required(self, contestant: str, batch_size: int, latency_ms: int = LATENCY_MS) -> Case:
        found = self.case(contestant, batch_size, latency_ms)
        if found is None:
            raise ValueError(f"nothing measures {contestant} at batch {batch_size} with {latency_ms} ms")
        return found

    def _rates(self, case: Case) -> list[float]:
        return [run.measured.records / run.measured.seconds for run in self._runs[case]]

    def _row(self, case: Case) -> Row:
        runs = [run.measured for run in self._runs[case]]
        first = runs[0]
        seed = self._required("seed", 1, case.latency_ms)
        limit = self.case("limit", case.batch_size, case.latency_ms) if case.contestant == "ours" else None
        return Row(
            name=case.name,
            batch_size=case.batch_size,
            largest_batch=first.largest_batch,
            latency_ms=case.latency_ms,
            records=first.records,
            wrong_entries=max(run.wrong_entries for run in self._runs[case]),
            records_per_second=Spread.of(self._rates(case)),
            ratio_to_seed=Spread.of_ratios(self._rates(case), self._rates(seed)),
            share_of_limit=None if limit is None else Spread.of_ratios(self._rates(case), self._rates(limit)),
            requests_per_record=_per_record(runs, "requests"),
            bytes_per_record=_per_record(runs, "bytes"),
            operations_per_record=_per_record(runs, "operations"),
            cpu_ms_per_1000_records=_per_record(runs, "cpu_seconds", _MS_FOR_1000),
            server_cpu_ms_per_1000_records=_per_record(runs, "server_cpu_seconds", _MS_FOR_1000),
            server_busy=Spread.of([run.server_cpu_seconds / run.seconds for run in runs]),
            peak_memory_mb=Spread.of([run.peak_memory_bytes / 2**20 for run in runs]),
        )


_MS_FOR_1000 = 1_000 * 1_000
"""Seconds for a record to ms for 1,000."""


def _per_record(runs: Sequence[Measured], figure: str, factor: float = 1) -> Spread:
    return Spread.of([getattr(run, figure) * factor / run.records for run in runs])
