"""The Terraform runner: it finds Terraform and its provider, leaves the tree alone, and ends all that it started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local import terraform
from local.terraform import Terraform, TerraformError, cli_configuration, executable

CONFIGURATION = """
variable "word" { default = "first" }

resource "terraform_data" "word" {
  input = var.word
}

output "word" { value = terraform_data.word.output }
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose only module needs no provider."""
    (tmp_path / "versions.tf").write_text('terraform {\n  required_version = ">= 1.9"\n}\n')
    (tmp_path / "main.tf").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A place with the provider in it."""
    place = tmp_path / "mirror"
    (place / "registry.terraform.io" / "hashicorp" / "aws").mkdir(parents=True)
    return place


def files(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*"))


def test_what_is_applied_is_planned_empty_and_destroyed(repository: Path) -> None:
    with Terraform(repository=repository) as module:
        assert "terraform_data.word will be created" in str(module.plan())
        lines: list[str] = []
        module.apply(lines.append)
        assert "Apply complete! Resources: 1 added, 0 changed, 0 destroyed." in lines
        assert module.plan() is None
        assert module.outputs() == {"word": "first"}
        module.destroy()
        assert "terraform_data.word will be created" in str(module.plan())


def test_a_plan_says_what_becomes_of_each_resource(repository: Path) -> None:
    with Terraform(repository=repository) as module:
        assert module.changes() == {"terraform_data.word": "created"}
        module.apply()
        assert module.changes() == {}
        configuration = module.directory / "main.tf"
        configuration.write_text(
            CONFIGURATION.replace('"first"', '"second"')
            + 'resource "terraform_data" "each" {\n  for_each = toset(["a"])\n}\n'
        )
        assert module.changes() == {
            "terraform_data.word": "updated in-place",
            'terraform_data.each["a"]': "created",
        }
        configuration.write_text("")
        assert module.changes() == {"terraform_data.word": "destroyed"}


def test_a_variable_reaches_the_module_and_the_callers_own_do_not(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_VAR_word", "the caller's")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/no/such/file")
    with Terraform(repository=repository) as module:
        module.apply()
        assert module.outputs() == {"word": "first"}
    with Terraform(repository=repository, variables={"word": "second"}) as module:
        module.apply()
        assert module.outputs() == {"word": "second"}


def test_the_tree_stays_as_it_is(repository: Path) -> None:
    before = files(repository)
    with Terraform(repository=repository) as module:
        module.apply()
        copy = module.directory
    assert files(repository) == before
    assert not copy.exists()


def test_an_error_is_terraforms_own(repository: Path) -> None:
    (repository / "main.tf").write_text('output "word" { value = var.missing }')
    with (
        pytest.raises(TerraformError, match=r"terraform validate failed:\n(.|\n)*undeclared input variable"),
        Terraform(repository=repository) as module,
    ):
        module.validate()


def test_a_warning_is_an_error_of_the_configuration(repository: Path) -> None:
    (repository / "main.tf").write_text(
        'resource "terraform_data" "word" {\n  lifecycle {\n    ignore_changes = [id]\n  }\n}\n'
    )
    with Terraform(repository=repository) as module, pytest.raises(TerraformError, match="Redundant ignore_changes"):
        module.validate()


def test_without_terraform_the_message_says_where_to_get_which(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(TerraformError, match=r"missing: install 1\.9 or newer from https://\S+/terraform/install"):
        executable(repository)


def test_a_terraform_older_than_the_modules_tests_need_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "tests" / "module").mkdir(parents=True)
    monkeypatch.setenv("PATH", str(installed_terraform(repository, "1.10.9").parent), prepend=os.pathsep)
    with pytest.raises(TerraformError, match=r"too old: install 1\.11 or newer"), Terraform(repository=repository):
        pass


@pytest.mark.parametrize("version", ["1.8.9", "1.8.10-beta1", "0.15.5"])
def test_a_terraform_older_than_the_module_accepts_is_named(
    repository: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = installed_terraform(repository, version)
    monkeypatch.setenv("PATH", str(installed.parent), prepend=os.pathsep)
    with pytest.raises(TerraformError, match=rf"Terraform {version} at {installed} is too old: install 1\.9 or newer"):
        executable(repository)


@pytest.mark.parametrize("version", ["1.9.0", "1.10.1", "2.0.0-rc1"])
def test_a_terraform_that_the_module_accepts_is_taken(
    repository: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = installed_terraform(repository, version)
    monkeypatch.setenv("PATH", str(installed.parent), prepend=os.pathsep)
    assert executable(repository) == str(installed)


def test_the_provider_comes_from_the_registry_where_it_answers(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(terraform.MIRROR_VARIABLE, raising=False)
    configuration = cli_configuration(lambda: True, [mirror])
    assert "direct {}" in configuration
    assert "filesystem_mirror" not in configuration


def test_without_the_registry_the_provider_comes_from_the_first_mirror_that_has_it(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(terraform.MIRROR_VARIABLE, raising=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert f'path = "{mirror}"' in cli_configuration(lambda: False, [tmp_path / "none", empty, mirror])


def test_a_mirror_that_is_named_goes_before_all(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(terraform.MIRROR_VARIABLE, str(mirror))
    assert f'path = "{mirror}"' in cli_configuration(lambda: True, [])


def test_a_named_mirror_without_the_provider_is_refused(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(terraform.MIRROR_VARIABLE, str(tmp_path))
    with pytest.raises(TerraformError, match=f"TERRAFORM_PROVIDER_MIRROR names {tmp_path}, which has no "):
        cli_configuration(lambda: True, [mirror])


def test_with_neither_registry_nor_mirror_the_message_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(terraform.MIRROR_VARIABLE, raising=False)
    with pytest.raises(TerraformError, match=r"terraform providers mirror DIRECTORY.*TERRAFORM_PROVIDER_MIRROR"):
        cli_configuration(lambda: False, [tmp_path])


def test_a_registry_behind_a_dead_proxy_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert not terraform.registry_answers()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_what_terraform_started_ends_with_the_one_who_asked(
    repository: Path, end: signal.Signals, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    pid_file = repository / "pid"
    (repository / "main.tf").write_text(
        'resource "terraform_data" "endless" {\n  provisioner "local-exec" {\n'
        f'    command = "echo $$ > {pid_file}.new && mv {pid_file}.new {pid_file} && exec sleep 600"\n  }}\n}}\n'
    )
    program = (
        # Whoever is started in the background, as by a shell's `&`, ignores the signal of the keyboard.
        "import pathlib, signal, sys; from local.terraform import Terraform\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with Terraform(repository=pathlib.Path(sys.argv[1])) as module: module.apply()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(repository)],
        # Who is killed can not remove its folder.
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.DEVNULL,
    ) as asker:
        wait_for(pid_file.exists)
        sleeper = int(pid_file.read_text())
        assert runs(sleeper)
        asker.send_signal(end)
    wait_for(lambda: not runs(sleeper))


def installed_terraform(directory: Path, version: str) -> Path:
    """A program that says of itself that it is this version of Terraform."""
    program = directory / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
    program.chmod(0o755)
    return program


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended may still be listed, as a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
