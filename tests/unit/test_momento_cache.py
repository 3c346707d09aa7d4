"""The adapter to Momento: the real SDK over real gRPC."""

import asyncio
import base64
import contextlib
import datetime as dt
import gc
import itertools
import json
import os
import select
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Self

import grpc
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from handler.cache import CacheError, KeyRefusedError, RefusedError, TransientError
from handler.momento_cache import CONNECT_SECONDS, DROPPED_SECONDS, UNACKNOWLEDGED_SECONDS, MomentoCache, credentials_of
from handler.settings import Momento
from handler.views import SetEntry
from local.momento import Fault, MomentoServer
from local.momento.engine import Limits
from tests.proxy import Proxy


def an_entry(key: str, value: bytes, ttl_seconds: int = 600) -> SetEntry:
    return SetEntry("view", key, 1, value, ttl_seconds)


Use = Callable[[MomentoCache], Awaitable[Any]]


REPORT_SECONDS = 0.5
"""What the function keeps of its time for what comes after the last request: that it ends a moment late, too."""


class StoredKey:
    """A key as a secret holds it: it can be changed."""

    fetch_seconds = 1.0

    def __init__(self, *values: str) -> None:
        self.values = list(values)

    def fetch(self) -> str:
        """Give the present key; the next fetch finds the next one, if there is one."""
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


@pytest.fixture
def server() -> Iterator[MomentoServer]:
    with MomentoServer(caches=["pizza"], required_keys=["good"]) as server:
        yield server


def self_signed(path: Path, until: dt.timedelta) -> None:
    """Write a certificate of some hosts, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path.stem)])
    now = dt.datetime.now(dt.UTC)
    begin, number = now - dt.timedelta(days=2), x509.random_serial_number()
    hosts = x509.SubjectAlternativeName([x509.DNSName(f"cache.{each}.example.com") for each in ("one", "two")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), number, begin, now + until)
        .add_extension(hosts, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, clear = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, clear) + signed.public_bytes(encoding)
    )


@pytest.fixture(scope="session", autouse=True)
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Certificates that gRPC trusts: `good.pem`, and `expired.pem`. It reads once in a process what it is to trust."""
    folder = tmp_path_factory.mktemp("tls")
    self_signed(folder / "good.pem", dt.timedelta(days=1))
    self_signed(folder / "expired.pem", dt.timedelta(days=-1))
    (folder / "trusted.pem").write_bytes((folder / "good.pem").read_bytes() + (folder / "expired.pem").read_bytes())
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(folder / "trusted.pem"))
        yield folder


@pytest.fixture
def certificate(certificates: Path) -> Path:
    """One that is good."""
    return certificates / "good.pem"


def momento(endpoint: str | None, cache_name: str = "pizza") -> Momento:
    return Momento(cache_name=cache_name, secret_arn="arn", endpoint=endpoint)


def use(server: MomentoServer, use: Use, key: StoredKey | None = None, cache_name: str = "pizza") -> Any:
    async def connected() -> Any:
        cache = MomentoCache(momento(server.endpoint, cache_name), key or StoredKey("good"))
        await cache.connect()
        try:
            return await use(cache)
        finally:
            await cache.close()

    return asyncio.run(connected())


def test_what_is_set_is_read_with_its_hash_and_deleted(server: MomentoServer) -> None:
    async def walk(cache: MomentoCache) -> list[Any]:
        await cache.set_many([an_entry("kä", b"\x00value", 86_400)])
        entry = await cache.get_with_hash("kä")
        remaining = await cache.remaining_ttl("kä")
        await cache.delete("kä")
        return [entry.value if entry else None, 86_390 < remaining <= 86_400, await cache.get_with_hash("kä")]

    assert use(server, walk) == [b"\x00value", True, None]


def test_a_value_is_written_only_over_the_hash_that_was_read(server: MomentoServer) -> None:
    def present() -> bytes | None:
        return server.engine.get("pizza", b"k")

    async def walk(cache: MomentoCache) -> None:
        assert await cache.set_if_absent("k", b"1", 600)
        assert not await cache.set_if_absent("k", b"2", 600)
        assert present() == b"1"
        first = await cache.get_with_hash("k")
        assert first is not None
        written = await cache.set_if_hash("k", b"3", 600, first.hash)
        assert written is not None
        assert present() == b"3"
        assert await cache.set_if_hash("k", b"4", 600, first.hash) is None
        assert present() == b"3"
        assert await cache.set_if_hash("k", b"5", 600, written) is not None
        assert present() == b"5"
        await cache.delete("k")
        assert await cache.set_if_hash("k", b"6", 600, written) is None
        assert present() is None

    use(server, walk)


def test_a_conditional_write_lives_as_long_as_it_is_told_to(server: MomentoServer) -> None:
    async def walk(cache: MomentoCache) -> list[float]:
        await cache.set_if_absent("k", b"1", 600)
        remaining = [await cache.remaining_ttl("k")]
        entry = await cache.get_with_hash("k")
        assert entry is not None
        await cache.set_if_hash("k", b"2", 900, entry.hash)
        return [*remaining, await cache.remaining_ttl("k")]

    first, second = use(server, walk)
    assert 590 < first <= 600
    assert 890 < second <= 900


