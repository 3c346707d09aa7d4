"""The documentation's module blocks are planned as they stand, and inputs within one, so that they can not rot."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.reference import INPUTS
from local.terraform import PROJECT, Terraform, TerraformError

DOCUMENTS = [PROJECT / "README.md", *sorted({*(PROJECT / "docs").glob("*.md")} - {PROJECT / INPUTS})]
"""All but the one that shows types, and is written from the module's files."""
README = (PROJECT / "README.md").read_text()
SOURCE = re.compile(r'"git::https://github\.com/<your-fork>/terraform-aws-dynamodb-momento-cache\.git\?ref=[^"]+"')

PROVIDER = """
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
"""
"""A plan of nothing but new resources asks AWS nothing."""

SURROUNDINGS = {
    "aws_secretsmanager_secret.momento": """
resource "aws_secretsmanager_secret" "momento" {
  name = "momento"
}
""",
    "aws_dynamodb_table.orders": """
resource "aws_dynamodb_table" "orders" {
  name             = "orders"
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "id"
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  attribute {
    name = "id"
    type = "S"
  }
}
""",
}
"""What a reader has, and a block refers to, by its address."""


def snippets() -> Iterator[tuple[str, str]]:
    """Yield the documentation's Terraform, each block with a name that says where it is."""
    for path in DOCUMENTS:
        text = path.read_text()
        for found in re.finditer(r"^```hcl\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield f"{path.stem}-line-{text.count(chr(10), 0, found.start()) + 2}", found[1]


def in_a_module(snippet: str) -> str:
    """Return a module block as it is, and an input that is shown alone within the first module block of all."""
    if re.search(r'^module "', snippet, re.MULTILINE):
        return snippet
    assert re.match(r"\w+ = ", snippet), "what is no module block is one of its inputs"
    _, first = next(snippets())
    return re.sub(r"^}$", lambda end: f"{snippet}{end[0]}", first, count=1, flags=re.MULTILINE)


def configuration(snippet: str) -> str:
    """Return a module with the block, its source in this repository, and what it refers to beside it."""
    text, sources = SOURCE.subn('"../.."', snippet)
    assert sources == 1, "a block has one module, from the repository that the reader has forked"
    declared = {f"{kind}.{name}" for kind, name in re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE)}
    return text + "".join(
        resource for address, resource in SURROUNDINGS.items() if address in text and address not in declared
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a copy of the module, with a root module that calls each snippet as a module of its own."""
    copy = tmp_path / "repository"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    root = copy / "snippets"
    root.mkdir()
    (root / "main.tf").write_text(PROVIDER)
    return copy


def add(repository: Path, name: str, text: str) -> None:
    directory = repository / "snippets" / name
    directory.mkdir()
    (directory / "main.tf").write_text(text)
    with (repository / "snippets" / "main.tf").open("a") as root:
        root.write(f'\nmodule "{name}" {{\n  source = "./{name}"\n}}\n')


def test_every_module_block_of_the_documentation_can_be_planned(repository: Path) -> None:
    made = {}
    for name, snippet in snippets():
        add(repository, name, configuration(in_a_module(snippet)))
        made[name] = "terraform_data.prebuilt" if snippet.startswith("package = ") else "aws_lambda_function.this"
        # A zip on disk has to be there for a plan; what is in it, only Lambda looks at.
        for zip_file in re.findall(r'"\$\{path\.root\}/(.+\.zip)"', snippet):
            path = repository / "snippets" / zip_file
            path.parent.mkdir(exist_ok=True)
            path.touch()
    assert Counter(made.values()) >= Counter({"aws_lambda_function.this": 6, "terraform_data.prebuilt": 2}), (
        "the README shows the module in use, and in five situations; a package comes from disk or from a bucket"
    )
    with Terraform("snippets", repository=repository) as terraform:
        plan = terraform.plan()
    assert plan is not None
    for name, resource in made.items():
        assert re.search(rf"module\.{name}\.module\.\w+(\[\S+\])?\.{resource}\[0\] will be created", plan)


def test_a_role_of_ones_own_has_its_policy_before_there_is_a_function(repository: Path) -> None:
    [(name, snippet)] = [(name, snippet) for name, snippet in snippets() if "existing_role" in snippet]
    [target] = re.findall(r"^terraform apply -target=(aws_iam_role_policy\.\w+)$", README, re.MULTILINE)
    add(repository, name, configuration(snippet))
    options = {"TF_CLI_ARGS_plan": f"-target=module.{name}.{target}"}
    with Terraform("snippets", repository=repository, environment=options) as terraform:
        made = {address.removeprefix(f"module.{name}.") for address in terraform.changes()}
    assert made == {
        target,
        "aws_iam_role.order_cache",
        "aws_secretsmanager_secret.momento",
        "module.order_cache.aws_dynamodb_table.this[0]",
        "module.order_cache.aws_cloudwatch_log_group.this[0]",
        "module.order_cache.aws_sqs_queue.failures[0]",
    }


def test_a_block_that_has_rotted_fails_the_plan(repository: Path) -> None:
    _, snippet = next(snippets())
    add(repository, "rotten", configuration(snippet.replace("unique = true", "unique = false", 1)))
    with Terraform("snippets", repository=repository) as terraform, pytest.raises(TerraformError) as refused:
        terraform.plan()
    assert "views.order.key must hold the table's whole primary key" in " ".join(str(refused.value).split())
