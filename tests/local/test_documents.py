"""What the documents say of the code holds: the tests that they name exist, the role's statements are all told."""

import re
from collections.abc import Iterator

import pytest

from local.terraform import PROJECT

FEATURES = (PROJECT / "docs" / "features.md").read_text()
NAMED = re.findall(r"`([\w/]+\.(?:py|tftest\.hcl))::(\w+)`", FEATURES)


def features() -> Iterator[tuple[str, str]]:
    """Yield each feature, and what is said of it in the column of this module."""
    ours = False
    for line in FEATURES.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| feature | this module |"):
            ours = True
        elif not line.startswith("|"):
            ours = False
        elif ours and not line.startswith("|---"):
            yield cells[0].removeprefix("| "), cells[1]


def test_each_feature_that_there_is_names_a_test() -> None:
    claimed = [(feature, said) for feature, said in features() if said.startswith(("yes", "refused"))]
    assert len(claimed) > 40
    assert [feature for feature, said in claimed if "::" not in said] == []


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[f"{file}::{name}" for file, name in NAMED])
def test_each_test_that_a_feature_names_exists(file: str, name: str) -> None:
    definition = rf'^run "{name}" {{' if file.endswith(".hcl") else rf"^(?:async )?def {name}\("
    assert re.search(definition, (PROJECT / "tests" / file).read_text(), re.MULTILINE)


def test_all_that_the_role_is_allowed_is_told() -> None:
    statements = re.findall(r'Sid += "(\w+)"', (PROJECT / "iam.tf").read_text())
    security = (PROJECT / "SECURITY.md").read_text()
    assert len(statements) > 10
    assert [statement for statement in statements if f"`{statement}`" not in security] == []
