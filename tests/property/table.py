"""A table in memory: its items, an index that lags behind it, and its stream in shards."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from local.event_source import Page, Position, Shard
from tests.stream import Item, image

Key = tuple[str, str]
"""An item's primary key."""

Image = Mapping[str, Any]


class Poison(StrEnum):
    """What makes a record one that can not be handled: a value, or the view type of another stream."""

    def __repr__(self) -> str:
        """As a test would have it."""
        return f"Poison.{self.name}"

    VALUE = "a value of a type that there is not"
    KEYS_ONLY = "KEYS_ONLY"
    NEW_IMAGE = "NEW_IMAGE"
    OLD_IMAGE = "OLD_IMAGE"


_IMAGES: Mapping[Poison | None, tuple[str, ...]] = {
    None: ("OldImage", "NewImage"),
    Poison.VALUE: ("OldImage", "NewImage"),
    Poison.KEYS_ONLY: (),
    Poison.NEW_IMAGE: ("NewImage",),
    Poison.OLD_IMAGE: ("OldImage",),
}


@dataclass(frozen=True, slots=True)
class Record:
    """A write to an item, as the stream keeps it.

    Attributes:
        number: its sequence number.
        key: the item's.
        before: the item as it was; None: it did not exist.
        after: the item as it became; None: it is gone.
        poison: what is wrong with it.
        mends: whether the image before holds a value that DynamoDB does not write.
        body: the record in GetRecords' shape.
    """

    number: int
    key: Key
    before: Item | None
    after: Item | None
    poison: Poison | None
    mends: bool
    body: dict[str, Any]


@dataclass(slots=True)
class _Shard:
    shard: Shard
    records: list[Record] = field(default_factory=list)
    closed: bool = False


class TableStream:
    """The stream, behind the poller's seam: the records of each partition are in one open shard.

    Attributes:
        shards_: every shard there ever was, with its records.
    """

    def __init__(self, shards: int) -> None:
        self.shards_ = [_Shard(Shard(f"shard-{n}")) for n in range(shards)]
        self._open = list(range(shards))
        self._placed: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Append to the shard of the record's partition."""
        partition = record.key[0]
        if partition not in self._placed:
            self._placed[partition] = self._open[len(self._placed) % len(self._open)]
        self.shards_[self._placed[partition]].records.append(record)

    def split(self, which: int) -> bool:
        """Close an open shard, and let two go on from it. Tells whether it had any records."""
        parent = self._open.pop(which % len(self._open))
        self.shards_[parent].closed = True
        children = [len(self.shards_), len(self.shards_) + 1]
        self.shards_ += [_Shard(Shard(f"shard-{child}", f"shard-{parent}")) for child in children]
        self._open += children
        moved = [partition for partition, shard in self._placed.items() if shard == parent]
        self._placed |= {partition: children[n % 2] for n, partition in enumerate(moved)}
        return bool(self.shards_[parent].records)

    async def shards(self) -> Sequence[Shard]:
        return [each.shard for each in self.shards_]

    async def iterator(self, shard_id: str, position: Position) -> str:
        start = 0
        if position.sequence_number is not None:
            first = int(position.sequence_number) + (position.shard_iterator_type == "AFTER_SEQUENCE_NUMBER")
            start = sum(1 for each in self._find(shard_id).records if each.number < first)
        return f"{shard_id}/{start}"

    async def records(self, iterator: str, limit: int) -> Page:
        shard_id, start = iterator.split("/")
        shard = self._find(shard_id)
        found = shard.records[int(start) : int(start) + limit]
        end = int(start) + len(found)
        over = shard.closed and end == len(shard.records)
        return Page([each.body for each in found], None if over else f"{shard_id}/{end}")

    def _find(self, shard_id: str) -> _Shard:
        return self.shards_[int(shard_id.removeprefix("shard-"))]


class Table:
    """The items and the index.

    Args:
        stream: gets a record of every write.
        clock: seconds.
        lag_seconds: how far the index is behind at the most.
        chance: decides how far.

    Attributes:
        items: the items by their key.
    """

    def __init__(
        self, stream: TableStream, clock: Callable[[], float], lag_seconds: float, chance: random.Random
    ) -> None:
        self.items: dict[Key, Item] = {}
        self._stream = stream
        self._clock = clock
        self._lag_seconds = lag_seconds
        self._chance = chance
        self._writes = 0
        self._poisoned: set[Key] = set()
        self._index: dict[Key, Image] = {}
        self._pending: list[tuple[float, Key, Image | None]] = []

    def write(self, key: Key, after: Item | None, *, poison: Poison | None = None, by_ttl: bool = False) -> Record:
        """Put an item, or delete it.

        Args:
            key: the item's.
            after: the item; None: delete it.
            poison: what is wrong with its record. A value that is stays until the item is written again.
            by_ttl: deleted by DynamoDB itself.
        """
        before = self.items.get(key)
        mends = key in self._poisoned
        images = {"OldImage": before and self._image(key)}
        self._poisoned.discard(key)
        if poison is Poison.VALUE:
            self._poisoned.add(key)
        if after is None:
            del self.items[key]
        else:
            self.items[key] = after
        images["NewImage"] = after and self._image(key)
        self._writes += 1
        body: dict[str, Any] = {
            "eventID": f"{self._writes:032x}",
            "eventName": "INSERT" if before is None else "REMOVE" if after is None else "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": float(int(self._clock())),
                "Keys": image({"pk": key[0], "sk": key[1]}),
                "SequenceNumber": str(self._writes),
                "SizeBytes": 100,
                "StreamViewType": "NEW_AND_OLD_IMAGES" if poison in (None, Poison.VALUE) else poison.value,
                **{kind: each for kind, each in images.items() if each and kind in _IMAGES[poison]},
            },
        }
        if by_ttl:
            body["userIdentity"] = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
        record = Record(self._writes, key, before, after, poison, mends, body)
        self._stream.add(record)
        visible_at = self._clock() + self._chance.uniform(0, self._lag_seconds)
        earlier = [at for at, each, _ in self._pending if each == key]
        self._pending.append((max([visible_at, *earlier]), key, images["NewImage"]))
        return record

    def transact(self, writes: Mapping[Key, Item | None]) -> list[Record]:
        """Write several items in one transaction, whose records come in any order, also within a partition."""
        order = list(writes.items())
        self._chance.shuffle(order)
        return [self.write(key, after) for key, after in order]

    def _image(self, key: Key) -> Image:
        item = image(self.items[key])
        return item | {name: {"X": "poison"} for name in ("n", "numItems")} if key in self._poisoned else item

    def images(self) -> list[Image]:
        """All items, as a consistent read shows them."""
        return [self._image(key) for key in self.items]

    def indexed_images(self) -> list[Image]:
        """All items, as the index shows them by now."""
        self._follow(self._clock())
        return list(self._index.values())

    @property
    def lags(self) -> bool:
        """Whether the index lacks a write."""
        self._follow(self._clock())
        return bool(self._pending)

    def catch_up(self) -> None:
        """Let the index show all that was written."""
        self._follow(float("inf"))

    def _follow(self, until: float) -> None:
        due = sorted((each for each in self._pending if each[0] <= until), key=lambda each: each[0])
        self._pending = [each for each in self._pending if each[0] > until]
        for _, key, new in due:
            if new is None:
                self._index.pop(key, None)
            else:
                self._index[key] = new
