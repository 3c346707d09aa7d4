"""Which interpreter of a version is found, on the PATH and elsewhere, without one being installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.terraform import PROJECT
from tooling.runtimes import own_version

OWN = own_version()


def find(path: Path, *versions: str, **environment: str) -> str | None:
    """Return what is found with this folder first on a PATH that otherwise has what a shell script needs."""
    tools = path / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("sh", "sort", "dirname"):
        if not (tools / tool).exists():
            found = next(each for each in map(Path, ("/usr/bin", "/bin")) if (each / tool).exists())
            (tools / tool).symlink_to(found / tool)
    ran = subprocess.run(
        [PROJECT / "tooling" / "find-python", *versions],
        env={"PATH": f"{path / 'bin'}:{path / 'shims'}:{tools}", "HOME": str(path), **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (ran.returncode == 0) == bool(ran.stdout)
    return ran.stdout.strip() or None


@pytest.fixture
def python(tmp_path: Path) -> str:
    """This interpreter's base, as it is to be found."""
    (tmp_path / "bin").mkdir()
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def link(place: Path) -> None:
    """Put this interpreter at a place. A link alone would not find its library."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" "$@"\n')
    place.chmod(0o755)


def test_one_on_the_path_is_found_by_its_name_and_by_that_of_python3(tmp_path: Path, python: str) -> None:
    for name in (f"python{OWN}", "python3"):
        link(tmp_path / "bin" / name)
        assert os.path.realpath(find(tmp_path, OWN) or "") == python
        (tmp_path / "bin" / name).unlink()
    assert find(tmp_path, OWN) is None


def test_one_that_does_not_run_or_is_of_another_version_is_passed_over(tmp_path: Path, python: str) -> None:
    link(tmp_path / "bin" / "python3.99")
    assert find(tmp_path, "3.99") is None
    broken = tmp_path / "bin" / f"python{OWN}"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(0o755)
    assert find(tmp_path, OWN) is None
    link(tmp_path / "bin" / "python3")
    assert os.path.realpath(find(tmp_path, "3.99", OWN) or "") == python


@pytest.mark.parametrize("place", ["shims", "home", "variable"])
def test_pyenvs_versions_are_looked_at_though_none_of_them_is_selected(tmp_path: Path, python: str, place: str) -> None:
    root = tmp_path / ("elsewhere" if place == "variable" else ".pyenv" if place == "home" else "")
    link(root / "versions" / f"{OWN}.0" / "bin" / f"python{OWN}")
    if place == "shims":
        shim = root / "shims" / f"python{OWN}"
        shim.parent.mkdir()
        shim.write_text("#!/bin/sh\nexit 127\n")
        shim.chmod(0o755)
    environment = {"PYENV_ROOT": str(root)} if place == "variable" else {}
    assert os.path.realpath(find(tmp_path, OWN, **environment) or "") == python


def test_the_default_runtimes_python_comes_first() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    (runtimes,) = (line for line in makefile.splitlines() if line.startswith("RUNTIMES := "))
    default = runtimes.split()[2]
    assert f'default     = "python{default}"' in (PROJECT / "variables.tf").read_text()
    assert f"RUNTIME ?= python{default}" in makefile
