"""Results such as a run leaves, all of whose figures are as they must be."""

import pytest

from benchmarks.results import (
    TARGETS,
    ColdStart,
    Decoding,
    ListGrowth,
    ListOf,
    Machine,
    Profile,
    Results,
    Row,
    ServerLimits,
    Spread,
)

ONE = Spread(1, 1, 1)
SIX = Spread(6, 6, 6)


def row(name: str, batch_size: int, **figures: object) -> Row:
    rate = Spread(float(batch_size) * 10, batch_size * 9, batch_size * 12)
    values = {
        "name": name,
        "batch_size": batch_size,
        "largest_batch": batch_size,
        "latency_ms": 1,
        "records": 1_000,
        "wrong_entries": 0,
        "records_per_second": rate,
        "ratio_to_seed": ONE,
        "share_of_limit": None,
        "requests_per_record": SIX,
        "bytes_per_record": Spread(430_000, 430_000, 430_000),
        "operations_per_record": SIX,
        "cpu_ms_per_1000_records": ONE,
        "server_cpu_ms_per_1000_records": ONE,
        "server_busy": ONE,
        "peak_memory_mb": ONE,
    }
    return Row(**(values | figures))  # type: ignore[arg-type]


@pytest.fixture
def results() -> Results:
    figures = {key: Spread(target.at_least, target.at_least, target.at_least) for key, target in TARGETS.items()}
    lists = tuple(ListOf(rows, rows / 10, ONE, Spread(rows / 10, 1, rows), ONE, ONE) for rows in (100, 10_000))
    return Results(
        summary={key: spread.median for key, spread in figures.items()},
        spread=figures,
        machine=Machine("a processor", 2, 0.5, "3.11.7", "1.85.1", "2026-01-01 00:00", 5),
        rows=(
            row("seed", 1),
            row("seed, literal", 1, wrong_entries=12),
            row("careful, 100", 100),
            row("ours, 10", 10, share_of_limit=ONE),
            row("ours, 1,000", 1_000, share_of_limit=ONE),
            row("limit, 10", 10),
            row("limit, 1,000", 1_000),
        ),
        server=ServerLimits({"1": ONE}, ONE, ONE, ONE),
        cold_start=ColdStart(ONE, ONE, ONE, ONE, ONE),
        list_growth=ListGrowth(lists, 1_000),
        decoding=Decoding(ONE, ONE, ONE, ONE, ONE),
        profiles=(Profile(100, {"handler/views.py": 0.6, "grpc": 0.4}),),
    )
