"""The rules of Momento Cache as plain calls on bytes: no I/O, no threads, no clock of its own.

A call either applies in full, or raises `MomentoError` and changes nothing.
"""

import enum
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_BASE_10_INTEGER = re.compile(rb"-?[0-9]{1,19}")
_INT64 = range(-(2**63), 2**63)


class Code(enum.StrEnum):
    """The gRPC status codes by which the service refuses a request, under gRPC's own names."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAUTHENTICATED = "UNAUTHENTICATED"


class MomentoError(Exception):
    """A refused request; nothing has changed.

    Attributes:
        code: The gRPC status.
        message: The gRPC status message.
        err: The `err` trailer, which tells apart causes that share a status; `None` sends no trailer.
    """

    def __init__(self, code: Code, message: str, err: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.err = err


class ItemType(enum.Enum):
    """What a key holds, by the names of `ItemGetType`."""

    SCALAR = "SCALAR"
    DICTIONARY = "DICTIONARY"


class Relation(enum.Enum):
    """What a conditional set demands, as (if absent, if equal to the compared, if different from it).

    The hash conditions are the same table over hashes: PresentAndHashEqual is EQUAL, PresentAndNotHashEqual
    is PRESENT_AND_NOT_EQUAL, AbsentOrHashEqual is ABSENT_OR_EQUAL, AbsentOrNotHashEqual is NOT_EQUAL.
    """

    UNCONDITIONAL = (True, True, True)
    PRESENT = (False, True, True)
    ABSENT = (True, False, False)
    EQUAL = (False, True, False)
    NOT_EQUAL = (True, False, True)
    PRESENT_AND_NOT_EQUAL = (False, False, True)
    ABSENT_OR_EQUAL = (True, True, False)


@dataclass(frozen=True, slots=True)
class Condition:
    """A conditional set's relation and what it compares: a value or, for the hash conditions, a hash."""

    relation: Relation
    compared: bytes = b""


@dataclass(frozen=True, slots=True)
class CollectionTtl:
    """A dictionary's time to live: a new one takes it, an existing one only if `refresh`."""

    milliseconds: int
    refresh: bool


class TtlUpdate(enum.Enum):
    """Which way `Engine.update_ttl` may move an expiry."""

    INCREASE = "increase"
    DECREASE = "decrease"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's hard limits, by default those of Momento's public limits page.

    Attributes:
        item_bytes: The most an item may weigh, key included ("5 MB", which ListCaches reports as 4883 KB).
        element_bytes: The most a dictionary's field and value may weigh together.
        ttl_milliseconds: The longest time to live.
    """

    item_bytes: int = 4883 * 1024
    element_bytes: int = 128 * 1024
    ttl_milliseconds: int = 24 * 60 * 60 * 1000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Hashed:
    """A scalar's value with the hash that a conditional set compares."""

    value: bytes
    hash: bytes


@dataclass(slots=True)
class _Scalar:
    value: bytes
    expires_at: int


@dataclass(slots=True)
class _Dictionary:
    fields: dict[bytes, bytes]
    weight: int
    expires_at: int