def test_requests_do_not_grow_with_those_before_them(server: MomentoServer) -> None:
    async def walk(cache: MomentoCache) -> None:
        for _ in range(300):
            await cache.get_with_hash("k")

    # Headers that pile up are refused by the transport, once they are more than 8 or 16 KB.
    server.required_keys = frozenset()
    use(server, walk, StoredKey("long" * 500))
    assert server.counters["GetWithHash"].requests == 300


def test_no_request_takes_longer_than_it_says(server: MomentoServer) -> None:
    for rpc in ("SetBatch", "GetWithHash"):
        server.faults.add(Fault(rpc=rpc, silent=True, times=None))

    async def walk(cache: MomentoCache) -> None:
        for request in (cache.set_many([an_entry("k", b"v")]), cache.get_with_hash("k")):
            with pytest.raises(CacheError, match="TIMEOUT_ERROR"):
                await asyncio.wait_for(request, cache.request_seconds + REPORT_SECONDS)
        assert cache.request_seconds < 5

    use(server, walk)


REQUEST_SECONDS = 0.5
"""As long as a request takes here, for tests in which some are never answered."""


def held_after(server: MomentoServer, *requests: Callable[[MomentoCache], Awaitable[Any]]) -> tuple[float, list[Any]]:
    """Make requests, each 0.1 s after the one before. Return for how long the next is held back, and what came of them.

    Requests are held back where the connection was replaced.
    """

    async def walk(cache: MomentoCache) -> tuple[float, list[Any]]:
        cache.request_seconds = REQUEST_SECONDS

        async def later(position: int, request: Use) -> Any:
            await asyncio.sleep(0.1 * position)
            return await request(cache)

        starting = [later(position, request) for position, request in enumerate(requests)]
        outcomes = await asyncio.gather(*starting, return_exceptions=True)
        held = cache.pace.held(time.monotonic())
        # Whatever the connection was, the next request is answered.
        await cache.delete("next")
        return held, outcomes

    held, outcomes = use(server, walk)
    return held, outcomes


def get(cache: MomentoCache) -> Awaitable[Any]:
    return cache.get_with_hash("k")


def absent(cache: MomentoCache) -> Awaitable[Any]:
    return cache.remaining_ttl("k")


def test_a_connection_without_an_answer_is_replaced_and_requests_wait_until_it_is_gone(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="GetWithHash", silent=True))
    held, (error,) = held_after(server, get)
    assert DROPPED_SECONDS - 0.5 < held <= DROPPED_SECONDS
    assert "TIMEOUT_ERROR" in str(error)


def connections_to(port: int) -> list[socket.socket]:
    """Return the sockets that this process has connected to a port on this machine."""
    found = []
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError), socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as each:
            # gRPC's are of IPv6, to an IPv4 address mapped into it.
            if each.getpeername()[1:2] == (port,):
                found.append(each.dup())
    return found


def user_timeouts(port: int) -> list[int]:
    """Return after how many milliseconds the kernel drops each of those where nobody acknowledges its bytes."""
    timeouts = []
    for connection in connections_to(port):
        with connection:
            timeouts.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
    return timeouts


def test_the_kernel_drops_a_connection_soon_after_nobody_acknowledges_its_bytes(
    server: MomentoServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def plain(_: MomentoCache) -> list[int]:
        return user_timeouts(server.port)

    async def over_tls(port: int) -> list[int]:
        cache = MomentoCache(momento(None), StoredKey(b64('{"api_key": "good", "endpoint": "one.example.com"}')))
        await cache.connect()
        timeouts = user_timeouts(port)
        await cache.close()
        return timeouts

    assert use(server, plain) == [UNACKNOWLEDGED_SECONDS * 1000]
    with Tunnels(server.port, certificate) as tunnels:
        port = tunnels.server_address[1]
        monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{port}")
        assert asyncio.run(over_tls(port)) == [UNACKNOWLEDGED_SECONDS * 1000]


def test_a_replaced_connection_is_closed_and_another_one_is_opened(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="GetWithHash", silent=True))

    async def walk(proxy: Proxy) -> None:
        cache = MomentoCache(momento(proxy.endpoint), StoredKey("good"))
        await cache.connect()
        cache.request_seconds = REQUEST_SECONDS
        with pytest.raises(TransientError):
            await cache.get_with_hash("k")
        # Before the next request is made, because that is held back meanwhile.
        async with asyncio.timeout(10):
            while proxy.accepted < 2:
                await asyncio.sleep(0.01)
        await cache.delete("k")
        used, unused = proxy.received
        await cache.delete("k")
        assert proxy.received[0] == used
        assert proxy.received[1] > unused
        await cache.close()

    with Proxy(server.port) as proxy:
        asyncio.run(walk(proxy))


def test_a_cache_shares_its_connection_with_no_other(server: MomentoServer) -> None:
    """By default, gRPC gives a new channel the connection of an older channel to the same server, dead or not."""

    async def walk(proxy: Proxy) -> None:
        caches = [MomentoCache(momento(proxy.endpoint), StoredKey("good")) for _ in range(2)]
        for cache in caches:
            await cache.connect()
        assert proxy.accepted == 2
        for cache in caches:
            await cache.close()

    with Proxy(server.port) as proxy:
        asyncio.run(walk(proxy))


