"""Watches the cache, and compares it with the table: what is promised, said without a word of the handler's."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from local.momento.engine import Engine
from tests.doubles import CACHE, Clock
from tests.property.model import Model, Row
from tests.property.table import Key, Poison, Record
from tests.stream import Item

REFRESH = "_cache_refresh"

Place = tuple[str, str]
"""A cache key, and the member of the row in its list; "" for an item view."""


class DivergenceError(AssertionError):
    """The cache is not what it is promised to be."""


class Checker:
    """What has to hold of one history.

    Args:
        model: the views.
        engine: Momento's.
        clock: the time.
        ordered: whether the changes of two items in one partition are in order.
        filtered: whether records that no view shows are not delivered.
        ttl_seconds: how long an entry lives.
        exact_seconds: how exactly that can be told.

    Attributes:
        divergences: what was seen that must never be.
    """

    def __init__(
        self,
        model: Model,
        engine: Engine,
        clock: Clock,
        *,
        ordered: bool,
        filtered: bool,
        ttl_seconds: int,
        exact_seconds: float,
    ) -> None:
        self.divergences: list[str] = []
        self._model = model
        self._engine = engine
        self._clock = clock
        self._ordered = ordered
        self._filtered = filtered
        self._ttl_seconds = ttl_seconds
        self._exact_seconds = exact_seconds
        self._sources = {name: view.get("rebuild_from") for name, view in model.documents().items()}
        self._records: dict[int, Record] = {}
        self._acknowledged: set[int] = set()
        self._discarded: set[int] = set()
        self._excused: set[int] = set()
        self._handled: dict[int, tuple[float, bool]] = {}
        self._changed: dict[str, float] = {}
        self._lost: dict[str, float] = {}
        self._expires: dict[str, float] = {}
        self._ever: dict[str, dict[str, Row]] = defaultdict(dict)
        self._holders: dict[str, set[Key]] = defaultdict(set)

    # What happens

    def written(self, record: Record) -> None:
        """Take note of a write to the table."""
        self._records[record.number] = record
        for (key, _), row in self._rows(record.after).items():
            self._ever[key][row.text] = row
            self._holders[key].add(record.key)

    def handled(self, event: Mapping[str, Any], answer: Any, *, started: float, clean: bool) -> None:
        """Take note of what the handler answered for a batch.

        Args:
            event: the batch.
            answer: None: nothing, for it was killed.
            started: when the handler was given the batch.
            clean: nothing went wrong but what the batch holds itself.
        """
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
        self._handled.update(dict.fromkeys(numbers, (started, clean)))
        if answer is None:
            return
        failed = [int(each["itemIdentifier"]) for each in answer["batchItemFailures"]]
        acknowledged = [number for number in numbers if number < min(failed, default=number + 1)]
        self._acknowledged.update(acknowledged)
        last_of = {self._records[number].key: number for number in numbers}
        for number in acknowledged:
            record = self._records[number]
            if record.poison is None:
                self._changed.update((key, started) for key, _ in self._touched(record))
            if self._has_to_be_refused(record, is_last=last_of[record.key] == number):
                self.divergences.append(f"record {number} was acknowledged: {record.poison}")

    def _has_to_be_refused(self, record: Record, *, is_last: bool) -> bool:
        """Tell whether nobody could show what a record says, where nothing later in its batch makes up for it."""
        if record.poison is Poison.VALUE:
            return is_last and not record.mends and bool(self._rows(record.after))
        return record.poison is not None

    def discarded(self, number: int, *, untried: bool) -> None:
        """Take note that a record was given up.

        In a batch that was handled with nothing wrong but what it holds itself, the other items have to be right.

        Args:
            number: the record's.
            untried: not after a last attempt, but for its age. What came before it may have been tried again since.
        """
        self._discarded.add(number)
        started, clean = self._handled.get(number, (0.0, False))
        if untried or not clean:
            self._excused.add(number)
        elif self._records[number].poison is None:
            self._changed.update((key, started) for key, _ in self._touched(self._records[number]))

    def lost(self, key: str) -> None:
        """Take note that Momento dropped an entry."""
        self._lost[key] = self._clock()

    def expired(self) -> int:
        """Take note of all that expired by now, and count it."""
        over = {key: at for key, at in self._expires.items() if at <= self._clock()}
        for key, at in over.items():
            self._lost[key] = max(self._lost.get(key, 0), at)
            del self._expires[key]
        return len(over)

    def placed(self, key: str) -> None:
        """Take note of an entry that somebody else put into the cache, or of one that went."""
        remaining = self._engine.item_get_ttl(CACHE, key.encode())
        if remaining is None:
            self._expires.pop(key, None)
        else:
            self._expires[key] = self._clock() + remaining / 1000

    def stored(self, key: str) -> None:
        """Look at what a request made of an entry."""
        expires = self._expires.get(key, 0)
        self.placed(key)
        text = self._cached(key)
        if text is None:
            return
        lives = self._expires[key] - self._clock()
        if text == "null":
            if self._ever.get(key):
                self._look_at_absence(key, lives)
        elif (
            abs(self._expires[key] - expires) > self._exact_seconds
            and abs(lives - self._ttl_seconds) > self._exact_seconds
        ):
            self.divergences.append(f"{key}: lives {lives} s")
        if not self._ever.get(key):
            self.divergences.append(f"{key}: {text}, but no item ever gave rise to it")
        elif not self._is_list(key):
            if text not in self._ever[key]:
                self.divergences.append(f"{key}: {text}, which its item never was")
        elif text != "null":
            self._look_at_list(key, text)

    def _look_at_absence(self, key: str, seconds: float) -> None:
        """Tell whether a list may be taken away: it could outgrow Momento's limit, or was cut at its own.

        One that was cut has to come back by itself where it can be rebuilt: it is no loss.
        """
        if seconds > 5 + self._exact_seconds:
            reason = self._could_be_too_big(key) and seconds <= 300 + self._exact_seconds
        else:
            limit = self._model.limit
            source = self._sources[next(iter(self._ever[key].values())).view]
            members = {row.member for row in self._ever[key].values()}
            # The table itself is read at once instead.
            reason = limit is not None and len(members) >= limit and (source is None or "index_name" in source)
            if source is not None:
                del self._expires[key]
        if not reason:
            self.divergences.append(f"{key}: taken away for {seconds} s, for no reason")
        if key in self._expires:
            self._lost[key] = self._expires[key]

    def _could_be_too_big(self, key: str) -> bool:
        largest: dict[str, int] = defaultdict(int)
        for row in self._ever[key].values():
            largest[row.member] = max(largest[row.member], len(row.text.encode()))
        could_be = len(key.encode()) + sum(largest.values()) + len(largest) + 1
        return could_be > self._engine.limits.item_bytes

    def _look_at_list(self, key: str, text: str) -> None:
        rows = self._parted(key, text)
        if None in rows:
            self.divergences.append(f"{key}: {text}, which has a row that its item never was")
            return
        known = [row for row in rows if row is not None]
        if len({row.member for row in known}) < len(known) or self._model.list_text(known) != text:
            self.divergences.append(f"{key}: {text}, which has an item twice, is out of order, or over its limit")

    # What has to hold in the end

    def check(self, items: Iterable[Item]) -> None:
        """Compare the cache with the table, once all is delivered."""
        self.expired()
        rows: dict[str, list[Row]] = defaultdict(list)
        for item in items:
            for row in self._model.rows(item):
                rows[row.key].append(row)
        for number, record in self._records.items():
            shown = self._rows(record.before) or self._rows(record.after)
            if number not in self._acknowledged | self._discarded and (shown or not self._filtered):
                self.divergences.append(f"record {number} was neither acknowledged nor given up")
        exempt = self._exempt()
        for key in self._ever:
            if self._is_list(key):
                self._check_list(key, rows[key], exempt[key])
            elif not exempt[key]:
                cached = self._cached(key)
                if cached is not None or not self._unordered(key):
                    self._compare(key, cached, rows[key][0].text if rows[key] else None)
        strangers = {key.decode() for key in self._engine.keys(CACHE)} - self._ever.keys() - {"manual"}
        self.divergences += [f"{key}: cached, but no item ever gave rise to it" for key in sorted(strangers)]

    def _check_list(self, key: str, rows: Sequence[Row], exempt: set[str]) -> None:
        cached = self._cached(key)
        if cached == "null":
            cached = None
        if not exempt:
            self._compare(key, cached, self._model.list_text(rows))
        elif cached is not None:
            # Those that are known come as they do without the others, down to where the list may have been cut.
            found = [row for row in self._parted(key, cached) if row is not None]
            known = [row for row in found if row.member not in exempt]
            expected = self._model.ordered([row for row in rows if row.member not in exempt])
            if self._model.limit is not None and len(found) == self._model.limit:
                expected = expected[: len(known)]
            if known != expected:
                self.divergences.append(f"{key}: cached {cached}, table {self._model.list_text(rows)}")
        elif key in self._changed and self._model.limit is None and not self._could_be_too_big(key):
            self._compare(key, None, self._model.list_text(rows))

    def _compare(self, key: str, cached: str | None, expected: str | None) -> None:
        if expected is not None and len(key.encode()) + len(expected.encode()) > self._engine.limits.item_bytes:
            expected = None
        if cached != expected and (cached is not None or not self._may_be_absent(key)):
            self.divergences.append(f"{key}: cached {cached}, table {expected}")

    def _may_be_absent(self, key: str) -> bool:
        """Tell whether an entry was lost after the last change that it shows, or nothing brings it back."""
        return key in self._lost and (key == "manual" or self._lost[key] >= self._changed.get(key, 0))

    def _unordered(self, key: str) -> bool:
        """Tell whether items shared a key whose changes are in no order, so that its entry may be absent.

        docs/guarantees.md, what we do not promise.
        """
        holders = self._holders[key]
        return len(holders) > 1 and (not self._ordered or len({partition for partition, _ in holders}) > 1)

    def _rows(self, item: Item | None) -> dict[Place, Row]:
        return {} if item is None else {(row.key, row.member): row for row in self._model.rows(item)}

    def _touched(self, record: Record) -> list[Place]:
        """Where a record changes what is shown, or refreshes it."""
        before, after = self._rows(record.before), self._rows(record.after)
        written = record.mends or (record.before or {}).get(REFRESH) != (record.after or {}).get(REFRESH)
        return [place for place in {**before, **after} if written or before.get(place) != after.get(place)]

    def _exempt(self) -> dict[str, set[str]]:
        """The members of each key that the last record to touch them left unknown, for it was given up."""
        exempt: dict[str, set[str]] = defaultdict(set)
        for number, record in self._records.items():
            if record.poison is not None:
                places = [*self._rows(record.before), *self._rows(record.after)]
            else:
                places = self._touched(record)
            for key, member in places:
                if record.poison is not None or number in self._excused:
                    exempt[key].add(member)
                elif number in self._acknowledged and number not in self._discarded:
                    exempt[key].discard(member)
        return exempt

    def _is_list(self, key: str) -> bool:
        return next(iter(self._ever[key].values())).member != ""

    def _parted(self, key: str, text: str) -> list[Row | None]:
        return [
            self._ever[key].get(self._model.canonical(bytes(raw))) for raw in msgspec.json.decode(text, type=list[Raw])
        ]

    def _cached(self, key: str) -> str | None:
        stored = self._engine.get(CACHE, key.encode())
        return None if stored is None else self._model.canonical(stored)
