"""Watches the cache, and compares it with the table: what is promised, said without a word of the handler's."""

import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from operator import itemgetter
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


STAMP_BYTES = 16
"""Behind a list is so much white space, which stands for its view's definition, and which readers skip."""


def stamp_of(stored: bytes) -> bytes:
    """Give what stands behind a list for its view's definition; b"" where there is no such thing."""
    is_list = stored[-STAMP_BYTES - 1 : -STAMP_BYTES] == b"]" and stored[-STAMP_BYTES:].isspace()
    return stored[-STAMP_BYTES:] if is_list else b""


def _without_stamp(stored: bytes) -> bytes:
    return stored.removesuffix(stamp_of(stored))


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
        self._documents = model.documents()
        self._records: dict[int, Record] = {}
        self._acknowledged: set[int] = set()
        self._discarded: set[int] = set()
        self._excused: set[int] = set()
        self._handled: dict[int, tuple[float, bool]] = {}
        self._changed: dict[str, float] = {}
        self._changed_places: dict[Place, float] = {}
        self._lost: dict[str, float] = {}
        self._lost_while_rebuilt: dict[str, float] = {}
        self._expires: dict[str, float] = {}
        self._looked_at: dict[str, tuple[str, float]] = {}
        self._spoiled: dict[str, tuple[float, bytes | None]] = {}
        self._redefined: dict[str, tuple[float, bytes | None]] = {}
        self._junk_until = 0.0
        self._limited_until = -math.inf if model.limit is None else math.inf
        self._vain: Counter[int] = Counter()
        self._ever: dict[str, dict[str, Row]] = defaultdict(dict)
        self._recent: dict[str, dict[str, Row]] = defaultdict(dict)
        self._ever_held: dict[Place, set[Key]] = defaultdict(set)
        self._holders: dict[Place, set[Key]] = defaultdict(set)

    # What happens

    def written(self, record: Record) -> None:
        """Take note of a write to the table."""
        self._records[record.number] = record
        self._take_note(record)

    def _take_note(self, record: Record) -> None:
        for place, row in self._rows(record.after).items():
            self._ever[row.key][row.text] = self._recent[row.key][row.text] = row
            self._ever_held[place].add(record.key)
            self._holders[place].add(record.key)

    def handled(self, event: Mapping[str, Any], answer: Any, *, started: float, clean: bool) -> None:
        """Take note of what the handler answered for a batch.

        Args:
            event: the batch.
            answer: None: nothing, for it was killed.
            started: when the handler was given the batch.
            clean: nothing went wrong but what the batch holds itself, and there was time enough.
        """
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
        self._handled.update(dict.fromkeys(numbers, (started, clean)))
        if answer is None:
            return
        failed = [int(each["itemIdentifier"]) for each in answer["batchItemFailures"]]
        acknowledged = [number for number in numbers if number < min(failed, default=number + 1)]
        self._acknowledged.update(acknowledged)
        # One that was given up once, and is delivered again from an older checkpoint, is no longer.
        self._discarded.difference_update(acknowledged)
        self._excused.difference_update(acknowledged)
        last_of = {self._records[number].key: number for number in sorted(numbers)}
        for number in acknowledged:
            record = self._records[number]
            if record.poison is None:
                after = self._rows(record.after)
                self._change(record, started)
                for key, member in self._touched(record):
                    # An entry that its item left may be another's by now. A list is written whatever becomes of it.
                    if self.is_list(key) or (last_of[record.key] == number and (key, member) in after):
                        self._look_at_renewal(key, started)
                    if key == "manual" and self.is_spoiled(key) and self._spoiled[key][0] < started:
                        self.divergences.append(f"record {number} was acknowledged, but {key} is no list")
                    if self._is_redefined(key) and self._redefined[key][0] < started:
                        self.divergences.append(f"record {number} was acknowledged, but {key} is of another definition")
            if self._has_to_be_refused(record, is_last=last_of[record.key] == number):
                self.divergences.append(f"record {number} was acknowledged: {record.poison}")

    def unfinished(self, event: Mapping[str, Any], answer: Any, *, since: float, most: int) -> None:
        """Take note of a batch of which something was left undone, though nothing went wrong with a request.

        Args:
            event: the batch.
            answer: what the handler answered.
            since: the time of the oldest state that it can have read.
            most: how often that may happen to the batch's first record; 0: not even to a later one.
        """
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
        first = min(int(each["itemIdentifier"]) for each in answer["batchItemFailures"])
        poisoned = {self._records[number].key for number in numbers if self._records[number].poison is not None}
        record = self._records[first]
        # An item's records are handled as one.
        items = [self._records[number] for number in numbers if self._records[number].key == record.key]
        shows_junk = any("manual" in self._keys(each) for each in items) and self._has_seen_junk(since)
        if record.key in poisoned or shows_junk:
            return
        self._vain[first] += first == min(numbers) or not most
        if self._vain[first] > most:
            times = f"{self._vain[first]} times" if most else "though there was time"
            self.divergences.append(f"record {first} was left undone {times}, and nothing went wrong")

    def _keys(self, record: Record) -> set[str]:
        return {key for key, _ in {**self._rows(record.before), **self._rows(record.after)}}

    def _has_seen_junk(self, since: float) -> bool:
        """Return whether the list that nothing rebuilds was something else since then."""
        return "manual" in self._spoiled or self._junk_until >= since

    def _has_to_be_refused(self, record: Record, *, is_last: bool) -> bool:
        """Tell whether nobody could show what a record says, where nothing later in its batch makes up for it."""
        if record.poison is Poison.VALUE:
            return is_last and not record.mends and bool(self._rows(record.after))
        return record.poison is not None

    def discarded(self, number: int, *, untried: bool, soon: bool) -> None:
        """Take note that a record was given up.

        In a batch that was handled with nothing wrong but what it holds itself, the other items have to be right.

        Args:
            number: the record's.
            untried: not after a last attempt, but for its age. What came before it may have been tried again since.
            soon: after few attempts. Faults come to an end, so that none of many attempts may be in vain.
        """
        if not untried and not soon:
            self.divergences.append(f"record {number} was given up, whatever was tried")
        self._discarded.add(number)
        started, clean = self._handled.get(number, (0.0, False))
        if untried or not clean:
            self._excused.add(number)
        elif self._records[number].poison is None:
            self._change(self._records[number], started)

    def lost(self, key: str, *, while_rebuilt: bool = False) -> None:
        """Take note that Momento dropped an entry.

        Args:
            key: its key.
            while_rebuilt: whether it may be a list that is being rebuilt from what was read before.
        """
        self._lost[key] = self._clock()
        if while_rebuilt:
            self._lost_while_rebuilt[key] = self._clock()
        self._unspoil(key)

    def spoiled(self, key: str) -> None:
        """Take note that another program overwrote a list."""
        self._redefined.pop(key, None)
        self._spoiled[key] = self._clock(), self._stored(key)

    def filled(self, key: str) -> None:
        """Take note that the application has filled a list: it is no longer lost."""
        self._lost.pop(key, None)
        self._unspoil(key)

    def _unspoil(self, key: str) -> None:
        self._redefined.pop(key, None)
        if self._spoiled.pop(key, None) and key == "manual":
            self._junk_until = self._clock()

    def rewound(self) -> None:
        """Take note that old records are delivered again, and with them old states come back."""
        for key, rows in self._ever.items():
            self._recent[key] = dict(rows)
        for place, holders in self._ever_held.items():
            self._holders[place] = set(holders)

    def redeployed(self, model: Model, *, shows_others: bool) -> None:
        """Take note that lists have another definition.

        Args:
            model: the views now.
            shows_others: whether they show other items, or more or less of them, and not only so many in some order.
        """
        if model.limit is not None:
            self._limited_until = math.inf
        elif self._model.limit is not None:
            # A list that was cut then may be away until it changes.
            self._limited_until = self._clock()
        self._model = model
        if shows_others:
            for record in self._records.values():
                self._take_note(record)

    def redefined(self, key: str) -> None:
        """Take note that a list is of another definition than its view has now: the next change puts that right."""
        self._redefined[key] = self._clock(), self._stored(key)

    def defined(self, key: str) -> None:
        """Take note that a list is of its view's definition, maybe again."""
        self._redefined.pop(key, None)

    def keep(self, amount: float, most: float, what: str) -> None:
        """Hold the handler to a bound."""
        if amount > most:
            self.divergences.append(f"{amount} {what}, of {most}")

    def absent(self) -> list[str]:
        """Return the keys that items gave rise to and that are not cached."""
        return [key for key in self._ever if self._cached(key) is None]

    def cleared(self) -> list[str]:
        """Return the lists that are taken away."""
        return [key for key in self._ever if self.is_list(key) and self._cached(key) == "null"]

    def is_spoiled(self, key: str) -> bool:
        """Return whether a list still is what another program made of it."""
        return key in self._spoiled and self._spoiled[key][1] == self._stored(key)

    def _is_redefined(self, key: str) -> bool:
        return key in self._redefined and self._redefined[key][1] == self._stored(key)

    def _is_left(self, key: str) -> bool:
        return self.is_spoiled(key) or self._is_redefined(key)

    def view_of(self, key: str) -> str:
        """Return the name of the view that an entry is of: its own, where no item ever gave rise to it."""
        return next((row.view for row in self._ever.get(key, {}).values()), key)

    def is_list(self, key: str) -> bool:
        """Return whether an entry is a list that items gave rise to."""
        return any(row.member != "" for row in self._ever.get(key, {}).values())

    def expired(self) -> int:
        """Take note of all that expired by now, and count it."""
        over = {key: at for key, at in self._expires.items() if at <= self._clock()}
        for key, at in over.items():
            self._lost[key] = max(self._lost.get(key, 0), at)
            self._unspoil(key)
            del self._expires[key]
        return len(over)

    def placed(self, key: str) -> None:
        """Take note of an entry that somebody else put into the cache, or of one that went."""
        expires = self._expiry(key)
        if expires:
            self._expires[key] = expires
            if not self.is_spoiled(key):
                self._looked_at[key] = str(self._cached(key)), expires
        else:
            self._expires.pop(key, None)

    def _expiry(self, key: str) -> float:
        """When an entry expires, 0 where there is none."""
        remaining = self._engine.item_get_ttl(CACHE, key.encode())
        return self._clock() + remaining / 1000 if remaining else 0.0

    def stored(self, key: str) -> None:
        """Look at what a request made of an entry."""
        before, was_to_expire = self._looked_at.get(key), self._expires.get(key)
        text, expires = self._cached(key), self._expiry(key)
        if text is None or self._is_left(key):
            self.placed(key)
            return
        if before is not None and before[0] == text and abs(before[1] - expires) <= self._exact_seconds:
            # The condition of the request did not hold, and the entry is what it was.
            return
        self._looked_at[key] = text, expires
        self.placed(key)
        if self._spoiled.pop(key, None) and key == "manual":
            self.divergences.append(f"{key}: {text}, over what was no list, though nothing rebuilds it")
        lives = self._expires[key] - self._clock()
        if self._redefined.pop(key, None) and key == "manual":
            # Nothing can rebuild it: it has to go, for the application to fill it.
            if text != "null" or lives > 5 + self._exact_seconds:
                self.divergences.append(f"{key}: {text} for {lives} s, over a list of another definition")
            self._lost[key] = self._expires[key]
        elif text == "null":
            if self._ever.get(key):
                self._look_at_absence(key, lives, "" if before is None else before[0])
        elif (
            abs(expires - (was_to_expire or 0)) > self._exact_seconds
            and abs(lives - self._ttl_seconds) > self._exact_seconds
        ):
            self.divergences.append(f"{key}: lives {lives} s")
        self._look_at_states(key, text)

    def _look_at_states(self, key: str, text: str) -> None:
        """Look whether an entry shows what its items are, or lately were."""
        if not self._ever.get(key):
            self.divergences.append(f"{key}: {text}, but no item ever gave rise to it")
        elif not self.is_list(key):
            if text not in self._recent[key]:
                self.divergences.append(f"{key}: {text}, which its item never was, or no longer is")
        elif text != "null":
            self._look_at_list(key, text)

    def _look_at_absence(self, key: str, seconds: float, before: str) -> None:
        """Tell whether a list may be taken away: it could be too big for Momento now, or was cut at its own limit.

        One that was cut has to come back by itself where it can be rebuilt: it is no loss.
        """
        if seconds > 5 + self._exact_seconds:
            reason = self._could_be_too_big(key) and seconds <= 300 + self._exact_seconds
        else:
            limit = self._model.limit
            source = self._documents[next(iter(self._ever[key].values())).view].get("rebuild_from")
            members = {row.member for row in self._recent[key].values()}
            # The table itself is read at once instead.
            reason = limit is not None and len(members) >= limit and (source is None or "index_name" in source)
            # A list of fewer rows was never cut.
            reason = reason and len(msgspec.json.decode(before or "[]", type=list[Raw] | None) or ()) >= (limit or 0)
            if source is not None:
                del self._expires[key]
        if not reason:
            self.divergences.append(f"{key}: taken away for {seconds} s, for no reason")
        if key in self._expires:
            self._lost[key] = self._expires[key]

    def _could_be_too_big(self, key: str) -> bool:
        largest: dict[str, int] = defaultdict(int)
        for row in self._recent[key].values():
            largest[row.member] = max(largest[row.member], len(row.text.encode()))
        could_be = len(key.encode()) + sum(largest.values()) + len(largest) + 1 + STAMP_BYTES
        return could_be > self._engine.limits.item_bytes

    def _look_at_list(self, key: str, text: str) -> None:
        rows = self._parted(key, text)
        if None in rows:
            self.divergences.append(f"{key}: {text}, which has a row that its item never was, or no longer is")
            return
        known = [row for row in rows if row is not None]
        if len({row.member for row in known}) < len(known) or self._model.list_text(known) != text:
            self.divergences.append(f"{key}: {text}, which has an item twice, is out of order, or over its limit")

    def _look_at_renewal(self, key: str, started: float) -> None:
        """Look whether an entry was written since then: a change renews its TTL, even where nothing else changes."""
        expires = self._expiry(key)
        written = expires - self._ttl_seconds
        if expires and self._cached(key) != "null" and written < started - self._exact_seconds:
            self.divergences.append(f"{key}: changed at {started}, but last written at {written}")

    # What has to hold in the end

    def check(self, items: Iterable[Item], *, index_lags: bool) -> None:
        """Compare the cache with the table, once all is delivered.

        Args:
            items: the table's.
            index_lags: whether the index still shows what is no longer so.
        """
        self.expired()
        rows: dict[str, list[Row]] = defaultdict(list)
        holders: dict[Place, set[Key]] = defaultdict(set)
        for item in items:
            for row in self._model.rows(item):
                rows[row.key].append(row)
                holders[row.key, row.member].add((item["pk"], item["sk"]))
        self._check_records()
        exempt = self._exempt()
        unordered = {place for place in self._holders if self._is_unordered(place)}
        self._exempt_missing(unordered, exempt)
        if not index_lags:
            self._forget(rows, exempt)
        for key in self._ever:
            if self._is_left(key):
                self._check_left(key, rows[key])
            elif self.is_list(key):
                self._check_list(key, rows[key], exempt[key])
            elif not exempt[key] and ((key, "") not in unordered or self._cached(key) is not None):
                self._compare(key, self._cached(key), rows[key][0].text if rows[key] else None)
        if not index_lags:
            self._forget_holders(rows, holders, unordered)
        strangers = {key.decode() for key in self._engine.keys(CACHE)} - self._ever.keys() - {"manual"}
        self.divergences += [f"{key}: cached, but no item ever gave rise to it" for key in sorted(strangers)]

    def _check_records(self) -> None:
        for number, record in self._records.items():
            shown = self._rows(record.before) or self._rows(record.after)
            if number not in self._acknowledged | self._discarded and (shown or not self._filtered):
                self.divergences.append(f"record {number} was neither acknowledged nor given up")

    def _check_left(self, key: str, rows: Sequence[Row]) -> None:
        """What another program left is right at the next change, where it can be rebuilt. Another definition's goes."""
        changed = self._changed.get(key, 0)
        if self._is_redefined(key) and self._redefined[key][0] < changed:
            self.divergences.append(f"{key}: {self._cached(key)}, of another definition, though changed since")
        is_changed = key != "manual" and self.is_spoiled(key) and self._spoiled[key][0] < changed
        if is_changed and self._cached(key) != self._model.list_text(rows):
            self.divergences.append(f"{key}: {self._cached(key)}, which a change has not put right")

    def _forget(self, rows: Mapping[str, Sequence[Row]], exempt: Mapping[str, set[str]]) -> None:
        """Let past states be past: nobody delivers them any more, so that nobody has a reason to write them.

        Those of a record that was given up may have been left behind.
        """
        for key, ever in self._ever.items():
            known = [*rows.get(key, ()), *(row for row in ever.values() if row.member in exempt.get(key, ()))]
            self._recent[key] = {row.text: row for row in known}

    def _forget_holders(
        self,
        rows: Mapping[str, Sequence[Row]],
        holders: Mapping[Place, set[Key]],
        unordered: Container[Place],
    ) -> None:
        """Let who had a place be past, unless what is there is not right: that is excused until it changes again."""
        for place in self._holders:
            if place not in unordered or self._is_right(place, rows.get(place[0], ())):
                self._holders[place] = set(holders.get(place, ()))

    def _is_shared(self, place: Place) -> bool:
        return bool(self._documents[next(iter(self._ever[place[0]].values())).view].get("unique"))

    def _is_right(self, place: Place, rows: Sequence[Row]) -> bool:
        key, member = place
        expected = {row.text for row in rows if row.member == member}
        cached = self._cached(key)
        if cached is None or cached == "null":
            return not expected
        if self._is_left(key):
            return False
        parts = self._parted(key, cached) if member else [Row("", key, member, cached, None)]
        return {row.text for row in parts if row is not None and row.member == member} == expected

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
        elif self._changed.get(key, -math.inf) > self._limited_until and not self._could_be_too_big(key):
            self._compare(key, None, self._model.list_text(rows))

    def _compare(self, key: str, cached: str | None, expected: str | None) -> None:
        if expected is not None and len(key.encode()) + len(expected.encode()) > self._engine.limits.item_bytes:
            expected = None
        if cached != expected and (cached is not None or not self._may_be_absent(key)):
            self.divergences.append(f"{key}: cached {cached}, table {expected}")

    def _may_be_absent(self, key: str) -> bool:
        """Tell whether an entry was lost after the last change that it shows, or nothing brings it back."""
        return key in self._lost and (key == "manual" or self._lost[key] >= self._changed.get(key, 0))

    def _is_unordered(self, place: Place) -> bool:
        """Tell whether items shared a place whose changes are in no order, so that its entry or row may be absent.

        docs/guarantees.md, what we do not promise.
        """
        holders = self._holders[place]
        return len(holders) > 1 and (not self._ordered or len({partition for partition, _ in holders}) > 1)

    def _rows(self, item: Item | None) -> dict[Place, Row]:
        return {} if item is None else {(row.key, row.member): row for row in self._model.rows(item)}

    def _touched(self, record: Record) -> list[Place]:
        """Where a record changes what is shown, or refreshes it."""
        before, after = self._rows(record.before), self._rows(record.after)
        written = record.mends or (record.before or {}).get(REFRESH) != (record.after or {}).get(REFRESH)
        return [place for place in {**before, **after} if written or before.get(place) != after.get(place)]

    def _change(self, record: Record, started: float) -> None:
        """Take note of what a record that was handled has put right: a list, or an entry of its own item.

        An item that leaves an entry to another does not bring that one's back, should it be lost.
        """
        after = self._rows(record.after)
        for place in self._touched(record):
            self._changed_places[place] = started
            if self.is_list(place[0]) or place in after:
                self._changed[place[0]] = started

    def _exempt(self) -> dict[str, set[str]]:
        """The members of each key that the last record to touch them left unknown, for it was given up."""
        unknown: dict[Place, dict[Key, float]] = defaultdict(dict)
        for number, record in self._records.items():
            after = self._rows(record.after)
            places = self._touched(record) if record.poison is None else [*self._rows(record.before), *after]
            started, _ = self._handled.get(number, (0.0, False))
            for place in places:
                if record.poison is not None or number in self._excused:
                    unknown[place][record.key] = started
                elif number not in self._acknowledged or number in self._discarded:
                    continue
                elif place in after or not self._is_shared(place):
                    # Who takes a place leaves nothing of others there, but what came to it later, from another shard.
                    # Who leaves one that other items may have takes only what its last images show: not what a record
                    # left there that was given up later.
                    unknown[place] = {key: at for key, at in unknown[place].items() if at > started}
        exempt: dict[str, set[str]] = defaultdict(set)
        for (key, member), items in unknown.items():
            if items:
                exempt[key].add(member)
        for key, at in self._lost_while_rebuilt.items():
            members = {row.member for row in self._ever.get(key, {}).values()} - {""}
            exempt[key].update(member for member in members if at >= self._changed_places.get((key, member), 0))
        return exempt

    def _exempt_missing(self, unordered: Iterable[Place], exempt: Mapping[str, set[str]]) -> None:
        """Let rows be missing at places whose changes are in no order. Those that are there have to be right."""
        for key, member in filter(itemgetter(1), unordered):
            if member not in self._members(key):
                exempt[key].add(member)

    def _members(self, key: str) -> set[str]:
        """The members of a list's rows, as far as they are known."""
        cached = self._cached(key)
        if cached is None or cached == "null" or self._is_left(key):
            return set()
        return {row.member for row in self._parted(key, cached) if row is not None}

    def _parted(self, key: str, text: str) -> list[Row | None]:
        rows = self._recent[key]
        return [rows.get(self._model.canonical(bytes(raw))) for raw in msgspec.json.decode(text, type=list[Raw])]

    def _stored(self, key: str) -> bytes | None:
        return self._engine.get(CACHE, key.encode())

    def _cached(self, key: str) -> str | None:
        stored = self._stored(key)
        return None if stored is None else self._model.canonical(_without_stamp(stored))
