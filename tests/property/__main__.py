"""`python -m tests.property`: the proof at length, and what it says of other handlers."""

import contextlib
import io
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from tests.property.baseline import CASES, Seed, history_of
from tests.property.broken import BROKEN, Endless
from tests.property.histories import History, Ours, Tally, prove
from tests.property.late import LateHistory
from tests.property.world import Fault

console = Console(emoji=False, highlight=False, soft_wrap=True)
main = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

BASELINE_HISTORIES = 500

CHUNK = 250
"""So many histories are run by one process at a time: each chunk has a seed of its own, for it to be repeated."""


@main.command()
def soak(
    histories: Annotated[int, typer.Option(min=1, help="How many random histories.")] = 20_000,
    processes: Annotated[int, typer.Option(min=1, help="How many at once.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the first chunk of histories; each next has the next.")] = 0,
) -> None:
    """Run random histories with random faults, and compare every view with the table after each."""
    console.print(f"{histories} histories from seed {seed} on; a failure is shown as a test, with its seed")
    total = Tally()
    failures = 0
    chunks = [(min(CHUNK, histories - done), seed + n) for n, done in enumerate(range(0, histories, CHUNK))]
    with ProcessPoolExecutor(processes) as pool, Progress(console=console) as progress:
        shown = progress.add_task("histories", total=histories)
        for future in as_completed([pool.submit(_chunk, *chunk) for chunk in chunks]):
            tally, failure = future.result()
            total.histories += tally.histories
            total.fired.update(tally.fired)
            progress.advance(shown, CHUNK)
            if failure:
                failures += 1
                console.print(failure, markup=False, style="red")
    faults = Table("fault", "times")
    for fault, times in total.fired.most_common():
        if fault is not Fault.DISCARDED:
            faults.add_row(fault.value, str(times))
    console.print(faults)
    # What comes of faults is none.
    console.print(f"{total.fired.pop(Fault.DISCARDED, 0)} records given up")
    kinds = sum(1 for times in total.fired.values() if times)
    console.print(
        f"soak: {total.histories} histories, {total.fired.total()} faults of {kinds} kinds, {failures} divergences"
    )
    raise typer.Exit(1 if failures else 0)


def _chunk(histories: int, seed: int) -> tuple[Tally, str | None]:
    tally, failure = prove(History, histories, seed)
    return tally, f"seed {seed}: {failure.told()}" if failure else None


@main.command()
def baseline() -> None:
    """Put the handler that the project began with to the same proof, and tell how soon it breaks which guarantee."""
    table = Table("guarantee", "broken in history", "of how many steps, at the least")
    for case in track(CASES, "guarantees", console=console):
        with contextlib.redirect_stdout(io.StringIO()):
            _, failure = prove(history_of(case, Seed), BASELINE_HISTORIES, seed=0)
        steps = failure.test().count("state.") - 2 if failure else 0
        table.add_row(case.guarantee, *((str(failure.after), str(steps)) if failure else ("none", "")))
    console.print(table)


@main.command()
def broken() -> None:
    """Put handlers with one guarantee broken each to the proof, and tell how soon each is found out."""
    table = Table("guarantee", "what the handler does", "found in history", "has to be within")
    found = 0
    for case in track(BROKEN, "handlers", console=console):
        tried = case.histories()
        _, failure = prove(tried, case.within, seed=0, shrinks=False)
        found += failure is not None
        what = (case.handler.__doc__ or "").partition(": ")[2]
        table.add_row(case.guarantee, what, str(failure.after) if failure else "not found", str(case.within))
    console.print(table)
    console.print(f"{found} of {len(BROKEN)} broken handlers found")


@main.command()
def late(
    histories: Annotated[int, typer.Option(min=1, help="How many, with guarantee 8 and without.")] = 1_000,
) -> None:
    """Tell how often a write that lands late does harm, with guarantee 8 and without it."""
    table = Table("handler", "histories", "killed when time was up", "late writes landed", "histories harmed")
    for name, handler in (("with guarantee 8", Ours), ("without", Endless)):
        tally, failure = prove(type("LateHistory", (LateHistory,), {"handler": handler}), histories, seed=0)
        if failure:
            raise failure.error
        counts = (tally.histories, tally.fired[Fault.OUT_OF_TIME], tally.fired[Fault.KILLED_LANDED], tally.harmed)
        table.add_row(name, *map(str, counts))
    console.print(table)


if __name__ == "__main__":
    main()
