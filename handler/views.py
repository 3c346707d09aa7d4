"""Plan: what a batch's net changes mean for the cache, as the fewest operations that say it."""

import contextlib
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct, structs

from handler.attributes import AttributeValue, AttributeValueError, Image, encode, unpack
from handler.changes import NetChange
from handler.lists import Edit, Leaving
from handler.records import Change, ItemKey, Rejection, item_hash
from handler.settings import REFRESH, ItemView, ListView, Settings, View

Row = Mapping[str, Raw]
"""One row of a list, or one item's JSON: field name to encoded value."""

Encoded = dict[str, Raw]
"""Values of one image as JSON, by the path that finds them: each is encoded once for all views."""

Place = tuple[str, str]
"""Where a view shows an item: the cache key, and the row's member, which is "" for an item view."""

Write = tuple[int, bytes] | Leaving | None
"""What one item does to a place: its row, with the sequence number of the record that brought it; else it leaves."""


LOOKING_SHARE = 0.4
"""The share of the time after which no more records are looked at. What is left is for the requests: of the least
`timeout`, 20 s, that is what a query and an update take."""

RECORD_SHARE = 0.75
"""The share after which a record that is still being looked at is rejected for the views that have not seen it, also
amid a match."""

_TOO_LONG = (
    "matching the item with the views' `where` takes a third of the invocation's time or more: test less of it, or "
    "raise `memory_size` or `timeout`"
)


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
    """Delete an item's entry.

    Attributes:
        leaving: the values that may be deleted, where other items may have the key; None: any.
    """

    leaving: Leaving | None = None


class UpdateList(_Operation, frozen=True):
    """Bring a list up to date.

    Attributes:
        ttl_seconds: how long the list lives.
        definition: the view.
        edits: what becomes of each member.
        condition: what the view's `rebuild_from` asks its index for; None where the view has none.
        others: member to the condition of its item, where that is another one, because the item has a key of another
            type. Of these types, the index has one: which, its query tells.
    """

    ttl_seconds: int
    definition: ListView
    edits: Mapping[str, Edit]
    condition: Mapping[str, AttributeValue] | None
    others: Mapping[str, Mapping[str, AttributeValue]]

    @property
    def rest(self) -> "UpdateList | None":
        """What remains to be done where the index cannot have what the condition asks for."""
        condition = next(iter(self.others.values()), None)
        if condition is None:
            return None
        edits = {member: edit for member, edit in self.edits.items() if member in self.others}
        others = {member: other for member, other in self.others.items() if other != condition}
        return structs.replace(self, edits=edits, condition=condition, others=others)


Operation = SetEntry | DeleteEntry | UpdateList


class KeyCollisionError(Exception):
    """Two views give one cache key. Names the views, not the key."""


class Plan(Struct, frozen=True):
    """What to do.

    Attributes:
        operations: one for each cache key, lowest sequence number first.
        rejections: what can not be done, and why.
        left_out: the changes that there was no time to look at, oldest first.
    """

    operations: tuple[Operation, ...]
    rejections: tuple[Rejection, ...]
    left_out: tuple[Change, ...] = ()


class _Draft(Struct):
    """An operation in the making.

    Attributes:
        view: the view's name.
        lowest: the lowest sequence number of its items' first changes.
        writes: member to the write that counts; an item's entry has the member "".
        condition: what a rebuild would ask for.
        others: member to the condition of its item, where that is another one.
    """

    view: str
    lowest: int
    writes: dict[str, Write]
    condition: Mapping[str, AttributeValue] | None
    others: dict[str, Mapping[str, AttributeValue]]