def test_requests_on_a_connection_that_is_replaced_may_be_made_again(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="GetWithHash", silent=True, times=2))
    held, errors = held_after(server, get, get)
    assert 0 < held <= DROPPED_SECONDS
    assert [type(error) for error in errors] == [TransientError] * 2
    assert "Momento does not answer" in str(errors[1])
    assert "CONNECTION_ERROR: connection replaced" in str(errors[1])


@pytest.mark.parametrize(
    ("code", "replaced"),
    [(None, False), ("NOT_FOUND", False), ("INTERNAL", False), ("UNAVAILABLE", True), ("CANCELLED", True)],
)
def test_a_connection_that_answers_another_request_is_kept(
    server: MomentoServer, code: str | None, replaced: bool
) -> None:
    """What gRPC itself says where there is no connection is no answer."""
    server.faults.add(Fault(rpc="GetWithHash", silent=True))
    if code is not None:
        server.faults.add(Fault(rpc="ItemGetTtl", code=code))
    held, (unanswered, _) = held_after(server, get, absent)
    assert (held > 0) is replaced
    assert str(unanswered).endswith("(TIMEOUT_ERROR)")


def test_a_connection_that_grpc_is_making_already_is_not_replaced(server: MomentoServer) -> None:
    async def walk(proxy: Proxy) -> None:
        cache = MomentoCache(momento(proxy.endpoint), StoredKey("good"))
        await cache.connect()
        cache.request_seconds = REQUEST_SECONDS
        proxy.answers = False
        proxy.reset()
        # Until the reset is noticed, and the next connection begun.
        await asyncio.sleep(0.3)
        with pytest.raises(TransientError, match="TIMEOUT_ERROR"):
            await cache.get_with_hash("k")
        assert cache.pace.held(time.monotonic()) == 0
        await cache.close()

    with Proxy(server.port) as proxy:
        asyncio.run(walk(proxy))


def test_a_server_that_closes_each_connection_is_tried_again_soon_and_then_after_pauses_that_no_longer_grow(
    server: MomentoServer,
) -> None:
    """gRPC's own pauses start at one second, and grow up to two minutes."""

    async def walk(proxy: Proxy) -> None:
        cache = MomentoCache(momento(proxy.endpoint), StoredKey("good"))
        await cache.connect()
        proxy.closes = True
        proxy.reset()
        while proxy.accepted < 13:
            with contextlib.suppress(TransientError):
                await cache.get_with_hash("k")
            await asyncio.sleep(0.05)
        await cache.close()

    with Proxy(server.port) as proxy:
        asyncio.run(walk(proxy))
    pauses = [later - earlier for earlier, later in itertools.pairwise(proxy.accepted_at[1:13])]
    # As shares of each other, because a busy machine makes any of them longer.
    assert max(pauses) > 4 * min(pauses)
    assert pauses[-1] < 2.2 * pauses[-4]


def test_an_attempt_to_connect_that_nobody_answers_ends_before_connect_does(server: MomentoServer) -> None:
    """gRPC's own bound is 20 seconds. A bound far below two seconds would end attempts over a slow network."""
    with Proxy(server.port) as proxy:
        proxy.answers = False
        with pytest.raises(CacheError, match="Momento does not answer"):
            asyncio.run(MomentoCache(momento(proxy.endpoint), StoredKey("good")).connect())
    assert proxy.accepted > 1


def test_an_answer_before_a_request_says_nothing_of_the_connection_since(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="GetWithHash", silent=True))
    held, _ = held_after(server, absent, get)
    assert held > 0


@pytest.mark.parametrize("code", ["DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED"])
def test_a_connection_over_which_momento_itself_says_that_it_was_too_slow_is_kept(
    server: MomentoServer, code: str
) -> None:
    server.faults.add(Fault(rpc="GetWithHash", code=code))
    held, _ = held_after(server, get)
    assert held == 0


def test_a_request_that_is_cancelled_ends_as_cancelled(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="GetWithHash", silent=True))

    async def walk(cache: MomentoCache) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.get_with_hash("k"), 0.1)
        assert cache.pace.held(time.monotonic()) == 0

    use(server, walk)


def test_requests_under_way_end_as_cancelled_with_the_cache_itself(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="GetWithHash", silent=True))

    async def walk() -> None:
        cache = MomentoCache(momento(server.endpoint), StoredKey("good"))
        await cache.connect()
        request = asyncio.create_task(cache.get_with_hash("k"))
        await asyncio.sleep(0.1)
        await cache.close()
        with pytest.raises(asyncio.CancelledError):
            await request

    asyncio.run(walk())


def test_an_absent_value_has_no_time_left(server: MomentoServer) -> None:
    assert use(server, lambda cache: cache.remaining_ttl("none")) == 0


