"""`python -m local poller`: polls a mapping of the stack on this machine, until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local import aws
from local.event_source.aws import connect
from local.event_source.poller import Poller
from local.event_source.response import first_failure
from local.event_source.seams import FunctionError, InvocationError

if TYPE_CHECKING:
    from botocore.config import Config

    from local.event_source.mapping import EventSourceMapping
    from local.event_source.seams import Destination, Function


def main(
    mapping_uuid: Annotated[str, typer.Argument(metavar="UUID", help="The mapping's UUID.")],
) -> None:
    """Poll an event source mapping as Lambda does, until interrupted; print a line for each invocation.

    For a mapping of the stack that `python -m local aws` runs: its exports have to be in the environment. Apply the
    module with enabled = false, so that the stack does not poll the mapping itself: what it leaves out (partial batch
    responses, retries, bisecting, windows, parallelization) is what this does.

    It begins at the mapping's starting position each time.
    """
    if "AWS_ENDPOINT_URL" not in os.environ:
        raise typer.BadParameter("AWS_ENDPOINT_URL is not set: run `python -m local aws` and export what it prints")
    functions = _client("lambda")
    try:
        state = functions.get_event_source_mapping(UUID=mapping_uuid)["State"]
    except functions.exceptions.ResourceNotFoundException as error:
        raise typer.BadParameter(f"the stack has no event source mapping {mapping_uuid}") from error
    if state != "Disabled":
        raise typer.BadParameter(f"the stack polls this mapping itself ({state}): apply it with enabled = false")
    mapping, stream, function, destination = connect(mapping_uuid, _client)
    poller = Poller(
        mapping,
        stream,
        _ShownFunction(mapping, function),
        _ShownDestination(destination) if destination else None,
        time.time,
    )
    _show("polling; Ctrl-C ends it")
    asyncio.run(_poll(poller))


async def _poll(poller: Poller) -> None:
    """Poll until interrupted or terminated. Whatever is under way is ended in either case."""
    terminated = asyncio.Event()
    # An exception out of a plain signal handler could come up anywhere, in the middle of ending a task, too.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    polling = asyncio.create_task(poller.run())
    waiting = asyncio.create_task(terminated.wait())
    await asyncio.wait([polling, waiting], return_when=asyncio.FIRST_COMPLETED)
    if polling.done():
        polling.result()
    raise typer.Exit(128 + signal.SIGTERM)


def _client(service: str, config: Config | None = None) -> Any:
    # boto3 reads these names itself, but its credentials and its proxy could then be those of a real account.
    specific = "AWS_ENDPOINT_URL_" + {"dynamodbstreams": "DYNAMODB_STREAMS"}.get(service, service.upper())
    return aws.client(service, os.environ.get(specific, os.environ["AWS_ENDPOINT_URL"]), config)


class _ShownFunction:
    """A function whose invocations are shown."""

    def __init__(self, mapping: EventSourceMapping, function: Function) -> None:
        self._mapping = mapping
        self._function = function

    async def invoke(self, event: dict[str, Any]) -> Any:
        numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
        batch = _batch(len(numbers), numbers[0])
        started = time.monotonic()
        try:
            response = await self._function.invoke(event)
        except FunctionError as error:
            _show(f"{batch}: {error.function_error} error of the function: {error}")
            raise
        except InvocationError as error:
            _show(f"{batch}: not invoked: {error}")
            raise
        succeeded = len(numbers)
        if self._mapping.report_batch_item_failures:
            succeeded = first_failure(response, numbers)
        again = "" if succeeded == len(numbers) else f", again from {numbers[succeeded]}"
        _show(f"{batch}: {succeeded} done in {(time.monotonic() - started) * 1000:.0f} ms{again}")
        return response


class _ShownDestination:
    """A destination whose messages are shown."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    async def send(self, message: dict[str, Any]) -> None:
        info = message["DDBStreamBatchInfo"]
        batch = _batch(info["batchSize"], info["startSequenceNumber"])
        await self._destination.send(message)
        _show(f"{batch}: discarded, {message['requestContext']['condition']}")


def _batch(records: int, first: str) -> str:
    return f"batch of {records} from {first}"


def _show(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)
