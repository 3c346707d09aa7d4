"""What is told of a run is what was measured, and a figure that is missed is seen."""

import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.chart import draw
from benchmarks.decoding import DecodingRace, check_alike
from benchmarks.job import Measured
from benchmarks.list_growth import crossing
from benchmarks.measurement import ratios
from benchmarks.report import document, show
from benchmarks.results import TARGETS, Results, Spread, load
from benchmarks.rows import CASES, Case, Run, Runs, quick_cases
from benchmarks.session import Stream
from benchmarks.sizing import Choice, size
from benchmarks.workload import Scale

CASES_OF_THE_SUMMARY = (
    Case("seed", 1, 1_000),
    Case("careful", 100, 1_000),
    Case("ours", 100, 1_000),
    Case("ours", 1_000, 1_000),
    Case("limit", 1_000, 1_000),
)


def measured(seconds: float, requests: int = 6_000) -> Run:
    return Run(Measured(1_000, 10, 100, seconds, 0.5, 0.25, requests, 400_000, 7_000, 100 * 2**20), wrong_entries=0)


@pytest.fixture
def runs() -> Runs:
    """Two rounds, the second on a machine half as fast."""
    runs = Runs(CASES_OF_THE_SUMMARY)
    for slow in (1, 2):
        for case, seconds in zip(CASES_OF_THE_SUMMARY, (20.0, 10.0, 1.0, 0.5, 0.25), strict=True):
            runs.add(case, measured(seconds * slow, requests=150 if case.batch_size == 1_000 else 6_000))
    return runs


def test_the_summary_has_the_keys_that_are_asked_for() -> None:
    assert list(TARGETS) == [
        "ours_1000_vs_seed",
        "ours_100_vs_seed",
        "ours_100_vs_careful",
        "ours_1000_share_of_limit",
        "requests_per_record_1000",
        "decode_vs_boto3_json",
        "cold_start_vs_momento",
        "peak_memory_mb_largest",
        "zip_mb",
    ]


def test_a_ratio_is_taken_within_its_round(runs: Runs) -> None:
    assert ratios(runs) == {
        "ours_1000_vs_seed": Spread(40, 40, 40),
        "ours_100_vs_seed": Spread(20, 20, 20),
        "ours_100_vs_careful": Spread(10, 10, 10),
        "ours_1000_share_of_limit": Spread(0.5, 0.5, 0.5),
        "requests_per_record_1000": Spread(0.15, 0.15, 0.15),
    }


def test_a_row_tells_what_its_runs_came_to(runs: Runs) -> None:
    row = runs.rows()[2]
    assert (row.name, row.records_per_second) == ("ours, 100", Spread(750, 500, 1_000))
    assert (row.ratio_to_seed, row.share_of_limit) == (Spread(20, 20, 20), None)
    assert (row.requests_per_record, row.operations_per_record) == (Spread(6, 6, 6), Spread(7, 7, 7))
    assert row.bytes_per_record == Spread(400, 400, 400)
    assert (row.cpu_ms_per_1000_records.median, row.server_cpu_ms_per_1000_records.median) == (500, 250)
    assert (row.server_busy, row.peak_memory_mb.median) == (Spread(0.1875, 0.125, 0.25), 100)


def test_every_row_that_a_figure_needs_is_measured() -> None:
    for cases in (CASES, quick_cases()):
        runs = Runs(cases)
        for case in cases:
            runs.add(case, measured(1.0))
        assert set(ratios(runs)) < set(TARGETS)
        assert {row.batch_size for row in runs.rows() if row.share_of_limit} == {1, 10, 100, 1_000, 10_000}
        assert {row.latency_ms for row in runs.rows()} == {0, 1, 5}


def test_a_limit_sends_what_its_row_sends() -> None:
    records = {(case.contestant, case.batch_size): case.records for case in CASES if case.latency_ms == 1}
    limits = {size: count for (contestant, size), count in records.items() if contestant == "limit"}
    assert limits == {size: count for (contestant, size), count in records.items() if contestant == "ours"}


def test_a_spread_is_the_median_between_the_lowest_and_the_highest() -> None:
    assert Spread.of([3.00049, 1, 2]) == Spread(2, 1, 3)


@pytest.mark.parametrize(
    ("key", "value", "is_missed"),
    [
        ("ours_1000_vs_seed", 32.0, False),
        ("ours_1000_vs_seed", 31.9, True),
        ("cold_start_vs_momento", 2.88, False),
        ("cold_start_vs_momento", 2.89, True),
    ],
)
def test_a_figure_is_missed_where_it_is_more_than_a_fifth_away(key: str, value: float, is_missed: bool) -> None:
    assert TARGETS[key].is_missed(value) is is_missed


def with_summary(results: Results, **figures: float) -> Results:
    spread = results.spread | {key: Spread(value, value, value) for key, value in figures.items()}
    return msgspec.structs.replace(results, summary=results.summary | figures, spread=spread)


def with_wrong_entries(results: Results, name: str) -> Results:
    rows = [msgspec.structs.replace(row, wrong_entries=1) if row.name == name else row for row in results.rows]
    return msgspec.structs.replace(results, rows=tuple(rows))