def plan(changes: Iterable[NetChange], settings: Settings, used: Callable[[], float] = lambda: 0.0) -> Plan:
    """Plan the operations that bring every view up to the last image of every item.

    Where one item leaves a key (or row) and another has it in the end, the other's stays, whatever the order of their
    records: those of one transaction come in any order. Where two items have it, against `unique`, the last sequence
    number wins. A record with an image that a view cannot show is rejected for that view alone, which goes on without
    the image. An item of which a view shows the same before, throughout and after the batch is nothing to do, unless it
    was refreshed, another item leaves its place, or `skip_unchanged` is off.

    Args:
        changes: by item, lowest sequence number first.
        settings: the views.
        used: tells which share of the time has passed. The data of items decides how long a `where` takes: what was
            looked at in LOOKING_SHARE is planned as if it were all.
    """
    views = settings.views
    untyped = frozenset(name for name, view in views.items() if _asks_for_unknown_types(view))
    left_out: list[Change] = []
    drafts: dict[str, _Draft] = {}
    stays: dict[tuple[str, Place], _State] = {}
    rejections: list[Rejection] = []
    for item in _looked_at(changes, views.values(), used, left_out):
        skips = settings.skip_unchanged and _same(image and image.get(REFRESH) for _, image, _ in item.images)
        encoded: dict[int, Encoded] = {}
        for (name, view), seen in zip(views.items(), item.seen, strict=True):
            if skips and _unchanged(view, seen.states):
                # As in _writes(): an image from before the batch is not written again, because another item may have
                # had the place since.
                stays.update(
                    {(name, each.place): each for each in seen.states if each.place is not None and each.is_new}
                )
            else:
                row = _last_row(view, seen, encoded)
                try:
                    writes = _writes(view, seen.states, row, encoded, item.key)
                    _draft(drafts, name, view, item, writes, seen.states, is_typed=name not in untyped)
                except KeyCollisionError as error:
                    seen.rejected[item.lowest] = str(error)
            rejections += [
                Rejection(sequence_number, reason, item_hash(item.key), name)
                for sequence_number, reason in seen.rejected.items()
            ]
    for key, draft in drafts.items():
        for member, write in draft.writes.items():
            stay = stays.get((draft.view, (key, member)))
            if isinstance(write, Leaving) and stay is not None and stay.image is not None:
                # What the view cannot show was never there.
                with contextlib.suppress(AttributeValueError):
                    row = row_of(settings.views[draft.view], stay.image, {})
                    draft.writes[member] = (stay.sequence_number, msgspec.json.encode(row))
    operations = sorted(
        (_operation(key, draft, settings) for key, draft in drafts.items()),
        key=lambda operation: operation.lowest,
    )
    return Plan(tuple(operations), tuple(rejections), tuple(left_out))


def row_of(view: View, image: Image, encoded: Encoded) -> Row:
    """What a view shows of an item. Absent attributes are left out.

    Args:
        view: the view.
        image: the item.
        encoded: what was encoded of the image for other views, and now is for this one.

    Raises:
        AttributeValueError: the item holds a value that DynamoDB does not write, or that the view cannot sort by.
    """
    if isinstance(view, ListView):
        view.check_order(image)
    row: dict[str, Raw] = {}
    if view.fields is None:
        for name, value in image.items():
            if name != REFRESH:
                if name not in encoded:
                    encoded[name] = encode(value)
                row[name] = encoded[name]
        return row
    for name, path in view.fields.items():
        key = path.text
        if key in encoded:
            row[name] = encoded[key]
        elif (found := path.lookup(image)) is not None:
            row[name] = encoded[key] = encode(found)
    return row


def place_of(view: View, image: Image | None, check: Callable[[], None] = lambda: None) -> Place | None:
    """Tell where a view shows an item.

    None: nowhere, for the item does not match, lacks an attribute of the key or member, or is not what a list is
    rebuilt from.

    Args:
        view: the view.
        image: the item.
        check: raises what ends a match if there is no more time for it.
    """
    if image is None or (view.where is not None and not view.where.matches(image, check)):
        return None
    key = view.key.of(image)
    if key is None or isinstance(view, ItemView):
        return None if key is None else (key, "")
    if view.rebuild_from is not None and not view.rebuild_from.finds(image):
        return None
    member = view.member.of(image)
    return None if member is None else (key, member)


def _shown(view: View, image: Image) -> Image:
    """What a view shows of an item, not yet encoded."""
    if view.fields is None:
        return {name: value for name, value in image.items() if name != REFRESH}
    shown: dict[str, AttributeValue] = {}
    for name, path in view.fields.items():
        value = path.lookup(image) if path.attribute is None else image.get(path.attribute)
        if value is not None:
            shown[name] = value
    return shown


class _State(NamedTuple):
    """An item as one of its images shows it.

    Attributes:
        sequence_number: of the record that has the image.
        image: None: the item does not exist.
        place: where the view shows it; None: nowhere.
        shown: what the view shows of it, not yet encoded; None: nothing.
        is_new: whether the batch brought it.
    """

    sequence_number: int
    image: Image | None
    place: Place | None
    shown: Image | None
    is_new: bool


class _Seen(NamedTuple):
    """What a view sees of an item's changes.

    Attributes:
        states: those that it can tell, oldest first.
        rejected: sequence number to why the view can not show one of the record's images.
    """

    states: list[_State]
    rejected: dict[int, str]