@pytest.mark.parametrize(
    "request_of",
    [
        lambda cache: cache.set_many([an_entry("k", b"v")]),
        lambda cache: cache.delete("k"),
        lambda cache: cache.get_with_hash("k"),
        lambda cache: cache.set_if_hash("k", b"v", 600, b"hash"),
        lambda cache: cache.set_if_absent("k", b"v", 600),
        lambda cache: cache.remaining_ttl("k"),
        lambda cache: cache.matching({"k": lambda _: True}),
    ],
    ids=["set", "delete", "get_with_hash", "set_if_hash", "set_if_absent", "remaining_ttl", "matching"],
)
def test_a_cache_that_does_not_exist_is_named_by_every_request(server: MomentoServer, request_of: Use) -> None:
    with pytest.raises(CacheError, match='momento.cache_name: there is no cache "pasta"'):
        use(server, request_of, cache_name="pasta")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("UNAVAILABLE", r"Momento does not answer: .*momento\.endpoint .SERVER_UNAVAILABLE"),
        ("DEADLINE_EXCEEDED", r"Momento does not answer: .*, or raise momento\.request_timeout_seconds .TIMEOUT_ERROR"),
        ("PERMISSION_DENIED", 'momento.secret_arn: the API key .* read and write permission on the cache "pizza"'),
        ("RESOURCE_EXHAUSTED", "Momento's limit is reached.*LIMIT_EXCEEDED_ERROR: why"),
        ("INVALID_ARGUMENT", r"Momento refuses the request .INVALID_ARGUMENT_ERROR: why.$"),
        ("INTERNAL", r"Momento failed .INTERNAL_SERVER_ERROR: why.$"),
    ],
)
def test_an_error_is_raised_and_says_what_to_fix(server: MomentoServer, code: str, message: str) -> None:
    for rpc in ("Delete", "GetWithHash"):
        server.faults.add(Fault(rpc=rpc, code=code, err="why", times=None))
    with pytest.raises(CacheError, match=message):
        use(server, lambda cache: cache.delete("k"))
    with pytest.raises(CacheError, match=message):
        use(server, lambda cache: cache.get_with_hash("k"))


@pytest.mark.parametrize("metadata", [(), (("request-id", "5"),)])
def test_an_error_for_which_momento_gives_no_reason_is_named_alone(metadata: tuple[tuple[str, str], ...]) -> None:
    class Failing(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            await continuation(details)

            async def answer(_: Any, context: Any) -> Any:
                await context.abort(grpc.StatusCode.INTERNAL, "", trailing_metadata=metadata)

            return grpc.unary_unary_rpc_method_handler(answer)

    with (
        MomentoServer(caches=["pizza"], interceptors=[Failing()]) as server,
        pytest.raises(CacheError, match=r"^Momento failed .INTERNAL_SERVER_ERROR.$"),
    ):
        use(server, lambda cache: cache.delete("k"))


@pytest.mark.parametrize(
    ("code", "err", "kind"),
    [
        ("UNAVAILABLE", None, TransientError),
        ("DEADLINE_EXCEEDED", None, TransientError),
        ("INTERNAL", None, TransientError),
        ("RESOURCE_EXHAUSTED", None, TransientError),
        ("RESOURCE_EXHAUSTED", "operations_rate_limit_exceeded", TransientError),
        ("RESOURCE_EXHAUSTED", "throughput_rate_limit_exceeded", TransientError),
        ("RESOURCE_EXHAUSTED", "item_size_limit_exceeded", RefusedError),
        ("RESOURCE_EXHAUSTED", "request_size_limit_exceeded", RefusedError),
        ("INVALID_ARGUMENT", None, RefusedError),
        ("OUT_OF_RANGE", None, RefusedError),
        ("UNIMPLEMENTED", None, RefusedError),
        ("NOT_FOUND", "cache_not_found", KeyRefusedError),
        ("PERMISSION_DENIED", None, KeyRefusedError),
        ("FAILED_PRECONDITION", None, RefusedError),
        ("ALREADY_EXISTS", None, CacheError),
        ("CANCELLED", None, TransientError),
        ("UNKNOWN", None, TransientError),
        ("ABORTED", None, TransientError),
    ],
)
def test_what_may_succeed_the_next_time_is_told_apart_and_nothing_is_asked_twice(
    server: MomentoServer, code: str, err: str | None, kind: type[CacheError]
) -> None:
    rpcs = ("SetBatch", "Delete", "SetIfHash", "SetIfNotExists")
    for rpc in rpcs:
        server.faults.add(Fault(rpc=rpc, code=code, err=err, times=None))
    for request_of in (
        lambda cache: cache.set_many([an_entry("k", b"v")]),
        lambda cache: cache.delete("k"),
        lambda cache: cache.set_if_hash("k", b"v", 600, b"hash"),
        lambda cache: cache.set_if_absent("k", b"v", 600),
    ):
        with pytest.raises(CacheError) as caught:
            use(server, request_of)
        assert type(caught.value) is kind
    assert {rpc: server.counters[rpc].requests for rpc in rpcs} == dict.fromkeys(rpcs, 1)


def test_an_entry_larger_than_the_account_allows_is_named(server: MomentoServer) -> None:
    with pytest.raises(CacheError, match=r"momento\.max_item_bytes: .*item_size_limit_exceeded"):
        use(server, lambda cache: cache.set_many([an_entry("k", b"v" * 5_000_200)]))


def test_an_account_that_allows_larger_entries_gets_and_reads_them() -> None:
    large = b"v" * 6_000_000

    async def walk(cache: MomentoCache) -> bool:
        assert await cache.set_many([an_entry("k", large)]) == [None]
        entry = await cache.get_with_hash("k")
        assert entry is not None
        assert await cache.set_if_hash("k", large, 600, entry.hash) is not None
        return entry.value == large

    with MomentoServer(caches=["pizza"], limits=Limits(item_bytes=20_000_000)) as server:

        async def connected() -> bool:
            largest = len(b"k") + len(large)
            with_input = msgspec.structs.replace(momento(server.endpoint), max_item_bytes=largest)
            cache = MomentoCache(with_input, StoredKey("good"))
            await cache.connect()
            try:
                return await walk(cache)
            finally:
                await cache.close()

        assert asyncio.run(connected())


def test_a_key_that_momento_does_not_accept_is_told_apart(server: MomentoServer) -> None:
    with pytest.raises(KeyRefusedError, match="momento.secret_arn: Momento does not accept the API key"):
        use(server, lambda cache: cache.set_many([an_entry("k", b"v")]), StoredKey("bad"))


def test_a_renewed_key_is_used_from_then_on(server: MomentoServer) -> None:
    async def walk(cache: MomentoCache) -> None:
        await cache.renew()
        await cache.set_many([an_entry("k", b"v")])
        await cache.get_with_hash("k")

    use(server, walk, StoredKey("bad", "good"))


def test_a_renewal_says_whether_the_key_is_another(server: MomentoServer) -> None:
    async def walk(cache: MomentoCache) -> list[bool]:
        return [await cache.renew(), await cache.renew(), await cache.renew()]

    assert use(server, walk, StoredKey("one", "one", "two")) == [False, True, False]


def test_a_renewal_that_fails_leaves_the_next_one_a_chance(server: MomentoServer) -> None:
    class Failing(StoredKey):
        def fetch(self) -> str:
            value = super().fetch()
            if value == "down":
                raise CacheError("the secret cannot be read")
            return value

    async def walk(cache: MomentoCache) -> None:
        with pytest.raises(CacheError, match="cannot be read"):
            await cache.renew()
        await cache.renew()
        await cache.set_many([an_entry("k", b"v")])

    use(server, walk, Failing("bad", "down", "good"))


def test_a_request_takes_as_long_as_the_input_says() -> None:
    settings = msgspec.structs.replace(momento(None), request_timeout_seconds=2.5)
    assert MomentoCache(settings, StoredKey("good")).request_seconds == 2.5
    assert MomentoCache(momento(None), StoredKey("good")).request_seconds == 1.1


def test_an_answer_within_the_longer_time_is_waited_for(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="Delete", delay_ms=1_300, times=None))

    async def walk(longer: float | None) -> None:
        cache = MomentoCache(
            msgspec.structs.replace(momento(server.endpoint), request_timeout_seconds=longer), StoredKey("good")
        )
        await cache.connect()
        try:
            await cache.delete("k")
        finally:
            await cache.close()

    with pytest.raises(TransientError, match="TIMEOUT_ERROR"):
        asyncio.run(walk(None))
    asyncio.run(walk(5))


