"""What each RPC means: the service's messages translated to the engine's calls and back.

An RPC is a plain function from the engine, the cache's name and the request to the fields of the response. Which
messages it takes and gives, and whether it streams them, is read from the service's own descriptors.
"""

import math
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from momento_wire_types import cacheclient_pb2, controlclient_pb2

from local.momento.engine import Code, CollectionTtl, Condition, Engine, MomentoError, Relation, TtlUpdate

# protobuf makes its classes while running: what a message holds cannot be typed.
Request = Any
Fields = dict[str, Any]

_OK: Fields = {"result": cacheclient_pb2.Ok}
_MISS: Fields = {"result": cacheclient_pb2.Miss}
_MISSING: Fields = {"missing": {}}

_RELATIONS = {
    "present": Relation.PRESENT,
    "absent": Relation.ABSENT,
    "equal": Relation.EQUAL,
    "not_equal": Relation.NOT_EQUAL,
    "present_and_not_equal": Relation.PRESENT_AND_NOT_EQUAL,
    "absent_or_equal": Relation.ABSENT_OR_EQUAL,
    "unconditional": Relation.UNCONDITIONAL,
    "present_and_hash_equal": Relation.EQUAL,
    "absent_or_not_hash_equal": Relation.NOT_EQUAL,
    "present_and_not_hash_equal": Relation.PRESENT_AND_NOT_EQUAL,
    "absent_or_hash_equal": Relation.ABSENT_OR_EQUAL,
}

_TTL_UPDATES = {
    "increase_to_milliseconds": TtlUpdate.INCREASE,
    "decrease_to_milliseconds": TtlUpdate.DECREASE,
    "overwrite_to_milliseconds": TtlUpdate.OVERWRITE,
}


def _get(engine: Engine, cache: str, request: Request) -> Fields:
    return _hit_or_miss(engine.get(cache, request.cache_key))


def _get_with_hash(engine: Engine, cache: str, request: Request) -> Fields:
    hashed = engine.get_with_hash(cache, request.cache_key)
    return _MISSING if hashed is None else {"found": {"value": hashed.value, "hash": hashed.hash}}


def _get_batch(engine: Engine, cache: str, request: Request) -> list[Fields]:
    return [_hit_or_miss(value) for value in engine.get_batch(cache, [item.cache_key for item in request.items])]


def _set(engine: Engine, cache: str, request: Request) -> Fields:
    engine.set(cache, request.cache_key, request.cache_body, request.ttl_milliseconds)
    return _OK


def _set_batch(engine: Engine, cache: str, request: Request) -> list[Fields]:
    items = [(item.cache_key, item.cache_body, item.ttl_milliseconds) for item in request.items]
    engine.set_batch(cache, items)
    return [_OK] * len(items)


def _set_if(engine: Engine, cache: str, request: Request) -> Fields:
    stored = engine.set_if(
        cache, request.cache_key, request.cache_body, request.ttl_milliseconds, _condition(request, "value_to_check")
    )
    return {"stored": {}} if stored else {"not_stored": {}}


def _set_if_hash(engine: Engine, cache: str, request: Request) -> Fields:
    new_hash = engine.set_if_hash(
        cache, request.cache_key, request.cache_body, request.ttl_milliseconds, _condition(request, "hash_to_check")
    )
    return {"not_stored": {}} if new_hash is None else {"stored": {"new_hash": new_hash}}


def _set_if_not_exists(engine: Engine, cache: str, request: Request) -> Fields:
    stored = engine.set_if_not_exists(cache, request.cache_key, request.cache_body, request.ttl_milliseconds)
    return {"stored": {}} if stored else {"not_stored": {}}


def _delete(engine: Engine, cache: str, request: Request) -> Fields:
    engine.delete(cache, request.cache_key)
    return {}


def _keys_exist(engine: Engine, cache: str, request: Request) -> Fields:
    return {"exists": engine.keys_exist(cache, list(request.cache_keys))}


