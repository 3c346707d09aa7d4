"""Build the Lambda package, and check that the function runs what was built; package.tf and `make package` call it.

The zip holds the modules of `handler/` and, at its root, the packages of `handler/requirements.txt`. The same
sources and lock give the same bytes: wheels are pinned by hash; names, times and modes in the zip are fixed.
Its name says what went into it.
Runs on Python 3.9 or newer with pip, whatever the machine: wheels are chosen for the function's runtime.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HANDLER = Path(__file__).parent / "handler"

# manylinux2014 asks for glibc 2.17; the oldest that Lambda runs Python 3.11 on is 2.26.
PLATFORMS = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64"}

# The oldest time a zip can hold: with a file's own time, every checkout would be a new package.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)

# What pip writes for itself (RECORD and the scripts in bin/ depend on the interpreter that ran it), and what
# the function never reads: stubs, and bytecode, which may be another Python's.
NOT_DEPLOYED = re.compile(
    r"""
    bin/.*
    | .*\.dist-info/(INSTALLER|RECORD|REQUESTED|direct_url\.json)
    | (.*/)?__pycache__/.*
    | .*\.py[ci]
    """,
    re.VERBOSE,
)


class PackageError(Exception):
    """The package could not be built, or is not what runs; the message says what to do."""


def build(handler: Path, runtime: str, architecture: str, package: Path) -> None:
    """Write the package of a handler, in whole or not at all.

    Args:
        handler: the folder with the handler's modules and its hash-locked requirements.txt.
        runtime: a Lambda runtime such as `python3.13`.
        architecture: `arm64` or `x86_64`, as Lambda names them.
        package: where the zip goes, in a folder that exists. Several builds may write it at once: each renames a file
            of its own.

    Raises:
        PackageError: pip is missing, or could not get every locked wheel.
    """
    with tempfile.TemporaryDirectory(prefix=f".{package.stem}-", dir=package.parent) as scratch:
        libraries = Path(scratch, "libraries")
        install(handler / "requirements.txt", runtime, architecture, libraries)
        files = {path.relative_to(handler.parent).as_posix(): path for path in handler.rglob("*.py")}
        for path in libraries.rglob("*"):
            name = path.relative_to(libraries).as_posix()
            if path.is_file() and not NOT_DEPLOYED.fullmatch(name):
                files[name] = path
        finished = Path(scratch, package.name)
        write_zip(files, finished)
        finished.replace(package)


def file_name(handler: Path, runtime: str, architecture: str) -> str:
    """Return what a handler's package is called, as package.tf does: after runtime, architecture, lock and sources."""
    modules = [handler / "requirements.txt", *handler.rglob("*.py")]
    sources = {"package.py": Path(__file__), **{path.relative_to(handler.parent).as_posix(): path for path in modules}}
    going_in = {
        "runtime": runtime,
        "architecture": architecture,
        "sources": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sources.items()},
    }
    text = json.dumps(going_in, sort_keys=True, separators=(",", ":"))
    return f"dynamodb-momento-cache-{runtime}-{architecture}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.zip"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other build works in a folder, so that many module blocks that share a package build it once.

    Where there is no such lock, on Windows, each builds it for itself, to the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 - Unix only

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def install(requirements: Path, runtime: str, architecture: str, target: Path) -> None:
    """Unpack the locked wheels for a runtime and an architecture into a folder."""
    options = {
        "--requirement": str(requirements),
        "--target": str(target),
        "--python-version": runtime.removeprefix("python"),
        "--platform": PLATFORMS[architecture],
        "--implementation": "cp",
    }
    flags = [
        "--require-hashes",
        "--only-binary=:all:",
        "--no-deps",  # the lock is complete
        "--ignore-requires-python",  # else older pips hold a wheel against the Python that runs them
        "--no-compile",
        "--no-input",
        "--quiet",
        "--disable-pip-version-check",
    ]
    command = [sys.executable, "-m", "pip", "install", *flags]
    for option, value in options.items():
        command += [option, value]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, own words
    if pip.returncode != 0:
        raise PackageError(f"{advice(pip.stderr, runtime, architecture)}\n\npip's own words:\n{pip.stderr}")


