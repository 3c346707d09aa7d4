"""A stream in memory, behind the poller's seam: shards that are written to, closed and split."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from local.event_source import Page, Position, Shard, TrimmedDataAccessError

READ_RECORDS, READ_BYTES = 1_000, 1_000_000
"""GetRecords returns no more. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html"""


class MemoryStream:
    """DescribeStream, GetShardIterator and GetRecords over lists.

    An iterator is the shard's name and an index, as text.

    Attributes:
        reads: what was read so far, in order: shard and number of records.
    """

    def __init__(self, *shard_ids: str) -> None:
        self.reads: list[tuple[str, int]] = []
        self._shards = {each: Shard(each) for each in shard_ids or ("shard-0",)}
        self._records: dict[str, list[Mapping[str, Any]]] = {each: [] for each in self._shards}
        self._closed: dict[str, None] = {}
        self._trimmed: dict[str, int] = {}
        self._number = 100

    def write(self, record: Mapping[str, Any], shard_id: str = "shard-0") -> str:
        """Append a record.

        Returns:
            Its sequence number: that of the record, or else the next one.
        """
        assert shard_id not in self._closed, "a closed shard takes no more records"
        self._number += 1
        change = {"SequenceNumber": str(self._number), **record["dynamodb"]}
        self._records[shard_id].append({**record, "dynamodb": change})
        return str(change["SequenceNumber"])

    def close(self, shard_id: str) -> None:
        self._closed[shard_id] = None

    def split(self, shard_id: str, *children: str) -> None:
        """Close a shard, and open those that go on from it."""
        self.close(shard_id)
        for each in children:
            self._shards[each] = Shard(each, shard_id)
            self._records[each] = []

    def trim(self, shard_id: str, count: int) -> None:
        """Forget a shard's first records, as the stream does when they are a day old."""
        self._trimmed[shard_id] = count

    def forget(self, shard_id: str) -> None:
        """Forget a closed shard, as the stream does when its last record is a day old."""
        del self._shards[shard_id]

    async def shards(self) -> list[Shard]:
        await asyncio.sleep(0)
        return list(self._shards.values())

    async def iterator(self, shard_id: str, position: Position) -> str:
        await asyncio.sleep(0)
        records = self._records[shard_id]
        match position.shard_iterator_type:
            case "TRIM_HORIZON":
                index = self._trimmed.get(shard_id, 0)
            case "LATEST":
                index = len(records)
            case kind:
                assert position.sequence_number is not None
                first = int(position.sequence_number) + (kind == "AFTER_SEQUENCE_NUMBER")
                index = sum(int(each["dynamodb"]["SequenceNumber"]) < first for each in records)
                if index < self._trimmed.get(shard_id, 0):
                    raise TrimmedDataAccessError
        return f"{shard_id} {index}"

    async def records(self, iterator: str, limit: int) -> Page:
        await asyncio.sleep(0)
        shard_id, start = iterator.split()
        if int(start) < self._trimmed.get(shard_id, 0):
            raise TrimmedDataAccessError
        found = self._records[shard_id][int(start) : int(start) + min(limit, READ_RECORDS)]
        size = 0
        for count, each in enumerate(found):
            size += len(msgspec.json.encode(each))
            if size > READ_BYTES and count:
                found = found[:count]
                break
        self.reads.append((shard_id, len(found)))
        end = int(start) + len(found)
        at_the_end = shard_id in self._closed and end == len(self._records[shard_id])
        return Page(found, None if at_the_end else f"{shard_id} {end}")