class Engine:
    """The caches of one account.

    Args:
        clock: Gives the present in milliseconds; it must never go back.
        limits: The account's limits.

    Every call that names a cache raises NOT_FOUND (`cache_not_found`) where that does not exist, and every
    call that names a key raises INVALID_ARGUMENT where that is empty. Items expire to the millisecond.
    """

    def __init__(self, clock: Callable[[], int], limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._clock = clock
        self._caches: dict[str, dict[bytes, _Scalar | _Dictionary]] = {}

    # Caches

    def create_cache(self, cache: str) -> None:
        """Create an empty cache, or raise ALREADY_EXISTS."""
        if not cache.strip():
            raise MomentoError(Code.INVALID_ARGUMENT, "Cache name must not be empty")
        if cache in self._caches:
            raise MomentoError(Code.ALREADY_EXISTS, f"Cache with name: {cache} already exists")
        self._caches[cache] = {}

    def delete_cache(self, cache: str) -> None:
        """Delete a cache with all its items."""
        self._items(cache)
        del self._caches[cache]

    def list_caches(self) -> list[str]:
        """Give the names of all caches, sorted."""
        return sorted(self._caches)

    def flush_cache(self, cache: str) -> None:
        """Drop all items of a cache."""
        self._items(cache).clear()

    # Scalars

    def get(self, cache: str, key: bytes) -> bytes | None:
        """Give a scalar's value."""
        item = self._find(cache, key)
        return None if item is None else _scalar_value(item)

    def get_with_hash(self, cache: str, key: bytes) -> Hashed | None:
        """Give a scalar's value with its hash."""
        value = self.get(cache, key)
        return None if value is None else Hashed(value, _hash(value))

    def set(self, cache: str, key: bytes, value: bytes, ttl_milliseconds: int) -> None:
        """Store a scalar, whatever the key held."""
        self._items(cache)[key] = self._new_scalar(key, value, ttl_milliseconds)

    def set_if(self, cache: str, key: bytes, value: bytes, ttl_milliseconds: int, condition: Condition) -> bool:
        """Store a scalar if the condition holds for the present value; tell whether it was stored."""
        new = self._new_scalar(key, value, ttl_milliseconds)
        stores = _holds(condition, self._find(cache, key), lambda present: present)
        if stores:
            self._items(cache)[key] = new
        return stores

    def set_if_hash(
        self, cache: str, key: bytes, value: bytes, ttl_milliseconds: int, condition: Condition
    ) -> bytes | None:
        """Store a scalar if the condition holds for the present hash; give the new hash if it was stored."""
        new = self._new_scalar(key, value, ttl_milliseconds)
        if not _holds(condition, self._find(cache, key), _hash):
            return None
        self._items(cache)[key] = new
        return _hash(value)

    def set_if_not_exists(self, cache: str, key: bytes, value: bytes, ttl_milliseconds: int) -> bool:
        """Store a scalar if the key is absent; tell whether it was stored."""
        return self.set_if(cache, key, value, ttl_milliseconds, Condition(Relation.ABSENT))

    def delete(self, cache: str, key: bytes) -> None:
        """Drop an item of any type; an absent one is no error."""
        self._find(cache, key)
        self._items(cache).pop(key, None)

    def increment(self, cache: str, key: bytes, amount: int, ttl_milliseconds: int) -> int:
        """Add to a scalar that holds a base-10 integer (an absent one counts from 0) and give the sum."""
        item = self._find(cache, key)
        total = _sum(b"0" if item is None else _scalar_value(item), amount)
        self._items(cache)[key] = self._new_scalar(key, b"%d" % total, ttl_milliseconds)
        return total

    # Items of any type

    def keys_exist(self, cache: str, keys: Sequence[bytes]) -> list[bool]:
        """Tell for each key whether it holds an item."""
        return [self._find(cache, key) is not None for key in keys]

    def update_ttl(self, cache: str, key: bytes, ttl_milliseconds: int, update: TtlUpdate) -> bool | None:
        """Move an item's expiry to so long from now; tell whether it moved, `None` if there is no item."""
        expires_at = self._expiry(ttl_milliseconds)
        item = self._find(cache, key)
        if item is None:
            return None
        moves = {
            TtlUpdate.INCREASE: expires_at > item.expires_at,
            TtlUpdate.DECREASE: expires_at < item.expires_at,
            TtlUpdate.OVERWRITE: True,
        }[update]
        if moves:
            item.expires_at = expires_at
        return moves

    def item_get_ttl(self, cache: str, key: bytes) -> int | None:
        """Give the milliseconds that an item has left."""
        item = self._find(cache, key)
        return None if item is None else item.expires_at - self._clock()

    def item_get_type(self, cache: str, key: bytes) -> ItemType | None:
        """Give an item's type."""
        match self._find(cache, key):
            case None:
                return None
            case _Scalar():
                return ItemType.SCALAR
            case _Dictionary():
                return ItemType.DICTIONARY

    # Batches

    def get_batch(self, cache: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Give the value of each scalar, in the order of the keys."""
        self._items(cache)
        return [self.get(cache, key) for key in keys]

    def set_batch(self, cache: str, items: Sequence[tuple[bytes, bytes, int]]) -> None:
        """Store (key, value, ttl_milliseconds) in this order; one illegal item refuses the whole batch."""
        stored = self._items(cache)
        stored.update([(key, self._new_scalar(key, value, ttl)) for key, value, ttl in items])

    # Dictionaries

    def dictionary_get(self, cache: str, dictionary: bytes, fields: Sequence[bytes]) -> list[bytes | None] | None:
        """Give the value of each field, in the order of the fields; `None` if there is no such dictionary."""
        found = self._find_dictionary(cache, dictionary)
        return None if found is None else [found.fields.get(field) for field in fields]

    def dictionary_fetch(self, cache: str, dictionary: bytes) -> dict[bytes, bytes] | None:
        """Give a copy of the whole dictionary."""
        found = self._find_dictionary(cache, dictionary)
        return None if found is None else dict(found.fields)

    def dictionary_length(self, cache: str, dictionary: bytes) -> int | None:
        """Give the number of fields."""
        found = self._find_dictionary(cache, dictionary)
        return None if found is None else len(found.fields)

    def dictionary_set(self, cache: str, dictionary: bytes, fields: Mapping[bytes, bytes], ttl: CollectionTtl) -> None:
        """Set fields, creating the dictionary if need be."""
        expires_at = self._expiry(ttl.milliseconds)
        found = self._find_dictionary(cache, dictionary)
        held = {} if found is None else found.fields
        weight = 0 if found is None else found.weight
        for field, value in fields.items():
            element = len(field) + len(value)
            if element > self.limits.element_bytes:
                message = f"Element size {element} exceeds the limit of {self.limits.element_bytes} bytes"
                raise MomentoError(Code.RESOURCE_EXHAUSTED, message, "element_size_limit_exceeded")
            weight += element - (len(field) + len(held[field]) if field in held else 0)
        self._check_weight(len(dictionary) + weight)
        if found is None:
            if fields:
                self._items(cache)[dictionary] = _Dictionary(dict(fields), weight, expires_at)
            return
        found.fields.update(fields)
        found.weight = weight
        if ttl.refresh:
            found.expires_at = expires_at

    def dictionary_increment(self, cache: str, dictionary: bytes, field: bytes, amount: int, ttl: CollectionTtl) -> int:
        """Add to a field that holds a base-10 integer (an absent one counts from 0) and give the sum."""
        found = self._find_dictionary(cache, dictionary)
        total = _sum(b"0" if found is None else found.fields.get(field, b"0"), amount)
        self.dictionary_set(cache, dictionary, {field: b"%d" % total}, ttl)
        return total

    def dictionary_delete(self, cache: str, dictionary: bytes, fields: Sequence[bytes] | None = None) -> None:
        """Drop fields, or all (`None`); a dictionary without fields is gone. What is absent is no error."""
        found = self._find_dictionary(cache, dictionary)
        if found is None:
            return
        for field in list(found.fields) if fields is None else fields:
            value = found.fields.pop(field, None)
            if value is not None:
                found.weight -= len(field) + len(value)
        if not found.fields:
            del self._items(cache)[dictionary]

    # What no client can ask for

    def evict(self, cache: str, key: bytes) -> None:
        """Drop an item as the service may at any time, when it needs the memory."""
        self._items(cache).pop(key, None)

    def keys(self, cache: str) -> list[bytes]:
        """Give the keys of all items, sorted: for a proof that nothing is left behind."""
        return sorted(key for key in list(self._items(cache)) if self._find(cache, key) is not None)

    def _items(self, cache: str) -> dict[bytes, _Scalar | _Dictionary]:
        try:
            return self._caches[cache]
        except KeyError:
            raise MomentoError(Code.NOT_FOUND, f"Cache with name: {cache} doesn't exist", "cache_not_found") from None

    def _find(self, cache: str, key: bytes) -> _Scalar | _Dictionary | None:
        items = self._items(cache)
        _check_key(key)
        item = items.get(key)
        if item is not None and item.expires_at <= self._clock():
            items.pop(key, None)
            return None
        return item

    def _find_dictionary(self, cache: str, dictionary: bytes) -> _Dictionary | None:
        item = self._find(cache, dictionary)
        if isinstance(item, _Scalar):
            raise MomentoError(Code.FAILED_PRECONDITION, "The item is a scalar, not a dictionary")
        return item

    def _new_scalar(self, key: bytes, value: bytes, ttl_milliseconds: int) -> _Scalar:
        _check_key(key)
        self._check_weight(len(key) + len(value))
        return _Scalar(value, self._expiry(ttl_milliseconds))

    def _expiry(self, ttl_milliseconds: int) -> int:
        if not 0 < ttl_milliseconds <= self.limits.ttl_milliseconds:
            message = f"TTL must be 1 to {self.limits.ttl_milliseconds} milliseconds, not {ttl_milliseconds}"
            raise MomentoError(Code.INVALID_ARGUMENT, message)
        return self._clock() + ttl_milliseconds

    def _check_weight(self, weight: int) -> None:
        if weight > self.limits.item_bytes:
            message = f"Item size {weight} exceeds the limit of {self.limits.item_bytes} bytes"
            raise MomentoError(Code.RESOURCE_EXHAUSTED, message, "item_size_limit_exceeded")


def _check_key(key: bytes) -> None:
    if not key:
        raise MomentoError(Code.INVALID_ARGUMENT, "Key must not be empty")


def _scalar_value(item: _Scalar | _Dictionary) -> bytes:
    if isinstance(item, _Dictionary):
        raise MomentoError(Code.FAILED_PRECONDITION, "The item is a dictionary, not a scalar")
    return item.value


def _holds(condition: Condition, item: _Scalar | _Dictionary | None, view: Callable[[bytes], bytes]) -> bool:
    if_absent, if_equal, if_different = condition.relation.value
    if item is None:
        return if_absent
    if if_equal == if_different:
        return if_equal
    return if_equal if view(_scalar_value(item)) == condition.compared else if_different


def _hash(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=16).digest()


def _sum(value: bytes, amount: int) -> int:
    if not _BASE_10_INTEGER.fullmatch(value) or int(value) not in _INT64:
        raise MomentoError(Code.FAILED_PRECONDITION, "The value is not a 64-bit base-10 integer")
    total = int(value) + amount
    if total not in _INT64:
        raise MomentoError(Code.FAILED_PRECONDITION, "The sum does not fit a 64-bit integer")
    return total