def test_the_command_exits_0_where_all_is_as_it_must_be(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.save(path)
    shown = CliRunner().invoke(main, ["show", str(path)])
    assert (shown.exit_code, "ours at batch 1,000" in shown.output) == (0, True)


def test_the_command_exits_1_where_a_figure_is_missed(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with_summary(results, ours_100_vs_careful=3.9).save(path)
    shown = CliRunner().invoke(main, ["show", str(path)])
    assert (shown.exit_code, shown.output.count("ours_100_vs_careful")) == (1, 1)


def test_the_command_exits_1_where_a_handler_leaves_a_wrong_cache(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with_wrong_entries(results, "ours, 10").save(path)
    shown = CliRunner().invoke(main, ["show", str(path)])
    assert (shown.exit_code, "The cache came out wrong: ours, 10" in shown.output) == (1, True)


def test_results_are_read_as_they_were_kept_with_the_summary_at_their_top(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.save(path)
    assert load(path) == results
    assert next(iter(msgspec.json.decode(path.read_bytes()))) == "summary"


def test_the_tables_fit_a_terminal_and_mark_the_literal_seed_as_wrong(results: Results) -> None:
    console = Console(width=110)
    with console.capture() as capture:
        show(results, console)
    assert re.search(r"seed, literal.*12 wrong", capture.get())
    assert "…" not in capture.get()


def test_the_figures_stand_between_the_documents_markers_and_nothing_else_changes(results: Results) -> None:
    begin, end = "<!-- begin: {}, by make bench -->", "<!-- end: {} -->"
    blocks = [f"{begin.format(name)}\nof last year\n{end.format(name)}" for name in ("figures", "sizing")]
    text = f"# Before\n\n{blocks[0]}\n\nBetween\n\n{blocks[1]}\n\nAfter\n"
    new = document(text, results)
    assert new.startswith(f"# Before\n\n{begin.format('figures')}\n\n**What must be reached**\n\n| figure |")
    assert f"{end.format('figures')}\n\nBetween\n\n{begin.format('sizing')}\n\n**" in new
    assert new.endswith(f"{end.format('sizing')}\n\nAfter\n")
    assert "last year" not in new
    assert document(new, results) == new
    with pytest.raises(ValueError, match="lacks <!-- end: sizing"):
        document(text.replace(end.format("sizing"), ""), results)


def test_the_same_results_draw_the_same_chart(results: Results, tmp_path: Path) -> None:
    charts = [[tmp_path / f"{time}.{kind}" for kind in ("svg", "png")] for time in ("first", "second")]
    for paths in charts:
        draw(results, *paths)
    first, second = ([path.read_bytes() for path in paths] for paths in charts)
    assert first == second
    assert b"careful, batch 100" in first[0]
    assert b"literal" not in first[0]


def test_where_a_figure_crosses_a_limit_is_told_from_the_points_around_it() -> None:
    points = [(10, 2.0), (100, 20.0), (1_000, 200.0)]
    assert crossing(points, 20 * 10**0.5) == 320
    assert crossing(points, 1) is None
    assert crossing(points, 200) is None


def test_decoders_are_raced_only_where_they_give_the_same_json(tmp_path: Path) -> None:
    stream = Stream(Scale(orders=5, creators=2, inserts=1, modifies=3, removes=1), tmp_path)
    race = DecodingRace(stream.path)
    race.measure()
    raced = race.result()
    assert raced.vs_boto3_json.median == pytest.approx(raced.ours.median / raced.boto3_json.median, rel=1e-3)
    check_alike([[b'{"a":1,"b":2}'], [b'{"b":2,"a":1}']])
    with pytest.raises(RuntimeError, match="nothing to compare"):
        check_alike([[b'{"a":1}'], [b'{"a":1.5}']])


def test_a_write_rate_is_sized_from_the_row_that_its_batches_are_like(results: Results) -> None:
    slow, fast = size(results, [Choice(100, 100, 1, 512), Choice(10_000, 1_000, 1, 1_769)])
    # 25 records a second reach each of 4 shards, so the row at batch 10 is the nearest that is no larger.
    assert (slow.shards, slow.records_per_batch, slow.measured_at) == (4, 25, 10)
    assert (fast.shards, fast.records_per_batch, fast.measured_at) == (10, 1_000, 1_000)
    # 1,000 records at 10,000 a second, ten times a second, over ten shards.
    assert [fast.batch_seconds, fast.invocations_per_second, fast.concurrency] == pytest.approx([0.1, 10, 1])
    assert fast.parallelization_factor == 1
    assert (fast.requests_per_second, fast.operations_per_second) == (60_000, 60_000)
    assert fast.megabytes_per_second == pytest.approx(4_300)


def test_a_function_with_less_memory_takes_longer_over_what_its_processor_does_and_no_longer_to_wait(
    results: Results,
) -> None:
    whole, half = size(results, [Choice(10_000, 1_000, 1, 1_769), Choice(10_000, 1_000, 1, 885)])
    # Of the 100 ms, the row says that 1 ms is the processor's.
    assert half.batch_seconds - whole.batch_seconds == pytest.approx(0.001, rel=0.01)


def test_what_a_month_costs_is_the_prices_times_what_it_uses(results: Results) -> None:
    (sizing,) = size(results, [Choice(10_000, 1_000, 1, 1_769)])
    assert sizing.table_dollars == pytest.approx(10_000 * 2_628_000 * 0.625e-6)
    assert sizing.lambda_dollars == pytest.approx(2_628_000 * (10 * 0.2e-6 + 1_769 / 1_024 * 0.0000133334))
    assert sizing.momento_dollars == pytest.approx(4.3 * 2_628_000 * 0.15)