def _increment(engine: Engine, cache: str, request: Request) -> Fields:
    return {"value": engine.increment(cache, request.cache_key, request.amount, request.ttl_milliseconds)}


def _update_ttl(engine: Engine, cache: str, request: Request) -> Fields:
    chosen = _chosen(request, "update_ttl")
    moved = engine.update_ttl(cache, request.cache_key, getattr(request, chosen), _TTL_UPDATES[chosen])
    if moved is None:
        return _MISSING
    return {"set": {}} if moved else {"not_set": {}}


def _item_get_ttl(engine: Engine, cache: str, request: Request) -> Fields:
    remaining = engine.item_get_ttl(cache, request.cache_key)
    return _MISSING if remaining is None else {"found": {"remaining_ttl_millis": remaining}}


def _item_get_type(engine: Engine, cache: str, request: Request) -> Fields:
    item_type = engine.item_get_type(cache, request.cache_key)
    return _MISSING if item_type is None else {"found": {"item_type": item_type.value}}


def _dictionary_get(engine: Engine, cache: str, request: Request) -> Fields:
    values = engine.dictionary_get(cache, request.dictionary_name, list(request.fields))
    return _MISSING if values is None else {"found": {"items": [_hit_or_miss(value) for value in values]}}


def _dictionary_fetch(engine: Engine, cache: str, request: Request) -> Fields:
    fields = engine.dictionary_fetch(cache, request.dictionary_name)
    if fields is None:
        return _MISSING
    return {"found": {"items": [{"field": field, "value": value} for field, value in fields.items()]}}


def _dictionary_set(engine: Engine, cache: str, request: Request) -> Fields:
    fields = {item.field: item.value for item in request.items}
    engine.dictionary_set(cache, request.dictionary_name, fields, _collection_ttl(request))
    return {}


def _dictionary_increment(engine: Engine, cache: str, request: Request) -> Fields:
    total = engine.dictionary_increment(
        cache, request.dictionary_name, request.field, request.amount, _collection_ttl(request)
    )
    return {"value": total}


def _dictionary_delete(engine: Engine, cache: str, request: Request) -> Fields:
    some = _chosen(request, "delete") == "some"
    engine.dictionary_delete(cache, request.dictionary_name, list(request.some.fields) if some else None)
    return {}


def _dictionary_length(engine: Engine, cache: str, request: Request) -> Fields:
    length = engine.dictionary_length(cache, request.dictionary_name)
    return _MISSING if length is None else {"found": {"length": length}}


def _create_cache(engine: Engine, _: str, request: Request) -> Fields:
    engine.create_cache(request.cache_name)
    return {}


def _delete_cache(engine: Engine, _: str, request: Request) -> Fields:
    engine.delete_cache(request.cache_name)
    return {}


def _flush_cache(engine: Engine, _: str, request: Request) -> Fields:
    engine.flush_cache(request.cache_name)
    return {}


def _list_caches(engine: Engine, _: str, __: Request) -> Fields:
    limits = {
        "max_item_size_kb": engine.limits.item_bytes // 1024,
        "max_ttl_seconds": engine.limits.ttl_milliseconds // 1000,
    }
    return {"cache": [{"cache_name": name, "cache_limits": limits} for name in engine.list_caches()]}


def _hit_or_miss(value: bytes | None) -> Fields:
    return _MISS if value is None else {"result": cacheclient_pb2.Hit, "cache_body": value}


def _collection_ttl(request: Request) -> CollectionTtl:
    return CollectionTtl(request.ttl_milliseconds, request.refresh_ttl)


def _condition(request: Request, operand: str) -> Condition:
    chosen = _chosen(request, "condition")
    return Condition(_RELATIONS[chosen], getattr(getattr(request, chosen), operand, b""))


