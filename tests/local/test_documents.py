"""What the documents say holds: what they name and link to exists, the role's statements are all told, Python runs."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from momento import CredentialProvider
from momento.responses import CacheSet

from local import reader
from local.momento import MomentoServer
from local.terraform import PROJECT

DOCUMENTS = sorted(
    [*PROJECT.glob("*.md"), *(path for folder in PROJECT.glob("[!.]*/") for path in folder.rglob("*.md"))]
)
README = (PROJECT / "README.md").read_text()
LINK = re.compile(r"\]\(([^)\s]+)\)")
FEATURES = (PROJECT / "docs" / "features.md").read_text()
NAMED = re.findall(r"`([\w/]+\.(?:py|tftest\.hcl))::(\w+)`", FEATURES)


def prose(document: Path) -> str:
    """Return a document without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """Return what can stand behind a `#` in a link to a document: what GitHub makes of its headings.

    https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links
    """
    headings = re.findall(r"^#+ +(.+)$", prose(document), re.MULTILINE)
    times = Counter(re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings)
    return {f"{anchor}-{number}" if number else anchor for anchor in times for number in range(times[anchor])}


def links() -> Iterator[tuple[Path, str]]:
    """Yield each document and each link from it to within the repository."""
    for document in DOCUMENTS:
        for target in sorted(set(LINK.findall(prose(document)))):
            if not re.match(r"\w+:", target):
                yield document, target


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


@pytest.mark.parametrize(
    ("document", "target"),
    [pytest.param(document, target, id=f"{document.relative_to(PROJECT)}->{target}") for document, target in links()],
)
def test_each_link_within_the_repository_leads_somewhere(document: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    linked = (document.parent / path).resolve() if path else document
    assert linked.exists()
    assert linked.is_relative_to(PROJECT)
    assert not anchor or anchor in anchors(linked)


def test_all_that_the_role_is_allowed_is_told() -> None:
    statements = re.findall(r'Sid += "(\w+)"', (PROJECT / "iam.tf").read_text())
    security = (PROJECT / "SECURITY.md").read_text()
    assert len(statements) > 10
    assert [statement for statement in statements if f"`{statement}`" not in security] == []


@pytest.mark.parametrize(
    ("stored", "orders"),
    [('[{"id":"1","total":12.50}]', [{"id": "1", "total": "12.50"}]), ("[]", []), ("null", None), (None, None)],
)
def test_the_readmes_reader_knows_a_list_from_a_miss(stored: str | None, orders: object) -> None:
    [source] = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    # Momento's own ask for TLS on port 443: in their place are those that the README has for a local server.
    of_momento = "CredentialProvider.from_environment_variables_v2()"
    of_this_machine = 'CredentialProvider.for_momento_local("127.0.0.1", port)'
    assert callable(CredentialProvider.from_environment_variables_v2)
    assert source.count(of_momento) == README.count(of_this_machine) == 1
    source = source.replace(of_momento, of_this_machine)
    with MomentoServer(caches=("shop",)) as server:
        if stored is not None:
            with reader.connect(server, "any") as writer:
                assert isinstance(writer.set("shop", "open-orders", stored), CacheSet.Success)
        program = f"port = {server.port}\n{source}\nprint(json.dumps(orders))"
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == orders
