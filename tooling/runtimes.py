"""`python -m tooling.runtimes`: the handler's tests on every other Python that Lambda may run it with."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(emoji=False, highlight=False, soft_wrap=True)

PROJECT = Path(__file__).parent.parent
LOCK = PROJECT / "requirements-dev.txt"

HISTORIES = 250
"""How many random histories each version gets; in the suite the proof has over 1,000."""

# The whole suite takes a quarter of an hour, and most of it runs Terraform. These run the handler. Of the faults, those
# whose garbage a collector has to find: what it finds differs between versions.
TESTS = (
    ("-m", "pytest", "--quiet", "tests/unit"),
    ("-m", "tests.property", "soak", "--histories", str(HISTORIES)),
    ("-m", "tests.endurance", "--short", "throttled", "raising"),
)


def own_version() -> str:
    """Return this interpreter's version, such as `3.13`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> str | None:
    """Return the path of a Python of that version on this machine, or None."""
    found = subprocess.run(
        [PROJECT / "tooling" / "find-python", version], stdout=subprocess.PIPE, text=True, check=False
    )
    return found.stdout.strip() or None


def environment(version: str, base: str) -> Path:
    """Return the Python of an environment with the locked tools, which is made where it is not up to date.

    Args:
        version: such as `3.12`.
        base: the interpreter to make it of.

    Raises:
        CalledProcessError: the tools cannot be installed.
    """
    folder = PROJECT / ".build" / f"venv-{version}"
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        console.print(f"Installing the locked tools for Python {version} into {folder.relative_to(PROJECT)}")
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
        uv = Path(sys.executable).with_name("uv")
        flags = ("--quiet", "--require-hashes", "--no-build", "--python", str(python), "-r", str(LOCK))
        subprocess.run([uv, "pip", "install", *flags], check=True)
        stamp.write_text(wanted)
    return python


def passes(version: str, base: str) -> bool:
    """Run the handler's tests with that interpreter; return whether they pass."""
    try:
        python = environment(version, base)
        for test in TESTS:
            console.print(f"[bold]Python {version}:[/bold] {' '.join(test[1:])}")
            subprocess.run([python, *test], cwd=PROJECT, check=True)
    except subprocess.CalledProcessError as error:
        console.print(str(error), style="red", markup=False)
        return False
    return True


def main(
    versions: Annotated[
        list[str], typer.Argument(help="Those that the module allows, such as 3.12; first the default runtime's.")
    ],
) -> None:
    """Run the handler's tests on each Python of these but this one, which has run the whole suite.

    Says which of them this machine lacks; that is no failure, and nothing is downloaded.
    """
    summary = [f"Python {own_version()}: the whole suite passed"]
    failed = False
    for version in versions:
        if version == own_version():
            continue
        base = interpreter(version)
        if base is None:
            summary.append(f"Python {version}: NOT TESTED, because it is not on this machine")
            if version == versions[0]:
                summary[-1] += f". It is the default runtime: install it (such as with: uv python install {version})"
            continue
        started = time.monotonic()
        passed = passes(version, base)
        failed |= not passed
        result = "the handler's tests passed" if passed else "FAILED"
        summary.append(f"Python {version}: {result}, in {time.monotonic() - started:.0f} s")
    for line in summary:
        console.print(line, style="bold")
    raise typer.Exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
