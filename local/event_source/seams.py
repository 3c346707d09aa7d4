"""What the poller asks of the outside: a stream, a function, a destination."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct


class Shard(Struct, frozen=True):
    """A shard, as DescribeStream names it.

    Attributes:
        shard_id: its name.
        parent_shard_id: the shard that it went on from; it may not be listed any more.
    """

    shard_id: str
    parent_shard_id: str | None = None


class Position(Struct, frozen=True):
    """A place in a shard, as GetShardIterator takes it.

    Attributes:
        shard_iterator_type: GetShardIterator's `ShardIteratorType`.
        sequence_number: for the two types that name one, else None.
    """

    shard_iterator_type: Literal["TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"]
    sequence_number: str | None = None


class Page(Struct, frozen=True):
    """What GetRecords answers.

    Attributes:
        records: oldest first, in GetRecords' shape: binary as bytes, times as datetime (or seconds since the epoch).
        next_iterator: where to read on; None: the shard is closed and this was its end.
    """

    records: Sequence[Mapping[str, Any]]
    next_iterator: str | None


class ExpiredIteratorError(Exception):
    """The iterator is too old: `ExpiredIteratorException`."""


class TrimmedDataAccessError(Exception):
    """The position is older than what the stream still has: `TrimmedDataAccessException`."""


class Stream(Protocol):
    """Where records come from.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html
    """

    async def shards(self) -> Sequence[Shard]:
        """All shards that the stream still has: every page of DescribeStream."""
        ...

    async def iterator(self, shard_id: str, position: Position) -> str:
        """GetShardIterator.

        Raises:
            TrimmedDataAccessError: the position's records are gone.
        """
        ...

    async def records(self, iterator: str, limit: int) -> Page:
        """GetRecords.

        Raises:
            ExpiredIteratorError: a new iterator is needed.
            TrimmedDataAccessError: the iterator's records are gone.
        """
        ...


class FunctionError(Exception):
    """The function was invoked and failed: it raised, or its time was up.

    Attributes:
        function_error: Invoke's `FunctionError`, such as `Unhandled`.
    """

    def __init__(self, message: str = "", function_error: str = "Unhandled") -> None:
        super().__init__(message)
        self.function_error = function_error


class InvocationError(Exception):
    """The function could not be invoked: throttled, or not there. This uses up no retry attempt."""


class Function(Protocol):
    """What gets the batches."""

    async def invoke(self, event: dict[str, Any]) -> Any:
        """Invoke, and wait for what it returns.

        Returns:
            The payload, decoded.

        Raises:
            FunctionError: it failed.
            InvocationError: it was not invoked.
        """
        ...


class Destination(Protocol):
    """Where it is told what was discarded."""

    async def send(self, message: dict[str, Any]) -> None:
        """Deliver an invocation record, see `invocation_record.py`. What this raises ends the poller."""
        ...
