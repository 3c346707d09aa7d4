"""How far a mapping has come in each shard, kept apart from the poller so that another can go on from it."""

from typing import Self

from msgspec import Struct

from local.event_source.seams import Position


class Checkpoints(Struct):
    """What a poller knows of its stream when it starts, and keeps up to date while it runs.

    Attributes:
        positions: shard id to where it has to be read from, should the poller end now: after the last record of those
            that are acknowledged without a gap. A shard that is not here begins at the mapping's starting position.
        finished: the closed shards that are acknowledged to their end; a dict for its order.
    """

    positions: dict[str, Position] = {}
    finished: dict[str, None] = {}

    def sequence_number(self, shard_id: str) -> str | None:
        """The last record of a shard up to which all are acknowledged; None: none yet."""
        position = self.positions.get(shard_id)
        if position is None or position.shard_iterator_type != "AFTER_SEQUENCE_NUMBER":
            return None
        return position.sequence_number

    def copy(self) -> Self:
        """What is known now, to go back to: all that comes after it is delivered again."""
        return type(self)(dict(self.positions), dict(self.finished))
