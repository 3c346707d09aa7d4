"""`python -m tests.connections`: how long the handler takes to recover from each kind of dead connection."""

from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.connections.recovery import DEATHS, comeback, recovery

console = Console(emoji=False, highlight=False, soft_wrap=True)
main = typer.Typer(add_completion=False)

COMEBACKS = {"network away, packets lost": True, "network away, silent": False}


@main.command(help=__doc__)
def recover(
    times: Annotated[int, typer.Option(min=1, help="How often each is tried; the median is shown.")] = 3,
    away: Annotated[float, typer.Option(min=1, help="How many seconds the network is away.")] = 240,
) -> None:
    """Let a connection die in each way, and measure the batch that meets it."""
    table = Table("connection", "seconds until the batch is written", "longest")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        shown = progress.add_task("connections", total=times * len(DEATHS) + len(COMEBACKS))
        for name, death in DEATHS.items():
            seconds = []
            for _ in range(times):
                seconds.append(recovery(death))
                progress.advance(shown)
            table.add_row(name, f"{median(seconds):.2f}", f"{max(seconds):.2f}")
        for name, answers in COMEBACKS.items():
            once = f"{comeback(away, answers=answers):.2f}"
            table.add_row(f"{name} for {away:.0f} s", once, once)
            progress.advance(shown)
    console.print(table)


if __name__ == "__main__":
    main()
