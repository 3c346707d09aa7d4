"""`python -m tests.endurance`: whether the function's process grows, batch after batch, under each kind of fault."""

import os
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.endurance.growth import BOUNDS, MEGABYTE, SHORT_BOUNDS, SHORT_INVOCATIONS, Growth, Run, endure
from tests.endurance.kinds import KINDS, WrongAnswerError

console = Console(emoji=False, highlight=False, soft_wrap=True)

NAMES = {kind.name: kind for kind in KINDS}


def row(growth: Growth) -> list[str]:
    return [f"{growth.memory / MEGABYTE:.1f}", *(f"{each:.0f}" for each in growth.counts())]


def shown(runs: list[Run], bounds: Growth) -> Table:
    table = Table(
        "fault", "invocations", "MB then and now", "MB", "objects", "kept", "descriptors", "threads", "tasks", "",
        title="growth per 1,000 invocations",
    )  # fmt: skip
    for run in runs:
        grows = run.grows(bounds)
        megabytes = f"{run.samples[0].memory / MEGABYTE:.0f} {run.samples[-1].memory / MEGABYTE:.0f}"
        verdict = f"[red]{', '.join(grows)} grow[/red]" if grows else "flat"
        table.add_row(run.kind, str(run.invocations), megabytes, *row(run.growth), verdict)
    table.add_section()
    table.add_row("at most", "", "", *row(bounds), "")
    return table


def main(
    faults: Annotated[
        list[str] | None, typer.Argument(help=f"The kinds of fault; none: all. They are: {', '.join(NAMES)}.")
    ] = None,
    invocations: Annotated[int, typer.Option(min=40, help="How many are measured; slow kinds have fewer.")] = 2_000,
    short: Annotated[bool, typer.Option("--short", help="Few invocations, wider bounds: as in make test.")] = False,
) -> None:
    """Invoke the function thousands of times under each kind of fault, and fail where its process grows.

    Each kind has a process of its own, which calls handler/function.py as Lambda does, over the real SDK and gRPC,
    with Momento, Secrets Manager and DynamoDB on this machine. Of the process are measured: its memory, the objects
    that the collector knows of, before it has collected its garbage and after ("kept"), descriptors, threads and tasks.
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
    flat = sum(not run.grows(bounds) for run in runs)
    console.print(f"endure: {flat} of {len(kinds)} kinds of fault leave the process flat")
    raise typer.Exit(1 if wrong or flat < len(kinds) else 0)


if __name__ == "__main__":
    typer.run(main)
