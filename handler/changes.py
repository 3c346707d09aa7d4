"""Coalesce: the changes of a batch, gathered by item."""

from collections.abc import Iterable

from msgspec import Struct

from handler.records import Change, ItemKey


class NetChange(Struct, frozen=True):
    """All that a batch did to one item.

    Attributes:
        item: which item.
        changes: its changes, oldest first; at least one.
    """

    item: ItemKey
    changes: tuple[Change, ...]

    @property
    def lowest(self) -> int:
        """The sequence number of the first change: what is retried from if this is not applied."""
        return self.changes[0].sequence_number


def coalesce(changes: Iterable[Change]) -> list[NetChange]:
    """Gather changes by item, in the order in which the items first appear.

    Every image is kept: a view has to leave each key that the item had on the way, not just the first.
    """
    by_item: dict[ItemKey, list[Change]] = {}
    for change in changes:
        by_item.setdefault(change.item, []).append(change)
    return [NetChange(item, tuple(changes)) for item, changes in by_item.items()]
