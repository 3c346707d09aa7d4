"""A server on a port of 127.0.0.1 that lasts as long as the block that started it."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from local import leash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST = "127.0.0.1"

_READY_SECONDS = 60


class ServerError(RuntimeError):
    """A server did not come up; the message says what to do, or ends with the server's log."""


class Server:
    """A program that listens on a port.

    Its environment is clean: what it starts inherits it, and a profile or a PYTHONPATH of the caller's would change
    what that does.

    Args:
        name: in messages, and its log's.
        command: the program and its arguments.
        port: where it will listen.
        directory: its home, and where its log is.
        environment: what it needs on top.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        directory: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log_file = directory / f"{name}.log"
        self._name = name
        self._command = command
        self._port = port
        self._directory = directory
        self._environment = {
            "PATH": os.defpath,
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "LANG": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            **(environment or {}),
        }

    def start(self) -> None:
        """Start the program, and do not wait for it."""
        with self.log_file.open("wb") as log:
            self._process = leash.start(
                self._command, stdout=log, stderr=log, cwd=self._directory, env=self._environment
            )

    def wait_until_ready(self) -> None:
        """Wait until it listens.

        Raises:
            ServerError: it ended, or does not listen after 60 seconds.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not _listens(self._port):
            if self._process.poll() is not None:
                raise ServerError(f"{self._name} ended while starting:\n{self.log_file.read_text()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self._name} was not ready after {_READY_SECONDS} s:\n{self.log_file.read_text()}")
            time.sleep(0.05)

    def end(self) -> None:
        """Kill the server: its state is in memory, so there is nothing that it had to finish."""
        leash.end(self._process)


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
