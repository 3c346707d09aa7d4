"""`python -m tests.property`: the proof at length, and what it says of other handlers."""

from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.property.histories import Failure, History, Tally, prove

console = Console(emoji=False, highlight=False, soft_wrap=True)
main = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

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
        faults.add_row(fault.value, str(times))
    console.print(faults)
    kinds = sum(1 for times in total.fired.values() if times)
    console.print(
        f"soak: {total.histories} histories, {total.fired.total()} faults of {kinds} kinds, {failures} divergences"
    )
    raise typer.Exit(1 if failures else 0)


def _chunk(histories: int, seed: int) -> tuple[Tally, str | None]:
    tally, failure = prove(History, histories, seed)
    return tally, f"seed {seed}: {_told(failure)}" if failure else None


def _told(failure: Failure) -> str:
    return "\n".join([repr(failure.error), *getattr(failure.error, "__notes__", ())])
