"""`python -m benchmarks`: what `make bench` runs."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.chart import draw
from benchmarks.measurement import Step, measure
from benchmarks.report import DOCUMENT, document, show
from benchmarks.results import RESULTS, Results, load
from benchmarks.rows import CASES, quick_cases
from local.server import ServerError
from local.terraform import PROJECT

# Wrapped by the terminal, a wide table can still be read; cut short by rich, it can not.
console = Console(emoji=False, highlight=False, width=max(110, get_terminal_size().columns))

main = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Measure the handler beside the one that it began as, and beside the one that a careful engineer writes.",
)

ROUNDS = 5
QUICK_RESULTS = PROJECT / ".build" / "benchmarks" / "results.json"

ResultsFile = Annotated[Path, typer.Argument(help="The file of the results.", exists=True, dir_okay=False)]


@main.command()
def run(
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is run, in turn.")] = ROUNDS,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="A tenth of the records, once, for development. The kept results stay as they are."
        ),
    ] = False,
) -> None:
    """Measure everything: print the tables, keep the results, draw the chart, put the figures into the documentation.

    Exits 1 when a figure misses what it must reach by more than a fifth, or a handler leaves a wrong cache.
    """
    results = measure(quick_cases(), 1, _watched) if quick else measure(CASES, rounds, _watched)
    path = QUICK_RESULTS if quick else RESULTS
    results.save(path)
    if not quick:
        _draw(results, path)
    finish(results)


@main.command(name="show")
def show_kept(results: ResultsFile = RESULTS) -> None:
    """Print the tables of a run that was kept. Exits as `run` does."""
    finish(load(results))


@main.command(name="draw")
def draw_kept(results: ResultsFile = RESULTS) -> None:
    """Draw the chart, and put the figures into the documentation, from a run that was kept."""
    _draw(load(results), results)


def finish(results: Results) -> NoReturn:
    """Print the tables, and exit 1 where a figure misses what it must reach, or a cache is wrong."""
    show(results, console)
    missed, wrong = results.missed(), results.wrong()
    if missed:
        console.print(f"Missed by more than a fifth: {', '.join(missed)}", style="red")
    if wrong:
        console.print(f"The cache came out wrong: {', '.join(wrong)}", style="red")
    raise typer.Exit(1 if missed or wrong else 0)


def _draw(results: Results, path: Path) -> None:
    draw(results, path.with_suffix(".svg"), path.with_suffix(".png"))
    DOCUMENT.write_text(document(DOCUMENT.read_text(), results))


def _watched(steps: Sequence[Step]) -> Iterator[Step]:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # Where nobody watches, a bar would only fill a log.
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=len(steps))
        for step in steps:
            progress.update(task, description=step.label)
            yield step
            progress.advance(task)


def _end(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    # Everything that was started is ended by the blocks that started it.
    signal.signal(signal.SIGTERM, _end)
    # A proxy for the outside has no way to 127.0.0.1.
    os.environ.update(no_grpc_proxy="127.0.0.1")
    try:
        main()
    except (ServerError, RuntimeError) as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(1)
