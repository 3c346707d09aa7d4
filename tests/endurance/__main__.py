"""`python -m tests.endurance`: whether the function's process grows, batch after batch, under each kind of fault."""

import os
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.endurance.growth import BOUNDS, MEGABYTE, SHORT_BOUNDS, SHORT_INVOCATIONS, Growth, Run, endure
from tests.endurance.kinds import KINDS, WrongAnswerError

console = Console(emoji=False, highlight=False, soft_wrap=True)

NAMES = {kind.name: kind for kind in KINDS}


def numbers(growth: Growth) -> list[str]:
    """Return the cells of a growth."""
    counts = (growth.objects, growth.kept, growth.descriptors, growth.threads, growth.tasks)
    return [f"{growth.memory / MEGABYTE:.1f}", *(f"{each:.0f}" for each in counts)]


def shown(runs: list[Run], bounds: Growth) -> Table:
    """Return a table of the runs, a row each."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="growth per 1,000 invocations", title_justify="left")
    table.add_column("fault", no_wrap=True)
    for name in ("invocations", "MB", "objects", "kept", "files", "threads", "tasks"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_column("", no_wrap=True)
    for run in runs:
        verdict = "[red]grows[/red]" if run.grows(bounds) else "flat"
        table.add_row(run.kind, str(run.invocations), *numbers(run.growth), verdict)
    table.add_section()
    table.add_row("at most", "", *numbers(bounds), "")
    return table


def main(
    faults: Annotated[
        list[str] | None, typer.Argument(help=f"The kinds of fault; none: all. They are: {', '.join(NAMES)}.")
    ] = None,
    invocations: Annotated[int, typer.Option(min=40, help="How many are measured; slow kinds have fewer.")] = 2_000,
    short: Annotated[bool, typer.Option("--short", help="Few invocations, wider bounds: as in make test.")] = False,
) -> None:
    """Invoke the function thousands of times under each kind of fault, and fail where its process grows.

    Each kind has a process of its own, which calls handler/function.py as Lambda does, over the real SDK and gRPC, with
    Momento, Secrets Manager and DynamoDB on this machine. Its memory, its objects before garbage is collected and after
    ("kept"), its files and sockets, threads and tasks are measured.
    """
    unknown = [name for name in faults or () if name not in NAMES]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: the kinds are {', '.join(NAMES)}")
    kinds = [NAMES[name] for name in faults or NAMES]
    wanted = SHORT_INVOCATIONS if short else invocations
    bounds = SHORT_BOUNDS if short else BOUNDS
    # A proxy for the outside has no way to 127.0.0.1.
    os.environ.update(no_grpc_proxy="127.0.0.1")
    runs = []
    wrong = False
    with Progress(console=console) as progress:
        shown_task = progress.add_task("invocations", total=sum(kind.invocations(wanted) for kind in kinds))
        for kind in kinds:
            progress.update(shown_task, description=kind.name)
            try:
                runs.append(endure(kind, wanted, advance=lambda: progress.advance(shown_task)))
            except WrongAnswerError as error:
                wrong = True
                console.print(str(error), style="red", markup=False)
    console.print(shown(runs, bounds))
    for run in runs:
        if grown := run.grows(bounds):
            first, last = run.samples[0].memory / MEGABYTE, run.samples[-1].memory / MEGABYTE
            console.print(f"{run.kind}: grows in {', '.join(grown)}; from {first:.0f} to {last:.0f} MB", style="red")
    flat = sum(not run.grows(bounds) for run in runs)
    console.print(f"endure: {flat} of {len(kinds)} kinds of fault leave the process flat")
    raise typer.Exit(1 if wrong or flat < len(kinds) else 0)


if __name__ == "__main__":
    typer.run(main)
