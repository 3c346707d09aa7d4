"""The chart: records a second side by side, and a list's cost as it grows."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.results import Results, Row
from benchmarks.rows import LATENCY_MS

_COLORS = {"seed": "#9aa0a6", "careful": "#5f6368", "ours": "#1f7a5c"}
_LIMIT = "#cfe8df"

# The same results give the same file.
_RC: dict[Any, Any] = {"svg.hashsalt": "results", "font.size": 9, "svg.fonttype": "none"}


def draw(results: Results, *paths: Path) -> None:
    """Draw the chart into files, each of the kind that its name ends in."""
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        _rows(left, results)
        _list_growth(right, results)
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(path, dpi=160, metadata=metadata)


def _rows(axes: Axes, results: Results) -> None:
    rows = [row for row in results.rows if row.latency_ms == LATENCY_MS and row.wrong_entries == 0]
    limits = {row.batch_size: row for row in rows if row.name.startswith("limit")}
    shown = [row for row in rows if not row.name.startswith("limit")][::-1]
    names = [_name(row) for row in shown]
    for name, row in zip(names, shown, strict=True):
        if row.name.startswith("ours"):
            axes.barh(name, limits[row.batch_size].records_per_second.median, color=_LIMIT)
        rate = row.records_per_second
        color = _COLORS[row.name.partition(",")[0]]
        error = [[rate.median - rate.low], [rate.high - rate.median]]
        axes.barh(name, rate.median, color=color, height=0.55, xerr=error, error_kw={"elinewidth": 0.8})
        axes.annotate(
            f"{rate.median:,.0f}" + ("" if row.name == "seed" else f"  ({row.ratio_to_seed.median:.3g} × seed)"),
            (
                max(rate.high, limits[row.batch_size].records_per_second.median if row.name.startswith("ours") else 0),
                name,
            ),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_xlim(right=max(row.records_per_second.high for row in rows) * 1.2)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_title(f"Records a second, {LATENCY_MS} ms of latency added", loc="left")
    axes.set_xlabel("light: the same requests, and nothing else done")
    axes.spines[["top", "right"]].set_visible(False)


def _name(row: Row) -> str:
    return row.name if row.name == "seed" else row.name.replace(", ", ", batch ").replace("batch largest", "6 MB batch")


def _list_growth(axes: Axes, results: Results) -> None:
    sizes = results.list_growth.sizes
    rows = [size.rows for size in sizes]
    axes.plot(
        rows, [size.batch_ms.median for size in sizes], "o-", color=_COLORS["ours"], label="a batch of 100 changes"
    )
    axes.plot(rows, [size.update_ms.median for size in sizes], "o-", color=_COLORS["careful"], label="one change")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter("")
    axes.set_ylim(bottom=1)
    axes.set_xlabel("rows in the list")
    axes.set_title("A list as it grows, ms", loc="left")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
