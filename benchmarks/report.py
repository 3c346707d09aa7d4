"""Results as tables: for the terminal, and for the documentation between its markers."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.results import TARGETS, Results, Spread
from benchmarks.sizing import Sizing, size
from local.generated import with_part
from local.terraform import PROJECT

DOCUMENT = PROJECT / "docs" / "performance.md"
FIGURES, SIZING = "figures", "sizing"
"""The document's two blocks: what was measured, and what follows of it for a write rate."""


class Section(Struct, frozen=True):
    """A table with its title, and a sentence under it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def show(results: Results, console: Console) -> None:
    """Print all tables."""
    for section in sections(results):
        table = Table(title=section.title, title_justify="left", caption=section.note or None, caption_justify="left")
        for number, column in enumerate(section.columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=True)
        for row in section.rows:
            table.add_row(*row)
        console.print(table)
        console.print()


def document(text: str, results: Results) -> str:
    """Put the tables into a text, each block between its markers.

    Raises:
        ValueError: it lacks a marker.
    """
    for name, shown in ((FIGURES, sections(results)), (SIZING, [sized(results)])):
        text = with_part(text, name, "make bench", "\n\n".join(map(_markdown, shown)))
    return text


def sections(results: Results) -> list[Section]:
    """All tables, in the order in which they are read."""
    return [
        _summary(results),
        _speeds(results),
        _costs(results),
        _server(results),
        _cold_start(results),
        _list_growth(results),
        _decoding(results),
        *_profiles(results),
    ]


def sized(results: Results) -> Section:
    """What some write rates ask for."""
    sizes = size(results)
    lines: list[tuple[str, Callable[[Sizing], str]]] = [
        ("shards", lambda each: f"{each.shards:,}"),
        ("`batch_size`", lambda each: f"{each.choice.batch_size:,}"),
        ("`maximum_batching_window_in_seconds`", lambda each: str(each.choice.window_seconds)),
        ("`memory_size`, MB", lambda each: f"{each.choice.memory_mb:,}"),
        ("records in a batch", lambda each: f"{each.records_per_batch:,}"),
        ("taken from the row at batch", lambda each: f"{each.measured_at:,}"),
        ("a batch takes, ms", lambda each: _number(each.batch_seconds * 1000)),
        ("`parallelization_factor`", lambda each: str(each.parallelization_factor)),
        ("invocations a second", lambda each: _number(each.invocations_per_second)),
        ("of them at once", lambda each: _number(each.concurrency)),
        ("requests to Momento a second", lambda each: _number(each.requests_per_second)),
        ("operations of its quota a second", lambda each: _number(each.operations_per_second)),
        ("MB to and from it a second", lambda each: _number(each.megabytes_per_second)),
        ("updates a second of one list for all", lambda each: _number(each.list_updates_per_second)),
        ("the table's own writes, $ a month", lambda each: _number(each.table_dollars)),
        ("Lambda, $ a month", lambda each: _number(each.lambda_dollars)),
        ("Momento, $ a month", lambda each: _number(each.momento_dollars)),
    ]
    rows = [[label, *(show(each) for each in sizes)] for label, show in lines]
    columns = ["writes a second", *(f"{each.choice.writes_per_second:,}" for each in sizes)]
    return Section("The workload above at three write rates", columns, rows)


def _markdown(section: Section) -> str:
    lines = [
        f"**{section.title}**\n",
        _markdown_row(section.columns),
        _markdown_row(["---", *["---:"] * (len(section.columns) - 1)]),
        *map(_markdown_row, section.rows),
    ]
    return "\n".join([*lines, *([f"\n{section.note}"] if section.note else [])])


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _summary(results: Results) -> Section:
    rows = []
    for key, target in TARGETS.items():
        sign = "≤ " if target.is_least else ""
        spread = results.spread[key]
        verdict = "missed" if target.is_missed(spread.median) else "reached"
        if verdict == "reached" and not _is_within(spread.median, target.at_least, is_least=target.is_least):
            verdict = "missed by less than a fifth"
        if _is_within(spread.median, target.aim, is_least=target.is_least):
            verdict = "aim reached"
        rows.append([target.what, _spread(spread), f"{sign}{target.at_least:g}", f"{sign}{target.aim:g}", verdict])
    machine = results.machine
    note = (
        f"Medians (lowest to highest) of {machine.rounds} rounds in one session; a ratio is taken within its round. "
        f"{machine.processor}, {machine.cores} cores, load {machine.load:g} at the start; Python {machine.python}, "
        f"grpcio {machine.grpcio}; {machine.measured_at}."
    )
    return Section("What must be reached", ["figure", "measured", "at least", "aim", ""], rows, note)


def _is_within(value: float, bound: float, *, is_least: bool) -> bool:
    return value <= bound if is_least else value >= bound


def _speeds(results: Results) -> Section:
    columns = ["handler, batch", "latency", "records", "records/s", "× seed", "of limit", "server busy", "cache"]
    rows = [
        [
            row.name,
            f"{row.latency_ms} ms",
            f"{row.records:,}",
            _spread(row.records_per_second),
            f"{row.ratio_to_seed.median:.3g}",
            "" if row.share_of_limit is None else f"{row.share_of_limit.median:.0%}",
            f"{row.server_busy.median:.0%}",
            "right" if row.wrong_entries == 0 else f"{row.wrong_entries:,} wrong",
        ]
        for row in results.rows
    ]
    note = (
        "The largest batch is what fits 6 MB: "
        f"{max(row.largest_batch for row in results.rows):,} records at most. "
        "Where the server is busy for nearly all of the time, it is the server that limits the row."
    )
    return Section("Handlers side by side", columns, rows, note)


def _costs(results: Results) -> Section:
    columns = ["handler, batch", "latency", "requests", "bytes", "operations", "CPU ms", "server's", "peak MB"]
    rows = [
        [
            row.name,
            f"{row.latency_ms} ms",
            f"{row.requests_per_record.median:.3g}",
            f"{row.bytes_per_record.median:,.0f}",
            f"{row.operations_per_record.median:.3g}",
            f"{row.cpu_ms_per_1000_records.median:,.0f}",
            f"{row.server_cpu_ms_per_1000_records.median:,.0f}",
            # The limit has all of its requests in memory beforehand.
            "" if row.name.startswith("limit") else f"{row.peak_memory_mb.median:.0f}",
        ]
        for row in results.rows
    ]
    note = "Requests, bytes and operations for each record; CPU for 1,000; MB of 2^20 bytes, of the handler's process."
    return Section("What a record costs", columns, rows, note)


def _server(results: Results) -> Section:
    server = results.server
    rows = [
        *([f"round trip with {latency} ms added, ms", _spread(each)] for latency, each in server.round_trip_ms.items()),
        ["Set of 1 KB, 32 at once, a second", _spread(server.sets_per_second)],
        ["the same in one SetBatch of 1,000, entries a second", _spread(server.batched_sets_per_second)],
        ["GetWithHash and SetIfHash of 250 KB, pairs a second", _spread(server.list_updates_per_second)],
    ]
    note = "By gRPC alone, over one connection, with no latency added where none is named."
    return Section("What the local server can do", ["request", "measured"], rows, note)


def _cold_start(results: Results) -> Section:
    cold = results.cold_start
    rows = [
        ["bare Momento: import, connect, one set", _spread(cold.bare_momento_seconds), "1"],
        ["the function, first batch of one record", _spread(cold.first_record_seconds), _spread(cold.ratio_one)],
        ["the function, first batch of 100", _spread(cold.first_hundred_seconds), _spread(cold.ratio)],
    ]
    return Section("Cold start", ["from the start of the process", "seconds", "÷ bare Momento"], rows)


def _list_growth(results: Results) -> Section:
    growth = results.list_growth
    columns = ["rows", "KB", "one change, ms", "its CPU, ms", "100 changes, ms", "their CPU, ms"]
    rows = [
        [
            f"{size.rows:,}",
            f"{size.kilobytes:,.0f}",
            _spread(size.update_ms),
            f"{size.update_cpu_ms.median:.3g}",
            _spread(size.batch_ms),
            f"{size.batch_cpu_ms.median:.3g}",
        ]
        for size in growth.sizes
    ]
    bound = growth.good_up_to_rows
    rows_at = "at no number of these" if bound is None else f"at about {bound:,}"
    note = f"A batch of 100 changes takes the 100 ms in which a partition's stream can bring them {rows_at} rows."
    return Section("A list as it grows", columns, rows, note)


def _decoding(results: Results) -> Section:
    decoding = results.decoding
    rows = [
        ["ours", _spread(decoding.ours), ""],
        ["boto3's TypeDeserializer, json", _spread(decoding.boto3_json), _spread(decoding.vs_boto3_json)],
        [
            "Powertools' TypeDeserializer, json",
            _spread(decoding.powertools_json),
            _spread(decoding.vs_powertools_json),
        ],
    ]
    return Section("Images to the views' JSON", ["by", "MB/s", "ours is × as fast"], rows)


def _profiles(results: Results) -> list[Section]:
    return [
        Section(
            f"Where the main thread's CPU time goes at batch {profile.batch_size:,}",
            ["module", "share"],
            [[name, f"{share:.1%}"] for name, share in profile.shares.items()],
        )
        for profile in results.profiles
    ]


def _spread(spread: Spread) -> str:
    return f"{_number(spread.median)} ({_number(spread.low)} to {_number(spread.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
