"""Faults on demand: which requests fail, hang or are slow, told from outside or by a request's own metadata."""

import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

import grpc
import msgspec

from local.momento.engine import Code, MomentoError
from local.momento.wire import SERVICES

RPCS = frozenset(rpc for rpcs in SERVICES.values() for rpc in rpcs)
CODES = frozenset(code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is to go wrong, for the next requests of one RPC.

    Attributes:
        rpc: The RPC by the service's name for it, such as `SetIfHash`.
        key: Only requests that name this cache key.
        times: For so many requests; `None`: until cleared.
        delay_ms: Wait so long before anything else.
        code: Answer with this gRPC status, such as `UNAVAILABLE`.
        err: The `err` trailer to go with `code`.
        silent: Never answer: the client waits until its deadline.
        applied: The request is carried out first: only its reply is lost. Else a failed request changes nothing.
    """

    rpc: str
    key: str | None = None
    times: int | None = 1
    delay_ms: int = 0
    code: str | None = None
    err: str | None = None
    silent: bool = False
    applied: bool = False

    def __post_init__(self) -> None:
        """Refuse what could never come true."""
        if self.rpc not in RPCS:
            raise ValueError(f"rpc must be one of {', '.join(sorted(RPCS))}; not {self.rpc!r}")
        if self.code is not None and self.code not in CODES:
            raise ValueError(f"code must be one of {', '.join(sorted(CODES))}; not {self.code!r}")
        if self.times is not None and self.times < 1:
            raise ValueError("times must be at least 1, or None for every request until cleared")
        if self.delay_ms < 0:
            raise ValueError("delay_ms must not be negative")
        if self.err is not None and self.code is None:
            raise ValueError("err is a trailer to a code: give both")
        if self.code is not None and self.silent:
            raise ValueError("a fault either answers with a code or is silent, not both")
        if self.applied and not self.fails:
            raise ValueError("applied says when a request fails: give a code, or silent=True")
        if not self.fails and not self.delay_ms:
            raise ValueError("a fault needs a code, silent=True or delay_ms")

    @property
    def fails(self) -> bool:
        """Whether the client gets no good answer."""
        return self.silent or self.code is not None


class _Waiting(msgspec.Struct):
    """A fault, and how many requests it is still to meet; None: all, until it is called off."""

    fault: Fault
    left: int | None


class Faults:
    """The faults waiting to happen, told from any thread.

    A request meets one at most: that which its own metadata asks for, else the oldest waiting that fits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._happened: Counter[tuple[str, str, str]] = Counter()

    def add(self, fault: Fault) -> None:
        """Let a fault happen to the next requests that fit it."""
        with self._lock:
            self._waiting.append(_Waiting(fault, fault.times))

    def call_off(self, fault: Fault) -> bool:
        """Let a fault not happen any more. Tells whether it was still waiting."""
        with self._lock:
            waiting = [each for each in self._waiting if each.fault is not fault]
            called_off = len(waiting) < len(self._waiting)
            self._waiting = waiting
            return called_off

    def clear(self) -> None:
        """Call off what is waiting."""
        with self._lock:
            self._waiting.clear()

    def take(self, rpc: str, keys: Sequence[bytes], metadata: Mapping[str, str]) -> Fault | None:
        """Give the fault that a request meets, and count it as happened.

        Raises:
            MomentoError: The request's metadata asks for what cannot be.
        """
        with self._lock:
            try:
                asked_for = self._asked_for(rpc, metadata)
            except ValueError as error:
                raise MomentoError(Code.INVALID_ARGUMENT, str(error)) from error
            return asked_for or self._next(rpc, keys)

    def _next(self, rpc: str, keys: Sequence[bytes]) -> Fault | None:
        for index, waiting in enumerate(self._waiting):
            fault = waiting.fault
            if fault.rpc == rpc and (fault.key is None or fault.key.encode() in keys):
                if waiting.left == 1:
                    del self._waiting[index]
                elif waiting.left is not None:
                    waiting.left -= 1
                return fault
        return None

    def _asked_for(self, rpc: str, metadata: Mapping[str, str]) -> Fault | None:
        """Read the metadata by which the SDKs' own tests ask Momento Local for faults.

        `request-id` names a test's session. `return-error` answers the RPCs in `error-rpcs` with that status, for
        the session's first `error-count` requests of each RPC (if left out, for all); `delay-ms` makes those in
        `delay-rpcs` wait, for the first `delay-count`.
        """
        session = metadata.get("request-id")
        if session is None:
            return None
        errs = self._happens(session, "error", rpc, metadata)
        waits = self._happens(session, "delay", rpc, metadata)
        code = metadata.get("return-error") if errs else None
        delay_ms = int(metadata.get("delay-ms", 0)) if waits else 0
        if not code and not delay_ms:
            return None
        return Fault(rpc=rpc, code=code and code.upper().replace("-", "_"), delay_ms=delay_ms)

    def _happens(self, session: str, kind: str, rpc: str, metadata: Mapping[str, str]) -> bool:
        if not _MOMENTO_LOCAL_NAMES[rpc] & set(metadata.get(f"{kind}-rpcs", "").split()):
            return False
        happened = (session, kind, rpc)
        self._happened[happened] += 1
        return self._happened[happened] <= int(metadata.get(f"{kind}-count", self._happened[happened]))


def _momento_local_names(rpc: str) -> frozenset[str]:
    kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", rpc).lower()
    # The SDKs call SetIfNotExists by its successor's name.
    return frozenset({kebab, "set-if"}) if rpc == "SetIfNotExists" else frozenset({kebab})


_MOMENTO_LOCAL_NAMES = {rpc: _momento_local_names(rpc) for rpc in RPCS}
