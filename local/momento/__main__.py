"""`python -m local.momento`: a Momento server on this machine, until it is interrupted."""

import asyncio
import signal
from typing import Annotated

import typer

from local.momento.server import MomentoServer


def main(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0: any free one.")] = 8080,
    cache: Annotated[list[str] | None, typer.Option(help="A cache to begin with. Repeatable.")] = None,
    require_key: Annotated[
        list[str] | None,
        typer.Option(
            help="An API key to accept; any other is answered UNAUTHENTICATED. Repeatable. Left out: any key will do."
        ),
    ] = None,
    latency_ms: Annotated[int, typer.Option(min=0, help="How long every request waits, in milliseconds.")] = 0,
) -> None:
    """Run a Momento server on this machine.

    It speaks Momento's gRPC protocol in plaintext, the cache and the control service on one port, so that any SDK's
    "Momento Local" mode reaches it: scalars, batches, conditional sets, dictionaries, TTLs, limits, and creating,
    deleting, listing and flushing caches. All data is lost when it ends (Ctrl-C or SIGTERM).

    It prints one line once it answers requests; the line ends in its host:port.
    """
    server = MomentoServer(caches=cache or (), required_keys=require_key or (), latency_ms=latency_ms, port=port)

    async def serve() -> None:
        end = asyncio.Event()
        for ending in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(ending, end.set)
        await server.serve(lambda: print(f"Momento server ready at {server.endpoint}", flush=True), end)

    try:
        asyncio.run(serve())
    except RuntimeError as error:
        typer.echo(f"{error}\nName another port with --port, or 0 for any free one.", err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
