"""What is written into the documentation of a module's inputs and outputs."""

import pytest

from local.generated import with_part
from local.reference import (
    DocumentationError,
    Input,
    Output,
    input_sections,
    input_table,
    inputs,
    output_table,
    outputs,
    requirement_table,
)
from local.terraform import PROJECT

VARIABLES = """
# The function.

variable "memory_size" {
  description = <<-EOT
    Memory in MB, 128 to 10240. The share of a CPU
    grows with it.

    - `a`: one | two.
  EOT
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.memory_size >= 128
    error_message = "memory_size is too small."
  }
}

variable "momento" {
  description = "The cache, \\"as it is\\"."
  type = object({
    cache_name = string
    endpoints  = optional(list(string), [])
  })

  validation {
    condition = length(
      var.momento.cache_name
    ) > 0
    error_message = "momento.cache_name must not be empty."
  }
}
"""


def test_an_input_is_read_with_the_heading_it_stands_under() -> None:
    memory_size, momento = inputs(VARIABLES)
    assert memory_size == Input(
        name="memory_size",
        heading="The function",
        type="number",
        default="512",
        description="Memory in MB, 128 to 10240. The share of a CPU\ngrows with it.\n\n- `a`: one | two.",
    )
    assert momento == Input(
        name="momento",
        heading="The function",
        type="object({\n  cache_name = string\n  endpoints  = optional(list(string), [])\n})",
        default=None,
        description='The cache, "as it is".',
    )


def test_in_short_an_input_is_its_first_sentence_and_where_the_rest_is() -> None:
    table = input_table(inputs(VARIABLES), "docs/inputs.md")
    assert "| **The function** | | | |" in table
    assert "| [`memory_size`](docs/inputs.md#memory_size) | `number` | `512` | Memory in MB, 128 to 10240. |" in table
    assert '| [`momento`](docs/inputs.md#momento) | `object` | required | The cache, "as it is". |' in table


def test_in_full_a_table_keeps_lists_and_bars_within_their_cell() -> None:
    assert "128 to 10240. The share of a CPU grows with it.<br>- `a`: one \\| two. |" in input_table(inputs(VARIABLES))


def test_a_section_has_the_whole_description_and_the_type_as_it_is_written() -> None:
    sections = input_sections(inputs(VARIABLES))
    assert "### memory_size\n\n`number`. Default `512`.\n\nMemory in MB" in sections
    assert "```hcl\nobject({\n  cache_name = string\n" in sections


def test_an_output_is_read_and_shown() -> None:
    read = outputs('output "table_name" {\n  description = "Name of the table."\n  value       = local.table_name\n}\n')
    assert read == [Output("table_name", "Name of the table.")]
    assert "| `table_name` | Name of the table. |" in output_table(read)


def test_what_the_module_needs_is_read_past_the_reason_for_it() -> None:
    table = requirement_table(
        'terraform {\n  # Why.\n  required_version = ">= 1.9"\n\n  required_providers {\n    aws = {\n'
        '      source = "hashicorp/aws"\n      # Why.\n      version = ">= 5.76"\n    }\n  }\n}\n'
    )
    assert table.endswith("| Terraform | `>= 1.9` |\n| `hashicorp/aws` | `>= 5.76` |")


def test_an_input_without_a_description_is_refused() -> None:
    with pytest.raises(DocumentationError, match="name has no description: give it one"):
        inputs('variable "name" {\n  type = string\n}\n')


@pytest.mark.parametrize(
    "text",
    ['variable "name" {\n  type = string\n', "locals {\n}\n", ' variable "name" {\n}\n', 'output "name" {\n}\n'],
    ids=["no end", "another block", "not formatted", "an output among variables"],
)
def test_what_terraform_fmt_does_not_leave_in_a_file_of_variables_is_refused(text: str) -> None:
    with pytest.raises(DocumentationError):
        inputs(text)


def test_every_input_of_the_module_is_read() -> None:
    text = (PROJECT / "variables.tf").read_text()
    assert len(inputs(text)) == text.count("\nvariable ") + text.startswith("variable ")


def test_only_what_is_between_the_markers_is_renewed() -> None:
    text = "before\n<!-- begin: x, by make docs -->\nstale\n<!-- end: x -->\nafter\n"
    renewed = "before\n<!-- begin: x, by make docs -->\n\nfresh\n\n<!-- end: x -->\nafter\n"
    assert with_part(text, "x", "make docs", "fresh") == renewed
    assert with_part(renewed, "x", "make docs", "fresh") == renewed


def test_a_document_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="the document lacks <!-- begin: x, by make docs -->"):
        with_part("nothing", "x", "make docs", "fresh")