def test_requests_keep_to_the_pace_that_the_input_names() -> None:
    settings = msgspec.structs.replace(momento(None), max_operations_per_second=5)
    assert MomentoCache(settings, StoredKey("good")).pace.most == 5
    assert MomentoCache(momento(None), StoredKey("good")).pace.most is None


def test_requests_go_on_while_a_key_is_fetched(server: MomentoServer) -> None:
    class Slow(StoredKey):
        fetched = threading.Event()

        def fetch(self) -> str:
            if len(self.values) == 1:
                assert self.fetched.wait(10)
            return super().fetch()

    server.required_keys = frozenset()
    key = Slow("one", "two")

    async def walk(cache: MomentoCache) -> None:
        renewal = asyncio.create_task(cache.renew())
        await cache.set_many([an_entry("k", b"v")])
        await cache.delete("k")
        assert not renewal.done()
        key.fetched.set()
        await asyncio.wait_for(renewal, cache.renew_seconds)
        assert cache.renew_seconds >= key.fetch_seconds + CONNECT_SECONDS

    use(server, walk, key)


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "NOT_FOUND", "UNAUTHENTICATED"])
def test_a_refusal_that_another_key_may_mend_says_so(server: MomentoServer, code: str) -> None:
    server.faults.add(Fault(rpc="Delete", code=code, times=None))
    with pytest.raises(KeyRefusedError):
        use(server, lambda cache: cache.delete("k"))


def test_a_secret_that_does_not_answer_is_named_in_time(server: MomentoServer) -> None:
    class Silent(StoredKey):
        fetch_seconds = 0.2
        ended = threading.Event()

        def fetch(self) -> str:
            assert self.ended.wait(10)
            return super().fetch()

    key = Silent("good")

    async def connect() -> None:
        try:
            await MomentoCache(momento(server.endpoint), key).connect()
        finally:
            key.ended.set()

    with pytest.raises(CacheError, match=r"momento\.secret_arn: Secrets Manager does not answer: check .* network"):
        asyncio.run(connect())


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (["https_proxy"], "https_proxy"),
        (["grpc_proxy"], "grpc_proxy"),
        (["http_proxy"], "http_proxy"),
        (["http_proxy", "https_proxy"], "https_proxy"),
        (["https_proxy", "grpc_proxy"], "grpc_proxy"),
    ],
    ids=str,
)
def test_an_outage_names_the_proxy_that_grpc_takes(
    server: MomentoServer, monkeypatch: pytest.MonkeyPatch, variables: list[str], named: str
) -> None:
    server.faults.add(Fault(rpc="Delete", code="UNAVAILABLE", times=None))
    for name in variables:
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", server.host)
    with pytest.raises(CacheError, match=f"check the proxy in the environment variable {named}, the function's"):
        use(server, lambda cache: cache.delete("k"))