class _Item(NamedTuple):
    """What a batch did to one item, as far as it was looked at.

    Attributes:
        key: which item.
        lowest: the sequence number of its first change.
        images: its states: the sequence number of the record, the image, and whether the batch brought it.
        seen: what each view sees of them.
    """

    key: ItemKey
    lowest: int
    images: list[tuple[int, Image | None, bool]]
    seen: list[_Seen]


def _looked_at(
    changes: Iterable[NetChange], views: Collection[View], used: Callable[[], float], left_out: list[Change]
) -> Iterator[_Item]:
    """Look at changes in the order of their records until the time is up. Give each item once it was looked at.

    What is left is added to `left_out`.
    """

    def check() -> None:
        if used() > RECORD_SHARE:
            raise AttributeValueError(_TOO_LONG)

    begun: dict[ItemKey, _Item] = {}
    in_order = _in_order(changes)
    for position, (_, change, is_last) in enumerate(in_order):
        if used() > LOOKING_SHARE:
            left_out += [each for _, each, _ in in_order[position:]]
            break
        item = begun.pop(change.item, None)
        if item is None:
            item = _Item(change.item, change.sequence_number, [], [_Seen([], {}) for _ in views])
        known = len(item.images)
        # A record's image before is the last one's image after, and looked at once, unless the record between was
        # rejected, which has brought it then.
        if not known or change.before != item.images[-1][1]:
            item.images.append((change.sequence_number, change.before, known > 0))
        item.images.append((change.sequence_number, change.after, True))
        new = item.images[known:]
        for view, seen in zip(views, item.seen, strict=True):
            if view.where is not None and used() > RECORD_SHARE:
                seen.rejected[change.sequence_number] = _TOO_LONG
            else:
                _look(view, new, seen, check)
        if is_last:
            yield item
        else:
            begun[change.item] = item
    yield from begun.values()


def _in_order(changes: Iterable[NetChange]) -> list[tuple[int, Change, bool]]:
    """Return all changes by sequence number, each item's in the order that they have, and whether it is its last."""
    numbered: list[tuple[int, Change, bool]] = []
    for each in changes:
        number = 0
        for change in each.changes:
            number = max(number, change.sequence_number)
            numbered.append((number, change, change is each.changes[-1]))
    numbered.sort(key=operator.itemgetter(0))
    return numbered


def _look(view: View, images: Iterable[tuple[int, Image | None, bool]], seen: _Seen, check: Callable[[], None]) -> None:
    """Add to what a view sees of an item."""
    for sequence_number, image, is_new in images:
        try:
            place = place_of(view, image, check)
            shown = None if image is None or place is None else _shown(view, image)
            seen.states.append(_State(sequence_number, image, place, shown, is_new))
        except AttributeValueError as error:
            seen.rejected[sequence_number] = str(error)


def _last_row(view: View, seen: _Seen, encoded: dict[int, Encoded]) -> Row | None:
    """Encode the last state that can be, and leave out those after it; None: it is shown nowhere.

    Args:
        view: the view.
        seen: the states.
        encoded: what was encoded of each image, by its identity.
    """
    while seen.states and (image := seen.states[-1].image) is not None and seen.states[-1].place is not None:
        try:
            return row_of(view, image, encoded.setdefault(id(image), {}))
        except AttributeValueError as error:
            seen.rejected[seen.states.pop().sequence_number] = str(error)
    return None


def _unchanged(view: View, states: list[_State]) -> bool:
    """Tell whether a view shows the same in all of an item's images.

    The first and the last are not enough: a list that was rebuilt meanwhile, or a write whose reply was lost, may have
    put one from between into the cache. Nor is what is shown, where the item moved within an index: a query that
    was reading it page by page may have missed it.
    """
    source = view.rebuild_from if isinstance(view, ListView) else None
    moves = () if source is None else source.index_key_attributes
    if moves is None:
        return False
    return _same((each.place, each.shown) for each in states) and _same(
        [each.image.get(name) for name in moves] for each in states if each.image is not None
    )


def _same(values: Iterable[Any]) -> bool:
    others = iter(values)
    first = next(others, None)
    return all(other == first for other in others)


