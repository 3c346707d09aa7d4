"""Lambda's event source mapping on a DynamoDB stream, by AWS's documented rules, for one machine."""

from local.event_source.checkpoints import Checkpoints
from local.event_source.mapping import EventSourceMapping
from local.event_source.poller import Poller
from local.event_source.seams import (
    Destination,
    ExpiredIteratorError,
    Function,
    FunctionError,
    InvocationError,
    Page,
    Position,
    Shard,
    Stream,
    TrimmedDataAccessError,
)

__all__ = [
    "Checkpoints",
    "Destination",
    "EventSourceMapping",
    "ExpiredIteratorError",
    "Function",
    "FunctionError",
    "InvocationError",
    "Page",
    "Poller",
    "Position",
    "Shard",
    "Stream",
    "TrimmedDataAccessError",
]
