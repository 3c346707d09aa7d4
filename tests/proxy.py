"""A network between a client and a server, on this machine, that fails as real ones do."""

import contextlib
import ctypes
import socket
import struct
import threading
import time
from enum import StrEnum
from typing import Self

SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27

# A socket filter of one instruction (BPF_RET, 0): the kernel drops each packet that comes, and acknowledges none.
_DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_DROP_ALL = struct.pack("HL", 1, ctypes.addressof(_DROP))
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What becomes of the bytes of a connection."""

    PASS = "pass"
    """They are passed on."""

    SWALLOW = "swallow"
    """They are acknowledged and go nowhere, either way: a middlebox that forgot the connection."""

    HOLD = "hold"
    """They are acknowledged, and passed on to the server later, by release()."""

    DROP_REPLIES = "drop_replies"
    """The server's go nowhere."""

    RESET = "reset"
    """The first ones are answered with a reset."""


class _Connection:
    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self.client = client
        self.server = server
        self.mode = Mode.PASS
        self.held: list[bytes] = []
        self.received = 0


class Proxy:
    """Passes TCP connections on, until told otherwise. As a context manager, it serves from threads of its own.

    Args:
        port: the server's port on 127.0.0.1.

    Attributes:
        accepted_at: when each of them was accepted, in seconds of time.monotonic().
        answers: whether new connections reach the server; otherwise they are accepted and never answered.
        closes: whether new connections are closed as soon as they are accepted.
    """

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[_Connection] = []
        self.accepted_at: list[float] = []
        self.answers = True
        self.closes = False

    @property
    def accepted(self) -> int:
        """How many connections there have been."""
        return len(self.accepted_at)

    @property
    def endpoint(self) -> str:
        """Its `host:port`."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    @property
    def received(self) -> list[int]:
        """How many bytes have come from the client, over each connection so far."""
        return [each.received for each in self._connections]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # close() alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            _close(connection)

    def set(self, mode: Mode) -> None:
        """Treat the present connections so from now on."""
        for connection in self._connections:
            connection.mode = mode

    def release(self) -> None:
        """Pass on to the server what was held, and go on passing."""
        for connection in self._connections:
            connection.mode = Mode.PASS
            for data in connection.held:
                if connection.server is not None:
                    connection.server.sendall(data)
            connection.held = []

    def reset(self) -> None:
        """Reset the present connections."""
        for connection in self._connections:
            _reset(connection)

    def finish(self) -> None:
        """End the present connections from the server's side (FIN)."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.client.shutdown(socket.SHUT_WR)

    def lose(self, *, new: bool = False) -> None:
        """Drop every packet that comes from the client, as a cut wire does; of new connections too where told."""
        for each in self._sides(new):
            each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, _DROP_ALL)

    def restore(self) -> None:
        """Mend the wire. What the client's kernel still sends again arrives."""
        for each in self._sides(new=True):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)

    def _sides(self, new: bool) -> list[socket.socket]:
        present = [each.client for each in self._connections if each.client.fileno() >= 0]
        return [*present, *([self._listener] if new else [])]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted_at.append(time.monotonic())
            if self.closes:
                client.close()
                continue
            connection = _Connection(client, socket.create_connection(self._upstream) if self.answers else None)
            self._connections.append(connection)
            if connection.server is not None:
                for each in (client, connection.server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_pass_on, args=(connection, client, connection.server), daemon=True).start()
                threading.Thread(target=_pass_on, args=(connection, connection.server, client), daemon=True).start()


def _pass_on(connection: _Connection, source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            connection.received += len(data) if source is connection.client else 0
            match connection.mode:
                case Mode.PASS:
                    target.sendall(data)
                case Mode.HOLD:
                    if source is connection.client:
                        connection.held.append(data)
                case Mode.DROP_REPLIES:
                    if source is connection.client:
                        target.sendall(data)
                case Mode.RESET:
                    _reset(connection)
                    return
                case Mode.SWALLOW:
                    pass
    if connection.mode is Mode.PASS:
        _close(connection)


def _reset(connection: _Connection) -> None:
    with contextlib.suppress(OSError):
        connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    _close(connection)


def _close(connection: _Connection) -> None:
    for each in (connection.client, connection.server):
        if each is not None:
            with contextlib.suppress(OSError):
                # close() alone would not wake the thread that reads.
                each.shutdown(socket.SHUT_RD)
            each.close()