def advice(pip_says: str, runtime: str, architecture: str) -> str:
    """Say what to do about a failed `pip install`."""
    if "No module named pip" in pip_says:
        return (
            f"{sys.executable} has no pip. Install it (`python3 -m ensurepip`, or the system's python3-pip), "
            "or set the module's python_command to a Python that has it."
        )
    if "Retrying (" in pip_says or "Could not fetch URL" in pip_says:
        return (
            "pip could not reach its package index. Check the network and the proxy, or name a mirror in "
            "PIP_INDEX_URL, and apply again."
        )
    if "DO NOT MATCH THE HASHES" in pip_says:
        return (
            "The index served another file than the one that is locked, so nothing was built. Check "
            "PIP_INDEX_URL; if a download was cut short, empty the cache with `python3 -m pip cache purge`."
        )
    if "No matching distribution found" in pip_says:
        return (
            f"A locked package has no wheel for {runtime} on {architecture}. Set runtime and architecture to "
            "a pair that has, or use a version of the module with newer packages."
        )
    return "pip failed."


def write_zip(files: dict[str, Path], package: Path) -> None:
    """Write a zip whose bytes depend on nothing but the files' names and contents."""
    with zipfile.ZipFile(package, "w") as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.create_system = 3  # Unix, whatever runs this: it says how to read the mode
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def code_sha256_of(package: Path) -> str:
    """Return what Lambda will say of a zip (`CodeSha256`): the base64 of its SHA-256."""
    return base64.b64encode(hashlib.sha256(package.read_bytes()).digest()).decode()


def verify(package: Path, code_sha256: str) -> None:
    """Check that a function's code is the package.

    Args:
        package: the zip.
        code_sha256: what Lambda says of the function's code.

    Raises:
        PackageError: the function runs other code, or the package is not here to compare with.
    """
    if not package.exists():
        raise PackageError(
            f"{package} is not here: it was built in another checkout. Build it here too, with "
            "`terraform apply -replace='…terraform_data.package[0]'`."
        )
    built = code_sha256_of(package)
    if built != code_sha256:
        raise PackageError(
            f"The function runs other code ({code_sha256}) than {package} ({built}): an upload failed, or the code was "
            "changed since by other means. Have both made anew, with "
            "`terraform apply -replace='…terraform_data.package[0]' -replace='…aws_lambda_function.this[0]'`."
        )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)

    build_command = commands.add_parser(
        "build",
        help="build the package, unless the file is there",
        description="Build the package, unless the file is there; print its path and what Lambda will call its "
        "CodeSha256, which is the module's package.s3.code_sha256.",
    )
    build_command.add_argument("--runtime", required=True, help="the function's, for example python3.13")
    build_command.add_argument("--architecture", required=True, choices=PLATFORMS, help="the function's")
    build_command.add_argument(
        "--directory", type=Path, default=Path(".build"), help="where it goes, under a name that says what is in it"
    )
    build_command.add_argument("package", type=Path, nargs="?", help="the zip to write, if by another name")

    verify_command = commands.add_parser("verify", help="fail unless the function runs the package")
    verify_command.add_argument("--code-sha256", required=True, help="the function's CodeSha256, as Lambda says")
    verify_command.add_argument("package", type=Path, help="the zip that the function should run")

    arguments = parser.parse_args()
    if arguments.command == "build" and not re.fullmatch(r"python3\.\d+", arguments.runtime):
        build_command.error(f"--runtime is {arguments.runtime}, not of the form python3.13")

    try:
        if arguments.command == "verify":
            package: Path = arguments.package
            verify(package, arguments.code_sha256)
        else:
            name = file_name(HANDLER, arguments.runtime, arguments.architecture)
            package = arguments.package or arguments.directory / name
            with alone(package.parent):
                if not package.exists():
                    build(HANDLER, arguments.runtime, arguments.architecture, package)
    except PackageError as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1
    print(f"path         {package}")
    print(f"code_sha256  {code_sha256_of(package)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
