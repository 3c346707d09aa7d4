"""Runs Terraform on a root module of this repository, in a copy of it, so that the tree stays as it is.

Terraform writes its lock file beside the configuration and nowhere else; it would end up in the tree, and a lock from
one machine's provider mirror refuses another's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from local import leash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PROJECT = Path(__file__).parent.parent
MODULE_TESTS = "tests/module"
TESTS_REQUIRE = "1.11"
"""The module needs less: its tests use `override_during`."""
MIRROR_VARIABLE = "TERRAFORM_PROVIDER_MIRROR"

_REGISTRY = "registry.terraform.io"
_PROVIDER = Path(_REGISTRY, "hashicorp", "aws")
_CACHE = PROJECT / ".build"
_INSTALL = "https://developer.hashicorp.com/terraform/install"


class TerraformError(RuntimeError):
    """Terraform is missing, too old, or failed; the message says what to do, or is Terraform's own."""


class Terraform:
    """A root module with state of its own, which is gone when the block ends.

    Args:
        root_module: its folder, relative to the repository's.
        environment: what its provider needs to find AWS; none of the caller's AWS_* or TF_* variables count.
        variables: the root module's.
        repository: what is copied.
    """

    directory: Path
    """The copy of the repository."""

    working_directory: Path
    """The root module's folder in there."""

    def __init__(
        self,
        root_module: str = ".",
        *,
        environment: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        repository: Path = PROJECT,
    ) -> None:
        self._root_module = root_module
        self._repository = repository
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            # The module builds its package with python3; this one is known to be new enough and to have pip.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_CLI_ARGS": "-no-color",
            **{f"TF_VAR_{name}": value for name, value in (variables or {}).items()},
            **(environment or {}),
        }

    def __enter__(self) -> Self:
        has_tests = (self._repository / self._root_module / MODULE_TESTS).is_dir()
        self._executable = executable(self._repository, TESTS_REQUIRE if has_tests else None)
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="terraform-")))
            self.directory = scratch / "repository"
            shutil.copytree(self._repository, self.directory, ignore=shutil.ignore_patterns(".*", "__pycache__"))
            self.working_directory = self.directory / self._root_module
            # Packages are named after what is in them: one that any run has built serves all.
            _CACHE.mkdir(exist_ok=True)
            (self.working_directory / ".build").symlink_to(_CACHE)
            configuration = scratch / "terraform.tfrc"
            configuration.write_text(cli_configuration(registry_answers, conventional_mirrors()))
            self._environment["TF_CLI_CONFIG_FILE"] = str(configuration)
            self._environment["TF_DATA_DIR"] = str(scratch / "data")
            # A provider that is killed leaves its socket behind.
            sockets = scratch / "t"
            sockets.mkdir()
            self._environment["TMPDIR"] = str(sockets)
            self._run("init", *([f"-test-directory={MODULE_TESTS}"] if has_tests else []))
            self._kept = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def validate(self) -> None:
        """Check the configuration.

        Raises:
            TerraformError: it is wrong, or Terraform warns.
        """
        result = json.loads(self._run("validate", "-json"))
        if result["diagnostics"]:
            raise TerraformError(self._run("validate"))

    def test(self, show: Callable[[str], None]) -> None:
        """Run the module's tests.

        Raises:
            TerraformError: one failed.
        """
        self._run("test", f"-test-directory={MODULE_TESTS}", show=show)

    def apply(self, show: Callable[[str], None] = lambda _: None) -> None:
        """Make what the configuration says, giving Terraform's lines to `show` as they come."""
        self._run("apply", "-auto-approve", show=show)

    def plan(self) -> str | None:
        """Return what an apply would change, as Terraform says it, or None."""
        try:
            self._run("plan", "-detailed-exitcode")
        except _ChangesError as changes:
            return str(changes)
        return None

    def changes(self) -> dict[str, str]:
        """Return what an apply would do with which resource, such as "updated in-place", by its address.

        A plan that changes outputs alone has none: `plan` tells whether there is nothing to do at all.
        """
        return dict(re.findall(r"^  # (\S+) (?:will|must) be (.+)$", self.plan() or "", re.MULTILINE))

    def destroy(self, show: Callable[[str], None] = lambda _: None) -> None:
        """Take away all that was made."""
        self._run("destroy", "-auto-approve", show=show)

    def outputs(self) -> dict[str, Any]:
        """Return the root module's outputs."""
        return {name: output["value"] for name, output in json.loads(self._run("output", "-json")).items()}

    def _run(self, command: str, *arguments: str, show: Callable[[str], None] = lambda _: None) -> str:
        process = leash.start(
            [self._executable, command, *arguments],
            cwd=self.working_directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines: list[str] = []
        try:
            for line in process.stdout or ():
                lines.append(line)
                show(line.rstrip())
            status = process.wait()
        finally:
            # When interrupted: the provider, and the pip that builds the package, end with it.
            leash.end(process)
        output = "".join(lines)
        if status == 0:
            return output
        if command == "plan" and status == 2:
            raise _ChangesError(output)
        raise TerraformError(f"terraform {command} failed:\n{output[max(output.find('Error: '), 0) :].strip()}")


class _ChangesError(Exception):
    """A plan with changes."""


def root_modules() -> list[str]:
    """Return the module and its examples, as folders relative to the repository."""
    return [".", *sorted(str(path.parent.relative_to(PROJECT)) for path in PROJECT.glob("examples/*/main.tf"))]


def check_format() -> None:
    """Check that all of the repository's Terraform is formatted.

    Raises:
        TerraformError: it is not; the message shows the difference.
    """
    result = subprocess.run(
        [executable(), "fmt", "-check", "-recursive", "-diff", "-no-color"],
        cwd=PROJECT,
        env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise TerraformError(f"Not formatted; run: terraform fmt -recursive\n{result.stdout}{result.stderr}")


def executable(repository: Path = PROJECT, needed: str | None = None) -> str:
    """Find a Terraform of a version that is needed; None: the one that the repository's module accepts.

    Raises:
        TerraformError: there is none, or it is too old.
    """
    path = shutil.which("terraform")
    needed = needed or required_version(repository / "versions.tf")
    if path is None:
        raise TerraformError(f"Terraform is missing: install {needed} or newer from {_INSTALL} and put it on the PATH")
    answer = subprocess.run(
        [path, "version", "-json"],
        env={**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise TerraformError(f"{path} does not run: {answer.stderr or answer.stdout}")
    version = json.loads(answer.stdout)["terraform_version"]
    if _numbers(version) < _numbers(needed):
        raise TerraformError(
            f"Terraform {version} at {path} is too old: install {needed} or newer from {_INSTALL} "
            "and put it first on the PATH"
        )
    return path


def required_version(versions_file: Path) -> str:
    """Return the oldest Terraform that a configuration accepts."""
    found = re.search(r'^\s*required_version\s*=\s*">=\s*([\d.]+)', versions_file.read_text(), re.MULTILINE)
    if found is None:
        raise TerraformError(f'{versions_file} has no required_version = ">= ..."')
    return found[1]


def cli_configuration(registry_answers: Callable[[], bool], mirrors: Iterable[Path]) -> str:
    """Return the CLI configuration that says where the provider comes from.

    That is the directory named by TERRAFORM_PROVIDER_MIRROR; without one the registry, where it answers; else the first
    of the mirrors that holds the provider.

    Raises:
        TerraformError: there is no such place.
    """
    named = os.environ.get(MIRROR_VARIABLE)
    if named:
        mirror = _holding_provider([Path(named).expanduser().absolute()])
        if mirror is None:
            raise TerraformError(
                f"{MIRROR_VARIABLE} names {named}, which has no {_PROVIDER} in it: "
                "name a directory that `terraform providers mirror DIRECTORY` has filled, or unset the variable"
            )
    elif registry_answers():
        plugins = _CACHE / "terraform-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        # Without a lock file, Terraform would download the provider anew for every root module.
        return (
            f"plugin_cache_dir = {json.dumps(str(plugins))}\n"
            "plugin_cache_may_break_dependency_lock_file = true\n"
            "provider_installation {\n  direct {}\n}\n"
        )
    else:
        mirror = _holding_provider(mirrors)
        if mirror is None:
            raise TerraformError(
                f"{_REGISTRY} can not be reached, and no mirror of its hashicorp/aws provider was found: run "
                "`terraform providers mirror DIRECTORY` in this folder where there is a network, bring the directory "
                f"here, and name it in {MIRROR_VARIABLE}"
            )
    return f"provider_installation {{\n  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n}}\n"


def conventional_mirrors() -> list[Path]:
    """Return where providers are commonly kept: Terraform's own implied mirrors, and the folders in /opt."""
    home = Path.home()
    return [
        home / ".terraform.d" / "plugins",
        home / ".local" / "share" / "terraform" / "plugins",
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
        *sorted(Path("/opt").glob("*/")),
    ]


def registry_answers() -> bool:
    """Tell whether the Terraform registry can be reached, within 3 seconds."""
    try:
        with urllib.request.urlopen(f"https://{_REGISTRY}/.well-known/terraform.json", timeout=3):
            return True
    except OSError:
        return False


def _holding_provider(places: Iterable[Path]) -> Path | None:
    return next((place for place in places if (place / _PROVIDER).is_dir()), None)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split("-", maxsplit=1)[0].split(".")]
