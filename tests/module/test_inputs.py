"""Every rule for an input is tried, as far as counting tells: a run names the input that it expects to be refused."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.terraform import MODULE_TESTS, PROJECT

VIEW = PROJECT / "modules" / "view"
TESTS_OF_A_VIEW = PROJECT / MODULE_TESTS / "views.tftest.hcl"
TESTS = [path for path in sorted((PROJECT / MODULE_TESTS).glob("*.tftest.hcl")) if path != TESTS_OF_A_VIEW]


def ruled_inputs() -> Iterator[tuple[Path, str, int]]:
    """Yield each input that has rules: its module's folder, its name, and how many they are."""
    for module in (PROJECT, VIEW):
        text = (module / "variables.tf").read_text()
        for name, block in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL):
            if rules := len(re.findall(r"^  validation \{", block, re.MULTILINE)):
                yield module, name, rules


def refusals(module: Path) -> Counter[str]:
    """Count the runs that expect an input of a module to be refused, by the input's name."""
    tests = [TESTS_OF_A_VIEW] if module == VIEW else TESTS
    return Counter(
        name
        for path in tests
        for expected in re.findall(r"^  expect_failures = \[(.*?)\]$", path.read_text(), re.MULTILINE | re.DOTALL)
        for name in set(re.findall(r"var\.(\w+)", expected))
    )


@pytest.mark.parametrize(
    ("module", "name", "rules"),
    [pytest.param(*each, id=f"{each[0].relative_to(PROJECT)}/{each[1]}") for each in ruled_inputs()],
)
def test_an_input_is_refused_by_as_many_runs_as_it_has_rules(module: Path, name: str, rules: int) -> None:
    assert refusals(module)[name] >= rules


def test_all_inputs_have_rules_but_those_that_can_not_be_wrong() -> None:
    ruled = {name for module, name, _ in ruled_inputs() if module == PROJECT}
    variables = (PROJECT / "variables.tf").read_text()
    declared = re.findall(r'^variable "(\w+)" \{\n.*?^  type += (\S+)', variables, re.MULTILINE | re.DOTALL)
    assert len(declared) > 40
    assert {name for name, kind in declared if kind != "bool"} - ruled == {"tags"}