def _chosen(request: Request, oneof: str) -> str:
    chosen: str | None = request.WhichOneof(oneof)
    if chosen is None:
        raise MomentoError(Code.INVALID_ARGUMENT, f"The request says nothing of {oneof}")
    return chosen


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC of the service.

    Attributes:
        name: Its name in the service, such as `SetIf`.
        streams: Whether it answers with any number of messages, else with exactly one.
    """

    name: str
    streams: bool
    _request: type[Message]
    _response: type[Message]
    _apply: Callable[[Engine, str, Request], Fields | list[Fields]]

    def parse(self, serialized: bytes) -> Request:
        """Give the request as a message, or raise INVALID_ARGUMENT."""
        try:
            return self._request.FromString(serialized)
        except DecodeError as error:
            raise MomentoError(Code.INVALID_ARGUMENT, f"The request is no {self._request.__name__}") from error

    def apply(self, engine: Engine, cache: str, request: Request) -> list[Message]:
        """Run the request on the engine and give the answer."""
        answer = self._apply(engine, cache, request)
        return [self._response(**fields) for fields in (answer if isinstance(answer, list) else [answer])]


def keys(request: Request) -> list[bytes]:
    """Give the cache keys that a request names."""
    for field in ("cache_key", "dictionary_name"):
        if hasattr(request, field):
            return [getattr(request, field)]
    if hasattr(request, "cache_keys"):
        return list(request.cache_keys)
    return [item.cache_key for item in getattr(request, "items", ())]


def operations(rpc: str, request: Request, answer: list[Message]) -> int:
    """Give what a request costs of the account's operations per second.

    Momento's limits page: calls on several elements cost half an operation for each, everything else costs one.
    Batches are not in its table; they are counted as the single calls that they replace.
    """
    match rpc:
        case "GetBatch" | "SetBatch":
            cost = len(request.items)
        case "KeysExist":
            cost = _halved(request.cache_keys)
        case "DictionaryGet":
            cost = _halved(request.fields)
        case "DictionarySet":
            cost = _halved(request.items)
        case "DictionaryDelete":
            cost = _halved(request.some.fields)
        case "DictionaryFetch":
            cost = sum(_halved(message.found.items) for message in cast("list[Any]", answer))
        case _:
            cost = 1
    return max(1, cost)


def _halved(elements: Sized) -> int:
    return math.ceil(len(elements) / 2)


def _service(
    descriptor: ServiceDescriptor, **calls: Callable[[Engine, str, Request], Fields | list[Fields]]
) -> dict[str, Rpc]:
    methods = descriptor.methods_by_name
    return {
        name: Rpc(
            name,
            methods[name].server_streaming,
            GetMessageClass(methods[name].input_type),
            GetMessageClass(methods[name].output_type),
            call,
        )
        for name, call in calls.items()
    }


_SCS = cacheclient_pb2.DESCRIPTOR.services_by_name["Scs"]
_SCS_CONTROL = controlclient_pb2.DESCRIPTOR.services_by_name["ScsControl"]

# By service and RPC. What is not here is answered UNIMPLEMENTED.
SERVICES: dict[str, dict[str, Rpc]] = {
    _SCS.full_name: _service(
        _SCS,
        Get=_get,
        GetWithHash=_get_with_hash,
        GetBatch=_get_batch,
        Set=_set,
        SetBatch=_set_batch,
        SetIf=_set_if,
        SetIfHash=_set_if_hash,
        SetIfNotExists=_set_if_not_exists,
        Delete=_delete,
        KeysExist=_keys_exist,
        Increment=_increment,
        UpdateTtl=_update_ttl,
        ItemGetTtl=_item_get_ttl,
        ItemGetType=_item_get_type,
        DictionaryGet=_dictionary_get,
        DictionaryFetch=_dictionary_fetch,
        DictionarySet=_dictionary_set,
        DictionaryIncrement=_dictionary_increment,
        DictionaryDelete=_dictionary_delete,
        DictionaryLength=_dictionary_length,
    ),
    _SCS_CONTROL.full_name: _service(
        _SCS_CONTROL,
        CreateCache=_create_cache,
        DeleteCache=_delete_cache,
        ListCaches=_list_caches,
        FlushCache=_flush_cache,
    ),
}