def _writes(
    view: View, states: Sequence[_State], row: Row | None, encoded: dict[int, Encoded], item: ItemKey
) -> dict[Place, Write]:
    """Return what one item's states mean for one view: the place that it has in the end, and those that it left.

    The image before the batch is in the cache already. It is not written again where the one after it
    was rejected: another item may have the place by now.

    Args:
        view: the view.
        states: the item's, oldest first.
        row: what the last of them shows.
        encoded: what was encoded of each image, by its identity.
        item: its primary key.
    """
    shown: dict[Place, list[Image]] = {}
    for state in states:
        if state.place is not None and state.image is not None:
            shown.setdefault(state.place, []).append(state.image)
    left = [place for place in shown if place != states[-1].place]
    shares = bool(left) and view.shares_places([name for name, _, _ in item])
    writes: dict[Place, Write] = {
        place: _leaving(view, shown[place], encoded, item) if shares else None for place in left
    }
    if row is not None and states[-1].place is not None and states[-1].is_new:
        writes[states[-1].place] = (states[-1].sequence_number, msgspec.json.encode(row))
    return writes


def _leaving(view: View, images: Sequence[Image], encoded: dict[int, Encoded], item: ItemKey) -> Leaving:
    """Return what an item may take away where a view showed these images of it."""
    items = frozenset([item])
    shown = view.shown_keys([name for name, _, _ in item])
    if len(shown) == len(item):
        key = {name: encode(images[0][attribute]) for name, attribute in shown.items()}
        return Leaving(frozenset([msgspec.json.encode(key)]), True, frozenset(shown), frozenset(), items)
    own: set[bytes] = set()
    for image in images:
        # What the view cannot show was never written.
        with contextlib.suppress(AttributeValueError):
            own.add(msgspec.json.encode(row_of(view, image, encoded.setdefault(id(image), {}))))
    return Leaving(frozenset(own), False, frozenset(shown), frozenset(view.fields or ()), items)


def _draft(
    drafts: dict[str, _Draft],
    name: str,
    view: View,
    item: _Item,
    writes: Mapping[Place, Write],
    states: Sequence[_State],
    *,
    is_typed: bool,
) -> None:
    """Add to the drafts what one item's states mean for one view."""
    for key, _ in writes:
        other = drafts.get(key)
        if other is not None and other.view != name:
            raise KeyCollisionError(f"the views {other.view} and {name} give the same cache key: tell their keys apart")
    for (key, member), write in writes.items():
        draft = drafts.get(key)
        if draft is None:
            draft = drafts[key] = _Draft(name, item.lowest, {}, _condition(view, key, states), {})
        elif not is_typed and not view.shares_places([name for name, _, _ in item.key]):
            condition = _condition(view, key, states)
            if condition and draft.condition and _types(condition) != _types(draft.condition):
                draft.others[member] = condition
        draft.lowest = min(draft.lowest, item.lowest)
        draft.writes[member] = _later(draft.writes[member], write) if member in draft.writes else write


def _later(one: Write, other: Write) -> Write:
    """Return which of two items' writes counts: a row before a leaving, and the later of two rows."""
    rows = [write for write in (one, other) if isinstance(write, tuple)]
    if rows:
        return max(rows)
    match one, other:
        case Leaving() as first, Leaving() as second:
            return first.joined(second)
    return None


def _condition(view: View, key: str, states: Sequence[_State]) -> Mapping[str, AttributeValue] | None:
    """The key values that a list's index is asked for: an attribute's own where the template is just its name."""
    if not isinstance(view, ListView) or view.rebuild_from is None:
        return None
    image = next(each.image for each in reversed(states) if each.image and each.place and each.place[0] == key)
    condition = view.rebuild_from.condition(image).items()
    return {attribute: value for attribute, value in condition if value is not None}


def _asks_for_unknown_types(view: View) -> bool:
    """Return whether items may be of one list that have its index's key with different types."""
    return isinstance(view, ListView) and view.rebuild_from is not None and not view.rebuild_from.is_typed


def _types(condition: Mapping[str, AttributeValue]) -> list[str]:
    return [unpack(value)[0] for value in condition.values()]


def _operation(key: str, draft: _Draft, settings: Settings) -> Operation:
    view = settings.views[draft.view]
    ttl_seconds = view.ttl_seconds or settings.ttl_seconds
    edits = {member: write[1] if isinstance(write, tuple) else write for member, write in draft.writes.items()}
    if isinstance(view, ListView):
        return UpdateList(draft.view, key, draft.lowest, ttl_seconds, view, edits, draft.condition, draft.others)
    edit = edits[""]
    if isinstance(edit, bytes):
        return SetEntry(draft.view, key, draft.lowest, edit, ttl_seconds)
    return DeleteEntry(draft.view, key, draft.lowest, edit)
