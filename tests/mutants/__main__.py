"""`python -m tests.mutants`: change the handler in many small ways, and list the changes that no unit test notices."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.mutants.run import AREAS, ROOT, mutants, survivors

console = Console(emoji=False, highlight=False, soft_wrap=True)
main = typer.Typer(add_completion=False)

EQUIVALENT = Path(__file__).with_name("equivalent.txt")
RESULTS = ROOT / ".build/survivors"


def equivalent(module: str) -> set[str]:
    """Return the names of a file's mutants that are listed as equivalent."""
    lines = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    prefix = f"{module}.py "
    return {line.removeprefix(prefix) for line in lines if line.startswith(prefix)}


@main.command(help=__doc__)
def run(
    files: Annotated[list[Path] | None, typer.Argument(help="Which files of the handler; all, unless named.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Only those that survived the last time.")] = False,
    place: Annotated[str, typer.Option(help="Only those whose function or class contains this.")] = "",
) -> None:
    """Run the mutants of some files."""
    table = Table("file", "mutants", "killed", "equivalent", "survived", "listed and killed")
    left = 0
    for file in files or [ROOT / f"handler/{module}.py" for module in AREAS]:
        path = file.resolve()
        if path.stem not in AREAS:
            raise typer.BadParameter(f"{file}: there are no unit tests for it")
        listed = equivalent(path.stem)
        result = RESULTS / f"{path.stem}.txt"
        before = set(result.read_text().splitlines()) if again else set()
        made = mutants(path)
        chosen = [each for each in made if place in each.place and (not again or each.name in before)]
        survived = []
        for mutant, passed in survivors(path, chosen):
            if passed:
                survived.append(mutant.name)
                if mutant.name not in listed:
                    console.print(f"{path.stem}.py {mutant.name}", markup=False)
        RESULTS.mkdir(parents=True, exist_ok=True)
        result.write_text("".join(f"{name}\n" for name in survived))
        new = [name for name in survived if name not in listed]
        stale = sorted(listed & {each.name for each in chosen} - set(survived))
        for name in stale:
            console.print(f"killed, though it is listed as equivalent: {path.stem}.py {name}", markup=False)
        left += len(new) + len(stale)
        counts = (len(chosen), len(chosen) - len(survived), len(survived) - len(new), len(new), len(stale))
        table.add_row(path.name, *map(str, counts))
    console.print(table)
    raise typer.Exit(1 if left else 0)


if __name__ == "__main__":
    main()
