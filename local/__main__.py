"""`python -m local`: what a contributor runs on one machine."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from local.aws import AwsStack
from local.demo import run
from local.event_source.__main__ import main as poller
from local.momento.__main__ import main as momento
from local.reference import DocumentationError, renew
from local.server import ServerError
from local.terraform import Terraform, TerraformError, check_format, root_modules

console = Console(emoji=False, highlight=False, soft_wrap=True)

main = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="""What the module needs around it, on one machine.

    Terraform's hashicorp/aws provider comes from the directory that TERRAFORM_PROVIDER_MIRROR names; if it is not set,
    from the registry; if the registry can not be reached, from the first of these that has it: ~/.terraform.d/plugins,
    ~/.local/share/terraform/plugins, /usr/local/share/terraform/plugins, /usr/share/terraform/plugins, any folder in
    /opt.
    """,
)
main.command("momento")(momento)
main.command("poller")(poller)
terraform = typer.Typer(no_args_is_help=True, help="Terraform on the module and its examples, in a copy of the tree.")
main.add_typer(terraform, name="terraform")


@main.command()
def aws() -> None:
    """Run the AWS services that the module uses, empty, until interrupted; print how to reach them."""
    with AwsStack() as stack:
        for name, value in stack.environment.items():
            console.print(f"export {name}={value}")
        console.print("Ready. Ctrl-C ends it.")
        signal.pause()


@main.command()
def demo() -> None:
    """Apply the pizza example, write orders, follow them into the cache and compare every view with the table."""
    raise typer.Exit(0 if run(console) else 1)


@main.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where something is stale.")] = False,
) -> None:
    """Write the inputs and outputs into the READMEs and docs, from the module's own files."""
    renew(check=check)


@terraform.command()
def lint() -> None:
    """Check that the module and its examples are formatted and valid."""
    check_format()
    for root_module in root_modules():
        with Terraform(root_module) as checked:
            checked.validate()


@terraform.command()
def test() -> None:
    """Run the module's tests."""
    with Terraform() as tested:
        tested.test(lambda line: console.print(line, markup=False))


def _end(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    # Everything that was started is ended by the blocks that started it.
    signal.signal(signal.SIGTERM, _end)
    # A shell starts what it runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A proxy for the outside has no way to 127.0.0.1.
    os.environ.update(no_grpc_proxy="127.0.0.1")
    try:
        main()
    except (DocumentationError, ServerError, TerraformError) as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(1)
