"""Writes what the documentation says of a Terraform module's inputs and outputs, from the module's own files.

It reads Terraform as `terraform fmt` lays it out, which `make lint` holds every file to: a block begins and ends in the
first column, its attributes begin in the third. What it does not know it refuses.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from local.generated import with_part
from local.terraform import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUTS = Path("docs", "inputs.md")
"""Where every input of the module is described in full."""

_BLOCK = re.compile(r'(?P<kind>variable|output) "(?P<name>\w+)" \{')
_ATTRIBUTE = re.compile(r"  (?P<name>\w+) += (?P<value>.*)")
_TERRAFORM = re.compile(r'^  required_version = "([^"]+)"$', re.MULTILINE)
_REQUIRED_PROVIDER = re.compile(r'^ +source += "([^"]+)"\n(?: +#.*\n)* +version += "([^"]+)"$', re.MULTILINE)
_HEREDOC = "<<-EOT"
_FIRST_SENTENCE = re.compile(r".*?[.](?= |$)")


class DocumentationError(ValueError):
    """A document, or what it is written from, is not as it must be; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Input:
    """A variable: as the module's file has it, its default None where it must be set."""

    name: str
    heading: str
    type: str
    default: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Output:
    """An output, as the module's file has it."""

    name: str
    description: str


def inputs(text: str) -> list[Input]:
    """Read a file of variables.

    Raises:
        DocumentationError: a variable has no type or no description, or the file is not as `terraform fmt` leaves it.
    """
    return [
        Input(
            name=name,
            heading=heading,
            type=_needed(name, attributes, "type"),
            default=attributes.get("default"),
            description=_needed(name, attributes, "description"),
        )
        for heading, name, attributes in _blocks(text, "variable")
    ]


def outputs(text: str) -> list[Output]:
    """Read a file of outputs.

    Raises:
        DocumentationError: an output has no description, or the file is not as `terraform fmt` leaves it.
    """
    return [Output(name, _needed(name, attributes, "description")) for _, name, attributes in _blocks(text, "output")]


def documents() -> dict[Path, str]:
    """Return each document that is written by this, and what it must be, by its path in the repository.

    Raises:
        DocumentationError: the module's files can not be read, or a document lacks its markers.
    """
    module_inputs, module_outputs = _module(PROJECT)
    parts = {
        Path("README.md"): {
            "requirements": requirement_table((PROJECT / "versions.tf").read_text()),
            "inputs": input_table(module_inputs, str(INPUTS)),
            "outputs": output_table(module_outputs),
        },
        INPUTS: {"inputs": input_sections(module_inputs)},
    }
    for readme in sorted(PROJECT.glob("modules/*/README.md")):
        of_inputs, of_outputs = _module(readme.parent)
        parts[readme.relative_to(PROJECT)] = {"inputs": input_table(of_inputs), "outputs": output_table(of_outputs)}
    return {path: _with_parts(path, (PROJECT / path).read_text(), named) for path, named in parts.items()}


def renew(*, check: bool = False) -> None:
    """Write each document that is not what it must be.

    Args:
        check: whether to write none, and refuse them.

    Raises:
        DocumentationError: one can not be written, or, checked, is stale.
    """
    stale = {path: text for path, text in documents().items() if (PROJECT / path).read_text() != text}
    if check and stale:
        raise DocumentationError(f"Not what the module's files say; run make docs: {', '.join(map(str, stale))}")
    for path, text in stale.items():
        (PROJECT / path).write_text(text)


def requirement_table(versions: str) -> str:
    """Return a table of what the module needs, from its file of versions.

    Raises:
        DocumentationError: it does not say which Terraform.
    """
    terraform = _TERRAFORM.search(versions)
    if terraform is None:
        raise DocumentationError("versions.tf has no required_version")
    providers = [f"| `{source}` | `{version}` |" for source, version in _REQUIRED_PROVIDER.findall(versions)]
    return "\n".join(["| requirement | version |", "|---|---|", f"| Terraform | `{terraform[1]}` |", *providers])


