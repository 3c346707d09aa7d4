"""The handler that a careful engineer would write today: Powertools' batches, and a record's requests at once.

Its records are handled one after another, for their order; its lists are read, changed and written, with nothing to
guard them from another shard.
"""

import asyncio
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord, DynamoDBRecordEventName

from benchmarks.sdk import Sdk
from benchmarks.seed import change_list, detail, dumped, is_completed, row


class Careful:
    """The handler.

    Args:
        runner: what runs its requests.
        cache: the client.
    """

    def __init__(self, runner: asyncio.Runner, cache: Sdk) -> None:
        self._runner = runner
        self._cache = cache
        self._processor = BatchProcessor(EventType.DynamoDBStreams)

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Bring the cache up to a batch, and give Lambda's partial batch response."""
        return {**process_partial_response(event, self._handle_record, self._processor)}

    def _handle_record(self, record: DynamoDBRecord) -> None:
        change = record.dynamodb
        if change is None:
            raise ValueError("the record has no dynamodb")
        if record.event_name is DynamoDBRecordEventName.REMOVE:
            self._runner.run(self._remove(change.old_image))
        else:
            self._runner.run(self._refresh(change.new_image))

    async def _remove(self, order: dict[str, Any]) -> None:
        await asyncio.gather(
            self._cache.delete(order["pk"]),
            self._cache.delete(f"ADMIN-{order['pk']}"),
            change_list(self._cache, "all-orders", order["pk"], None),
            change_list(self._cache, order["creator"], order["pk"], None),
        )

    async def _refresh(self, order: dict[str, Any]) -> None:
        await asyncio.gather(
            self._cache.set(order["pk"], dumped(detail(order))),
            self._cache.set(f"ADMIN-{order['pk']}", dumped(detail(order) | {"creator": order["creator"]})),
            change_list(self._cache, "all-orders", order["pk"], None if is_completed(order) else row(order)),
            change_list(self._cache, order["creator"], order["pk"], row(order)),
        )