def test_an_outage_names_no_proxy_where_there_is_none(server: MomentoServer) -> None:
    server.faults.add(Fault(rpc="Delete", code="UNAVAILABLE", times=None))
    with pytest.raises(CacheError, match="Momento does not answer: check the function's network"):
        use(server, lambda cache: cache.delete("k"))


def test_what_must_not_be_old_is_read_consistently() -> None:
    concerns: list[Any] = []

    class Seen(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            concerns.append(dict(details.invocation_metadata).get("read-concern"))
            return await continuation(details)

    async def walk(cache: MomentoCache) -> None:
        await cache.get_with_hash("k")
        await cache.get_with_hash("k", consistent=True)
        await cache.remaining_ttl("k")
        await cache.matching({"k": lambda _: True})
        await cache.delete("k")

    with MomentoServer(caches=["pizza"], interceptors=[Seen()]) as server:
        use(server, walk)
    assert concerns == [None, "consistent", "consistent", "consistent", None]


def test_an_entry_without_a_status_may_not_have_been_written() -> None:
    class Fewer(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            handler = await continuation(details)

            async def answer(request: Any, context: Any) -> Any:
                async for each in handler.unary_stream(request, context):
                    yield each
                    return

            return grpc.unary_stream_rpc_method_handler(answer)

    with MomentoServer(caches=["pizza"], interceptors=[Fewer()]) as server:
        many = [an_entry(f"k{number}", b"v") for number in range(3)]
        written, *others = use(server, lambda cache: cache.set_many(many))
    assert written is None
    assert [(type(other), str(other)) for other in others] == [(TransientError, "Momento did not write the entry")] * 2


def test_statuses_that_no_entry_belongs_to_say_nothing() -> None:
    """Momento answers one status for each entry. A server of another version may not."""

    class More(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            handler = await continuation(details)

            async def answer(request: Any, context: Any) -> Any:
                async for each in handler.unary_stream(request, context):
                    yield each
                    yield each

            return grpc.unary_stream_rpc_method_handler(answer)

    with MomentoServer(caches=["pizza"], interceptors=[More()]) as server:
        many = [an_entry(f"k{number}", b"v") for number in range(3)]
        assert use(server, lambda cache: cache.set_many(many)) == [None] * 3


def test_entries_are_looked_at_by_one_request(server: MomentoServer) -> None:
    async def walk(cache: MomentoCache) -> Any:
        await cache.set_many([an_entry("kä", b"wanted"), an_entry("k1", b"other"), an_entry("k3", b"")])
        looked: list[bytes] = []

        def wants(value: bytes) -> bool:
            looked.append(value)
            return value != b"other"

        found = await cache.matching(dict.fromkeys(("k1", "none", "kä", "k3"), wants))
        return found, looked

    assert use(server, walk) == ({"kä", "k3"}, [b"other", b"wanted", b""])
    assert server.counters["GetBatch"].requests == 1


@pytest.mark.parametrize("answers", [0, 2])
def test_answers_that_are_not_one_for_each_entry_say_nothing_of_any(answers: int) -> None:
    """Which of them belongs to which entry is not known: a wrong guess would delete another item's entry."""

    class Other(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            handler = await continuation(details)
            if not details.method.endswith("GetBatch"):
                return handler

            async def answer(request: Any, context: Any) -> Any:
                async for each in handler.unary_stream(request, context):
                    for _ in range(answers):
                        yield each

            return grpc.unary_stream_rpc_method_handler(answer)

    with (
        MomentoServer(caches=["pizza"], interceptors=[Other()]) as server,
        pytest.raises(TransientError, match="Momento did not read the entries"),
    ):
        use(server, lambda cache: cache.matching({"k": lambda _: True}))


@pytest.mark.parametrize(
    ("says", "cause"),
    [("", "failed to connect to all addresses"), ("; last error: one; last error: two", "two")],
    ids=["no cause", "a cause of another"],
)
def test_the_last_cause_that_there_is_no_connection_is_named(says: str, cause: str) -> None:
    class Unconnected(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
        async def intercept_service(self, *_: Any) -> Any:
            async def end(_: Any, context: Any) -> None:
                await context.abort(grpc.StatusCode.UNAVAILABLE, f"failed to connect to all addresses{says}")

            return grpc.unary_unary_rpc_method_handler(end)

    with (
        MomentoServer(caches=["pizza"], interceptors=[Unconnected()]) as server,
        pytest.raises(TransientError, match=rf"\(CONNECTION_ERROR: {cause}\)$"),
    ):
        use(server, lambda cache: cache.delete("k"))


def test_requests_under_way_outlive_a_renewal(server: MomentoServer) -> None:
    server.required_keys = frozenset()
    server.faults.add(Fault(rpc="SetBatch", delay_ms=300))

    async def walk(cache: MomentoCache) -> None:
        slow = asyncio.create_task(cache.set_many([an_entry("k", b"v")]))
        await asyncio.sleep(0.1)
        await cache.renew()
        await slow

    use(server, walk, StoredKey("one", "two"))
    assert server.engine.get("pizza", b"k") == b"v"


def test_an_endpoint_where_nothing_listens_is_named() -> None:
    with MomentoServer() as server:
        pass
    refused = r"^Momento does not answer: .*momento\.endpoint \(CONNECTION_ERROR: .*Connection refused.*\)$"
    with pytest.raises(CacheError, match=refused):
        use(server, lambda cache: cache.set_many([an_entry("k", b"v")]))


def b64(content: str) -> str:
    return base64.b64encode(content.encode()).decode()


def jwt(claims: dict[str, str]) -> str:
    parts = (json.dumps({"alg": "none"}), json.dumps(claims), "signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


V2_KEY = jwt({"t": "g"})
LEGACY_TOKEN = jwt({"cp": "control.example.com", "c": "cache.example.com"})
V1_KEY = b64(json.dumps({"api_key": "the-key", "endpoint": "example.com"}))


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [
        (None, "not a token"),
        (None, V2_KEY),
        (None, b64('{"a": "secret"}')),
        (None, b64("not json")),
        (None, b64("[]")),
        (None, b64("5")),
        ("example.com", "not a v2 key"),
        ("example.com", LEGACY_TOKEN),
        ("example.com", V1_KEY),
        (None, b64('{"api_key": 5, "endpoint": "example.com"}')),
        (None, b64('{"api_key": "the-key", "endpoint": null}')),
        ("127.0.0.1:8080", "a key\nof two lines"),
        ("127.0.0.1:8080", "schlüssel"),
    ],
)
def test_a_secret_that_holds_no_fitting_key_is_named_and_not_shown(endpoint: str | None, key: str) -> None:
    with pytest.raises(CacheError, match="momento.secret_arn: .* a v2 API key needs the endpoint") as caught:
        credentials_of(key, endpoint)
    assert key not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("endpoint", "key", "host"),
    [
        ("example.com", V2_KEY, "cache.example.com"),
        (None, LEGACY_TOKEN, "cache.example.com"),
        (None, V1_KEY, "cache.example.com"),
        ("127.0.0.1:8080", "anything", "127.0.0.1"),
    ],
)
def test_the_endpoint_is_the_keys_own_or_the_one_named(endpoint: str | None, key: str, host: str) -> None:
    assert credentials_of(key, endpoint).cache_endpoint == host


def test_momento_itself_is_reached_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that gRPC asks for a tunnel sees where to, and the first bytes that go through it."""
    seen: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            seen.append(client.recv(1_000).split(b"\r\n")[0])
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            seen.append(client.recv(3))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")

        async def connect() -> None:
            with pytest.raises(CacheError, match="Momento does not answer: check the proxy in .* grpc_proxy"):
                await MomentoCache(momento(None), StoredKey(V1_KEY)).connect()

        asyncio.run(connect())
        thread.join()
    assert seen[0] == b"CONNECT cache.example.com:443 HTTP/1.1"
    # A TLS handshake record.
    assert seen[1][:2] == b"\x16\x03"


@pytest.mark.parametrize(
    ("host", "file", "protocol", "cause"),
    [
        ("three", "good.pem", "h2", "Hostname Verification Check failed"),
        ("one", "expired.pem", "h2", "certificate has expired"),
        ("one", "foreign.pem", "h2", "self.signed certificate"),
        ("one", "good.pem", "http/1.1", "missing selected ALPN property"),
    ],
)
def test_a_tls_failure_is_said_as_what_it_is(
    server: MomentoServer,
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    file: str,
    protocol: str,
    cause: str,
) -> None:
    self_signed(certificates / "foreign.pem", dt.timedelta(days=1))
    key = b64(json.dumps({"api_key": "good", "endpoint": f"{host}.example.com"}))

    with Tunnels(server.port, certificates / file) as tunnels:
        tunnels.tls.set_alpn_protocols([protocol])
        monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{tunnels.server_address[1]}")
        says = r"^TLS with Momento fails: check the proxy in .* grpc_proxy, .*momento\.endpoint \(CONNECTION_ERROR: .*"
        with pytest.raises(TransientError, match=says + cause):
            asyncio.run(MomentoCache(momento(None), StoredKey(key)).connect())


@pytest.mark.parametrize(
    ("status", "kind"),
    [(status, CacheError) for status in (401, 403, 407)]
    + [(status, TransientError) for status in (302, 400, 404, 408, 413, 425, 429, 500, 502, 503)],
)
def test_an_answer_that_is_not_momentos_is_told_apart(status: int, kind: type[CacheError]) -> None:
    with (
        answering(status) as port,
        pytest.raises(CacheError, match=rf"in its place: .*\(HTTP status {status}\)$") as told,
    ):
        asyncio.run(_delete(f"127.0.0.1:{port}"))
    assert type(told.value) is kind


async def _delete(endpoint: str) -> None:
    cache = MomentoCache(momento(endpoint), StoredKey("good"))
    await cache.connect()
    try:
        await cache.delete("k")
    finally:
        await cache.close()


@contextlib.contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that answers each request over HTTP/2 with a status, as a firewall would. Gives its port."""

    def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload

    settings, headers, acknowledges, ends = 4, 1, 1, 5

    class Answers(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
            self.wfile.write(frame(settings, 0, 0))
            while head := self.rfile.read(9):
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
                self.rfile.read(int.from_bytes(head[:3]))
                if kind == settings and not flags & acknowledges:
                    self.wfile.write(frame(settings, acknowledges, 0))
                elif kind == headers:
                    # `:status`, in HPACK: a literal with the eighth name of its table.
                    self.wfile.write(frame(headers, ends, stream, b"\x08\x03%d" % status))

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Listener(("127.0.0.1", 0), Answers) as listener:
        threading.Thread(target=listener.serve_forever).start()
        try:
            yield listener.server_address[1]
        finally:
            listener.shutdown()


class Tunnels(socketserver.ThreadingTCPServer):
    """A proxy that ends TLS itself, and passes what it finds within on to one server.

    As a context manager, it serves from threads of its own.

    Attributes:
        hosts: where each tunnel was to lead.
        ended: of each, whether it has ended.
    """

    daemon_threads = True

    def __init__(self, port: int, certificate: Path) -> None:
        self.hosts: list[str] = []
        self.ended: list[threading.Event] = []
        self.port = port
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(certificate)
        self.tls.set_alpn_protocols(["h2"])
        super().__init__(("127.0.0.1", 0), Tunnel)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Tunnel(socketserver.BaseRequestHandler):
    """One connection to the proxy."""

    server: Tunnels

    def setup(self) -> None:
        self.server.ended.append(threading.Event())
        self.finished = self.server.ended[-1].set

    def finish(self) -> None:
        self.finished()

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        self.server.hosts.append(head.split()[1].decode())
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with (
            contextlib.suppress(OSError),
            self.server.tls.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(("127.0.0.1", self.server.port)) as server,
        ):
            while True:
                ready = [client] if client.pending() else select.select([client, server], [], [])[0]
                for source, target in ((client, server), (server, client)):
                    if source in ready:
                        data = source.recv(65_536)
                        if not data:
                            return
                        target.sendall(data)


def test_a_renewed_key_of_another_account_leads_to_its_own_endpoint(
    server: MomentoServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [b64(json.dumps({"api_key": name, "endpoint": f"{name}.example.com"})) for name in ("one", "two")]

    async def walk(cache: MomentoCache) -> None:
        server.required_keys = frozenset(["one"])
        await cache.connect()
        await cache.delete("k")
        server.faults.add(Fault(rpc="GetWithHash", silent=True))
        under_way = asyncio.create_task(cache.get_with_hash("k"))
        while not server.counters["GetWithHash"].requests:
            await asyncio.sleep(0.01)
        server.required_keys = frozenset(["two"])
        assert await cache.renew()
        assert DROPPED_SECONDS - 0.5 < cache.pace.held(time.monotonic()) <= DROPPED_SECONDS
        await cache.delete("k")
        with pytest.raises(TransientError, match="connection replaced"):
            await under_way
        await cache.close()

    with Tunnels(server.port, certificate) as tunnels:
        monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{tunnels.server_address[1]}")
        asyncio.run(walk(MomentoCache(momento(None), StoredKey(*keys))))
    assert tunnels.hosts == ["cache.one.example.com:443", "cache.two.example.com:443"]


def test_a_replaced_connection_is_closed_with_its_last_request_and_not_when_garbage_is_collected(
    server: MomentoServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.required_keys = frozenset()
    server.faults.add(Fault(rpc="GetWithHash", silent=True, times=2))

    async def walk(cache: MomentoCache) -> None:
        await cache.connect()
        cache.request_seconds = REQUEST_SECONDS
        first = asyncio.ensure_future(get(cache))
        await asyncio.sleep(0.1)
        errors = map(str, await asyncio.gather(first, get(cache), return_exceptions=True))
        assert [error.rpartition(" (")[2] for error in errors] == [
            "TIMEOUT_ERROR)",
            "CONNECTION_ERROR: connection replaced)",
        ]
        del first, errors
        await cache.delete("k")
        assert await asyncio.to_thread(tunnels.ended[0].wait, 10)
        assert not tunnels.ended[1].is_set()
        await cache.close()

    key = b64(json.dumps({"api_key": "key", "endpoint": "one.example.com"}))
    gc.disable()
    try:
        with Tunnels(server.port, certificate) as tunnels:
            monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{tunnels.server_address[1]}")
            asyncio.run(walk(MomentoCache(momento(None), StoredKey(key))))
    finally:
        gc.enable()


def test_a_batch_is_written_by_one_request_with_the_key(server: MomentoServer) -> None:
    many = [an_entry(f"k{number}", b"v") for number in range(500)]
    assert use(server, lambda cache: cache.set_many(many)) == [None] * 500
    assert server.engine.get("pizza", b"k499") == b"v"
    assert (server.counters["SetBatch"].requests, server.counters["SetBatch"].operations) == (1, 500)
