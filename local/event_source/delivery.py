"""A batch on its way to the function, until each of its records is acknowledged or discarded.

https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import takewhile

import msgspec
from msgspec import Struct

from local.event_source.event import Record, event
from local.event_source.invocation_record import Condition, invocation_record
from local.event_source.mapping import EventSourceMapping
from local.event_source.response import first_failure
from local.event_source.seams import Destination, Function, FunctionError, InvocationError

RETENTION_SECONDS = 24 * 60 * 60
"""How long a stream keeps a record. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"""


class Part(Struct, frozen=True):
    """Records of a batch that go to the function together.

    Attributes:
        records: at least one, in order.
        invocations: how often the function got just these.
        function_error: what it last failed with; None: with a partial batch response, or not at all.
    """

    records: Sequence[Record]
    invocations: int = 0
    function_error: str | None = None


class Delivery:
    """Sees batches through, one mapping's way.

    Args:
        mapping: the settings.
        function: what gets the batches.
        destination: where it is told what was discarded.
        clock: the seconds since the epoch.
        backoff: failures in a row, 1 or more, to the seconds until the next attempt.
    """

    def __init__(
        self,
        mapping: EventSourceMapping,
        function: Function,
        destination: Destination | None,
        clock: Callable[[], float],
        backoff: Callable[[int], float],
    ) -> None:
        self._mapping = mapping
        self._function = function
        self._destination = destination
        self._clock = clock
        self._backoff = backoff

    async def see_through(
        self, batch: Sequence[Record], shard_id: str, acknowledge: Callable[[Sequence[Record]], None]
    ) -> None:
        """Deliver a batch, with all retries that it takes, and acknowledge its records as they are done with.

        One part of it at a time is under way, the one with the lowest sequence numbers first: what was split off waits.
        """
        parts = [Part(batch)]
        failures = 0
        while parts:
            part = parts.pop()
            if too_old := self._too_old(part.records):
                await self._discard(msgspec.structs.replace(part, records=too_old), shard_id, "RecordAgeExceeded")
                acknowledge(too_old)
                if rest := part.records[len(too_old) :]:
                    parts.append(msgspec.structs.replace(part, records=rest))
                continue
            try:
                failed, function_error = await self._invoke(part.records)
            except InvocationError:
                # "Before invocation": neither split nor counted, tried until the records are too old.
                parts.append(part)
            else:
                acknowledge(part.records[:failed])
                if failed:
                    failures = 0
                if failed == len(part.records):
                    continue
                tried = Part(part.records, part.invocations + 1, function_error)
                again = tried_again(tried, failed, self._mapping)
                if not again:
                    await self._discard(tried, shard_id, "RetryAttemptsExhausted")
                    acknowledge(tried.records)
                    failures = 0
                    continue
                parts += reversed(again)
            failures += 1
            await asyncio.sleep(self._backoff(failures))

    async def _invoke(self, records: Sequence[Record]) -> tuple[int, str | None]:
        """Invoke the function.

        Returns:
            How many of the first records succeeded, and the function's error where it failed.
        """
        try:
            response = await self._function.invoke(event(records))
        except FunctionError as error:
            return 0, error.function_error
        if not self._mapping.report_batch_item_failures:
            return len(records), None
        return first_failure(response, [record.sequence_number for record in records]), None

    def _too_old(self, records: Sequence[Record]) -> list[Record]:
        """The oldest of the records, as far as they have expired.

        AWS does not say which condition it gives where the stream's retention ends before the maximum age is reached:
        here it is the same.
        """
        most = self._mapping.maximum_record_age_in_seconds
        oldest = self._clock() - (RETENTION_SECONDS if most == -1 else min(most, RETENTION_SECONDS))
        return list(takewhile(lambda record: record.created < oldest, records))

    async def _discard(self, part: Part, shard_id: str, condition: Condition) -> None:
        if self._destination is not None:
            message = invocation_record(
                self._mapping, shard_id, part.records, condition, part.invocations, part.function_error, self._clock()
            )
            await self._destination.send(message)


def tried_again(part: Part, failed: int, mapping: EventSourceMapping) -> list[Part]:
    """Say what follows an invocation that did not succeed.

    Only the same records, sent again, use up a retry: "splitting batches doesn't consume the retry quota", and what is
    left after a partial batch response is a new batch. (The page does not say the latter. Recorded on AWS, with 3
    retries: the record that a batch was cut down to got 4 invocations of its own, `approximateInvokeCount` 4.
    https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_dynamodbstreams.snapshot.json)

    Args:
        part: what was tried.
        failed: how many of its first records succeeded, fewer than all.
        mapping: the settings.

    Returns:
        The parts to try, in order; none: the retries are used up.
    """
    if failed:
        # With BisectBatchOnFunctionError too: "bisected at the returned sequence number".
        return [Part(part.records[failed:])]
    if mapping.bisect_batch_on_function_error and len(part.records) > 1:
        middle = (len(part.records) + 1) // 2
        return [Part(part.records[:middle]), Part(part.records[middle:])]
    retries = part.invocations - 1
    return [part] if mapping.maximum_retry_attempts == -1 or retries < mapping.maximum_retry_attempts else []
