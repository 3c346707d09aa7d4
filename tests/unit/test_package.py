"""The Lambda package: what it holds, that it is reproducible, and what a failed build says."""

import base64
import hashlib
import os
import platform
import re
import subprocess
import sys
import time
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import package

PROGRAM = Path(package.__file__)
LOCK = package.HANDLER / "requirements.txt"
RUNTIME = f"python3.{sys.version_info.minor}"
ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


def run(*command: str | Path, **environment: str) -> tuple[int, str]:
    ran = subprocess.run(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout


def build(
    output: Path, runtime: str, architecture: str, python: str | Path = sys.executable, **environment: str
) -> tuple[int, str]:
    return run(python, PROGRAM, "build", "--runtime", runtime, "--architecture", architecture, output, **environment)


def verify(package_path: Path, code_sha256: str) -> tuple[int, str]:
    return run(sys.executable, PROGRAM, "verify", "--code-sha256", code_sha256, package_path)


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def handler(tmp_path: Path) -> Path:
    """A handler with one dependency, which is quick to build."""
    folder = tmp_path / "handler"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "function.py").write_text("import jmespath\n")
    (folder / "__pycache__" / "function.cpython-313.pyc").write_bytes(b"bytecode")
    entry = re.search(r"^jmespath==(?:.*\\\n)*.*\n", LOCK.read_text(), re.MULTILINE)
    assert entry
    (folder / "requirements.txt").write_text(entry[0])
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real package, for this machine."""
    output = tmp_path_factory.mktemp("built") / "new folder" / "package.zip"
    code, says = build(output, RUNTIME, ARCHITECTURE)
    assert code == 0, says
    return output


def test_the_same_sources_give_the_same_bytes_whatever_the_files_times_and_modes(handler: Path, tmp_path: Path) -> None:
    package.build(handler, "python3.13", "arm64", tmp_path / "first.zip")
    os.utime(handler / "function.py", (1, 1))
    (handler / "function.py").chmod(0o700)
    package.build(handler, "python3.13", "arm64", tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_the_package_holds_modules_and_libraries_and_neither_bytecode_nor_pips_own_files(
    handler: Path, tmp_path: Path
) -> None:
    package.build(handler, "python3.13", "arm64", tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {"handler", "jmespath", "jmespath-1.1.0.dist-info"}
    assert [name for name in names if name.startswith("handler/")] == ["handler/function.py"]
    assert {name.split("/")[1] for name in names if ".dist-info/" in name} >= {"METADATA", "WHEEL"}
    assert not [name for name in names if name.endswith((".pyc", "/RECORD", "/INSTALLER", "/REQUESTED"))]


def test_licences_stay_in_the_package(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        licensed = {name.split("-")[0] for name in archive.namelist() if "LICENSE" in name}
    assert licensed >= {"aws_lambda_powertools", "grpcio", "momento", "msgspec", "protobuf"}


def test_the_package_runs_without_anything_else_installed(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        archive.extractall(tmp_path)
    modules = "aws_lambda_powertools, grpc, handler, momento, momento_wire_types, msgspec"
    script = f"import sys; sys.path.insert(0, sys.argv[1]); import {modules}; print(grpc.__file__)"
    code, says = run(sys.executable, "-I", "-S", "-c", script, tmp_path)
    assert code == 0, says
    assert says.startswith(str(tmp_path))


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", "aarch64"), ("x86_64", "x86_64")])
def test_the_libraries_are_for_the_functions_runtime_and_architecture(
    architecture: str, machine: str, tmp_path: Path
) -> None:
    output = tmp_path / "package.zip"
    code, says = build(output, "python3.13", architecture)
    assert code == 0, says
    with zipfile.ZipFile(output) as archive:
        binaries = {name.rpartition("/")[2] for name in archive.namelist() if name.endswith(".so")}
    assert binaries >= {f"cygrpc.cpython-313-{machine}-linux-gnu.so", f"_core.cpython-313-{machine}-linux-gnu.so"}


def test_the_lock_asks_nothing_of_the_python_that_builds() -> None:
    # pip would answer a marker such as python_version for the Python that runs it, not for the function's.
    assert not [line for line in LOCK.read_text().splitlines() if ";" in line]


def test_a_package_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    output = tmp_path / "package.zip"
    output.write_bytes(b"built before")
    code, says = build(output, "python3.13", "arm64")
    assert (code, output.read_bytes()) == (0, b"built before")
    assert f"path         {output}" in says
    assert f"code_sha256  {base64.b64encode(hashlib.sha256(b'built before').digest()).decode()}" in says


def test_builds_at_the_same_time_leave_one_whole_package(built: Path, tmp_path: Path) -> None:
    output = tmp_path / "package.zip"
    with ThreadPoolExecutor() as pool:
        builds = [pool.submit(build, output, RUNTIME, ARCHITECTURE) for _ in range(3)]
    assert [each.result()[0] for each in builds] == [0, 0, 0]
    assert output.read_bytes() == built.read_bytes()
    assert contents(tmp_path) == ["package.zip"]


def test_a_build_waits_for_another_one_and_takes_what_that_made(tmp_path: Path) -> None:
    output = tmp_path / "package.zip"
    with ThreadPoolExecutor() as pool:
        with package.alone(tmp_path):
            waiting = pool.submit(build, output, RUNTIME, ARCHITECTURE)
            time.sleep(1)
            output.write_bytes(b"built by the other")
        code, says = waiting.result()
    assert (code, output.read_bytes()) == (0, b"built by the other"), says


def test_unless_told_where_a_package_goes_into_a_folder_under_a_name_that_says_what_is_in_it(
    built: Path, tmp_path: Path
) -> None:
    command = (sys.executable, PROGRAM, "build", "--runtime", RUNTIME, "--architecture", ARCHITECTURE)
    code, says = run(*command, "--directory", tmp_path)
    named = tmp_path / package.file_name(package.HANDLER, RUNTIME, ARCHITECTURE)
    assert code == 0, says
    assert f"path         {named}\n" in says
    assert named.read_bytes() == built.read_bytes()


@pytest.mark.parametrize("changed", ["function.py", "requirements.txt"])
def test_a_package_of_other_sources_has_another_name(handler: Path, changed: str) -> None:
    before = package.file_name(handler, "python3.13", "arm64")
    assert re.fullmatch(r"dynamodb-momento-cache-python3\.13-arm64-[0-9a-f]{16}\.zip", before)
    with (handler / changed).open("a") as source:
        source.write("# changed\n")
    assert package.file_name(handler, "python3.13", "arm64") != before


def test_a_package_for_another_runtime_has_another_hash_in_its_name(handler: Path) -> None:
    names = [package.file_name(handler, f"python3.{minor}", "arm64") for minor in (12, 13)]
    assert len({name.rpartition("-")[2] for name in names}) == 2


def test_without_pip_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    output = tmp_path / "build" / "package.zip"
    python = tmp_path / "venv" / "bin" / "python"
    code, says = build(output, RUNTIME, ARCHITECTURE, python=python)
    assert code == 1
    assert "has no pip. Install it (`python3 -m ensurepip`" in says
    assert "python_command" in says
    assert contents(output.parent) == []


def test_without_a_network_the_message_names_the_index_setting(tmp_path: Path) -> None:
    unreachable = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
    }
    output = tmp_path / "package.zip"
    code, says = build(output, RUNTIME, ARCHITECTURE, **unreachable)
    assert code == 1
    assert "pip could not reach its package index" in says
    assert "PIP_INDEX_URL" in says
    assert contents(tmp_path) == []


def test_without_a_wheel_the_message_names_runtime_and_architecture(tmp_path: Path) -> None:
    code, says = build(tmp_path / "package.zip", "python3.99", "arm64")
    assert code == 1
    assert "no wheel for python3.99 on arm64. Set runtime and architecture" in says


def test_a_file_other_than_the_locked_one_is_refused(handler: Path, tmp_path: Path) -> None:
    lock = handler / "requirements.txt"
    lock.write_text(re.sub("sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", lock.read_text()))
    with pytest.raises(package.PackageError, match="another file than the one that is locked"):
        package.build(handler, "python3.13", "arm64", tmp_path / "package.zip")
    assert not (tmp_path / "package.zip").exists()


def test_a_runtime_that_is_not_pythons_is_refused(tmp_path: Path) -> None:
    code, says = build(tmp_path / "package.zip", "nodejs22.x", "arm64")
    assert code == 2
    assert "--runtime is nodejs22.x, not of the form python3.13" in says


def test_the_function_that_runs_the_package_is_verified(tmp_path: Path) -> None:
    (tmp_path / "package.zip").write_bytes(b"zip")
    code_sha256 = base64.b64encode(hashlib.sha256(b"zip").digest()).decode()
    assert verify(tmp_path / "package.zip", code_sha256)[0] == 0


def test_a_function_that_runs_other_code_is_found(tmp_path: Path) -> None:
    (tmp_path / "package.zip").write_bytes(b"zip")
    code, says = verify(tmp_path / "package.zip", "other")
    assert code == 1
    assert "runs other code (other)" in says
    assert "-replace=" in says


def test_a_package_that_is_not_here_to_verify_with_is_said(tmp_path: Path) -> None:
    code, says = verify(tmp_path / "package.zip", "any")
    assert code == 1
    assert "package.zip is not here" in says
