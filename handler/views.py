"""Plan: what a batch's net changes mean for the cache, as the fewest operations that say it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from handler.attributes import AttributeValue, AttributeValueError, Image, encode, text
from handler.changes import NetChange
from handler.records import Rejection, item_hash
from handler.settings import REFRESH, ItemView, ListView, Settings, View

Row = Mapping[str, Raw]
"""One row of a list, or one item's JSON: field name to encoded value."""

Place = tuple[str, str]
"""Where a view shows an item: the cache key, and the row's member, which is "" for an item view."""

State = tuple[int, Image | None]
"""An item's image, None where it does not exist, behind the sequence number of the record that shows it."""


class _Operation(Struct, frozen=True):
    """What all operations have.

    Attributes:
        view: the view's name.
        key: the cache key.
        lowest: the lowest sequence number that the operation stands for.
    """

    view: str
    key: str
    lowest: int


class SetEntry(_Operation, frozen=True):
    """Write an item's entry.

    Attributes:
        value: JSON.
        ttl_seconds: how long the entry lives.
    """

    value: bytes
    ttl_seconds: int


class DeleteEntry(_Operation, frozen=True):
    """Take an item's entry away."""


class UpdateList(_Operation, frozen=True):
    """Bring a list up to date.

    Attributes:
        ttl_seconds: how long the list lives.
        definition: the view.
        edits: member to its row; None: the row goes.
        condition: what the view's `rebuild_from` asks its index for; None where the view has none.
    """

    ttl_seconds: int
    definition: ListView
    edits: Mapping[str, Row | None]
    condition: Mapping[str, AttributeValue] | None


Operation = SetEntry | DeleteEntry | UpdateList


class KeyCollisionError(Exception):
    """Two views give one cache key. Names the views, not the key."""


class Plan(Struct, frozen=True):
    """What to do.

    Attributes:
        operations: one for each cache key, lowest sequence number first.
        rejections: what can not be done, and why.
    """

    operations: tuple[Operation, ...]
    rejections: tuple[Rejection, ...]


class _Draft(Struct):
    """An operation in the making.

    Attributes:
        view: the view's name.
        lowest: the lowest sequence number, which is the first item's, for the items come in that order.
        writes: row to the last write of it, with its sequence number; the row of an item's entry is "".
        condition: what a rebuild would ask for.
    """

    view: str
    lowest: int
    writes: dict[str, tuple[int, Row | None]]
    condition: Mapping[str, AttributeValue] | None


def plan(changes: Iterable[NetChange], settings: Settings) -> Plan:
    """Plan the operations that bring every view up to the last image of every item.

    Where one item leaves a key (or row) and another takes it, the last sequence number wins. An item that one view
    can not show is rejected for that view alone. An item of which a view shows the same before, throughout and after
    the batch is nothing to do, unless it was refreshed or `skip_unchanged` is off.
    """
    drafts: dict[str, _Draft] = {}
    rejections: list[Rejection] = []
    for change in changes:
        images = list(_images(change))
        skips = settings.skip_unchanged and _same(image and image.get(REFRESH) for _, image in images)
        for name, view in settings.views.items():
            try:
                places = [place_of(view, image) for _, image in images]
                if not (skips and _unchanged(view, images, places)):
                    _draft(drafts, name, view, change.lowest, images, places)
            except (AttributeValueError, KeyCollisionError) as error:
                rejections.append(Rejection(change.lowest, str(error), item_hash(change.item), name))
    operations = sorted(
        (_operation(key, draft, settings) for key, draft in drafts.items()),
        key=lambda operation: operation.lowest,
    )
    return Plan(tuple(operations), tuple(rejections))


def row_of(view: View, image: Image) -> Row:
    """What a view shows of an item. Absent attributes are left out.

    Raises:
        AttributeValueError: the item holds a value that DynamoDB does not write.
    """
    return {name: encode(value) for name, value in _shown(view, image).items()}