def input_table(of: list[Input], described_in: str | None = None) -> str:
    """Return a table of inputs: all of each description, or its first sentence and where the rest is."""
    lines = ["| input | type | default | |", "|---|---|---|---|"]
    heading = ""
    for each in of:
        if described_in and each.heading != heading:
            heading = each.heading
            lines.append(f"| **{heading}** | | | |")
        name = f"[`{each.name}`]({described_in}#{each.name})" if described_in else f"`{each.name}`"
        default = "required" if each.default is None else f"`{_short(each.default)}`"
        said = _first_sentence(each.description) if described_in else each.description
        lines.append(f"| {name} | `{_short(each.type)}` | {default} | {_cell(said)} |")
    return "\n".join(lines)


def output_table(of: list[Output]) -> str:
    """Return a table of outputs."""
    rows = (f"| `{each.name}` | {_cell(each.description)} |" for each in of)
    return "\n".join(["| output | |", "|---|---|", *rows])


def input_sections(of: list[Input]) -> str:
    """Return a section for each input, with its whole description and its type as Terraform has it."""
    parts: list[str] = []
    heading = ""
    for each in of:
        if each.heading != heading:
            heading = each.heading
            parts.append(f"## {heading}")
        default = "Required" if each.default is None else f"Default `{_short(each.default)}`"
        parts += [f"### {each.name}", f"`{_short(each.type)}`. {default}.", each.description]
        if "\n" in each.type:
            parts.append(f"<details><summary>Type</summary>\n\n```hcl\n{each.type}\n```\n\n</details>")
    return "\n\n".join(parts)


def _module(directory: Path) -> tuple[list[Input], list[Output]]:
    read = (directory / "variables.tf", directory / "outputs.tf")
    try:
        return inputs(read[0].read_text()), outputs(read[1].read_text())
    except DocumentationError as error:
        raise DocumentationError(f"{directory.relative_to(PROJECT)}: {error}") from error


def _blocks(text: str, kind: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield each block's heading, which is the last comment between blocks, its name and its attributes."""
    heading = ""
    lines = iter(text.splitlines())
    for line in lines:
        block = _BLOCK.fullmatch(line)
        if line.startswith("# "):
            heading = line.removeprefix("# ").rstrip(".")
        elif block and block["kind"] == kind:
            yield heading, block["name"], _attributes(block["name"], lines)
        elif line:
            raise DocumentationError(f"only comments and {kind} blocks are expected between blocks, not: {line}")


def _attributes(name: str, lines: Iterator[str]) -> dict[str, str]:
    """Read attributes up to the block's end; nested blocks are passed over."""
    attributes: dict[str, str] = {}
    for line in lines:
        if line == "}":
            return attributes
        attribute = _ATTRIBUTE.fullmatch(line)
        if attribute is None:
            continue
        value = [attribute["value"]]
        if value[0] == _HEREDOC:
            value = [dedent("\n".join(_until("  EOT", lines)))]
        elif value[0].startswith('"') and attribute["name"] == "description":
            value = [json.loads(value[0])]
        elif value[0].endswith(("(", "{", "[")):
            value += [*_until_closed(lines)]
        attributes[attribute["name"]] = "\n".join(value)
    raise DocumentationError(f"{name} has no end")


def _until(end: str, lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == end:
            return
        yield line


def _until_closed(lines: Iterator[str]) -> Iterator[str]:
    """Yield the rest of a value of several lines, as far in as its block's attributes."""
    for line in lines:
        yield line.removeprefix("  ")
        if re.match(r"  [)\]}]", line):
            return


def _needed(name: str, attributes: dict[str, str], attribute: str) -> str:
    if attribute not in attributes:
        raise DocumentationError(f"{name} has no {attribute}: give it one")
    return attributes[attribute]


def _short(expression: str) -> str:
    """Return an expression in a line: of an object, only that it is one."""
    return re.sub(r"object\(\{.*\}\)", "object", expression, flags=re.DOTALL)


def _first_sentence(description: str) -> str:
    text = " ".join(description.split())
    found = _FIRST_SENTENCE.match(text)
    return found[0] if found else text


def _cell(text: str) -> str:
    lines = re.sub(r"\n+(?=\s*- )|\n\n", "<br>", text)
    return " ".join(lines.split()).replace("|", "\\|")


def _with_parts(path: Path, text: str, parts: dict[str, str]) -> str:
    for name, part in parts.items():
        try:
            text = with_part(text, name, "make docs", part)
        except ValueError as error:
            raise DocumentationError(f"{path}: {error}") from error
    return text