def place_of(view: View, image: Image | None) -> Place | None:
    """Tell where a view shows an item.

    None: nowhere, for the item does not match, lacks an attribute of the key or member, or is not what a list is
    rebuilt from.
    """
    if image is None or (view.where is not None and not view.where.matches(image)):
        return None
    key = view.key.of(image)
    if key is None or isinstance(view, ItemView):
        return None if key is None else (key, "")
    if view.rebuild_from is not None and not view.rebuild_from.finds(image):
        return None
    member = view.member.fill(text(view.source(name).lookup(image)) for name in view.member.names)
    return None if member is None else (key, member)


def _shown(view: View, image: Image) -> Image:
    """What a view shows of an item, not yet encoded."""
    if view.fields is None:
        return {name: value for name, value in image.items() if name != REFRESH}
    found = ((name, path.lookup(image)) for name, path in view.fields.items())
    return {name: value for name, value in found if value is not None}


def _unchanged(view: View, images: list[State], places: list[Place | None]) -> bool:
    """Tell whether a view shows the same in all of an item's images.

    The first and the last are not enough: a list that was rebuilt meanwhile, or a write whose reply was lost, may have
    put one from between into the cache. Nor is what is shown, where the item moved within an index: a query that
    was reading it page by page may have missed it.
    """
    source = view.rebuild_from if isinstance(view, ListView) else None
    moves = () if source is None else source.index_key_attributes
    if places[0] is None or moves is None:
        return False
    return _same(places) and _same(
        image and (_shown(view, image), [image.get(name) for name in moves]) for _, image in images
    )


def _same(values: Iterable[Any]) -> bool:
    first, *others = values
    return all(other == first for other in others)


def _draft(
    drafts: dict[str, _Draft],
    name: str,
    view: View,
    lowest: int,
    images: list[State],
    places: list[Place | None],
) -> None:
    """Add to the drafts what one item's changes mean for one view, or nothing if that can not be told."""
    writes: dict[Place, tuple[int, Row | None]] = {}
    conditions: dict[str, Mapping[str, AttributeValue] | None] = {}
    place: Place | None = None
    for (sequence_number, image), now in zip(images, places, strict=True):
        if image is not None and now is not None:
            conditions[now[0]] = _condition(view, image)
        if place is not None and place != now:
            writes[place] = (sequence_number, None)
        place = now
    sequence_number, image = images[-1]
    if image is not None and place is not None:
        writes[place] = (sequence_number, row_of(view, image))
    for key, _ in writes:
        other = drafts.get(key)
        if other is not None and other.view != name:
            raise KeyCollisionError(f"the views {other.view} and {name} give the same cache key: tell their keys apart")
    for (key, member), write in writes.items():
        draft = drafts.setdefault(key, _Draft(name, lowest, {}, conditions[key]))
        if member not in draft.writes or draft.writes[member][0] <= write[0]:
            draft.writes[member] = write


def _images(change: NetChange) -> Iterator[State]:
    """Every state of the item.

    A record's image before is the last one's image after, unless the record between was rejected.
    """
    for each in change.changes:
        yield each.sequence_number, each.before
        yield each.sequence_number, each.after


def _condition(view: View, image: Image) -> Mapping[str, AttributeValue] | None:
    """The key values that a list's index is asked for: an attribute's own where the template is just its name."""
    if not isinstance(view, ListView) or view.rebuild_from is None:
        return None
    condition = view.rebuild_from.key_condition.items()
    values = ((attribute, template.value_of(image)) for attribute, template in condition)
    return {attribute: value for attribute, value in values if value is not None}


def _operation(key: str, draft: _Draft, settings: Settings) -> Operation:
    view = settings.views[draft.view]
    ttl_seconds = view.ttl_seconds or settings.ttl_seconds
    if isinstance(view, ListView):
        edits = {member: row for member, (_, row) in draft.writes.items()}
        return UpdateList(draft.view, key, draft.lowest, ttl_seconds, view, edits, draft.condition)
    _, row = draft.writes[""]
    if row is None:
        return DeleteEntry(draft.view, key, draft.lowest)
    return SetEntry(draft.view, key, draft.lowest, msgspec.json.encode(row), ttl_seconds)
