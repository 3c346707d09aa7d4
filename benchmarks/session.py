"""What the parts of the benchmark share: a Momento server in its own process, the workload and its files."""

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from benchmarks.sdk import CACHE
from benchmarks.workload import Scale, Workload, encoded, workload
from local.momento import RemoteServer
from local.server import HOST, Server, free_ports
from local.terraform import PROJECT


class Stream:
    """A workload with the file of its records.

    Attributes:
        scale: the workload's.
        workload: the workload.
        path: the file, a record a line.
    """

    def __init__(self, scale: Scale, directory: Path) -> None:
        self.scale = scale
        self.workload: Workload = workload(scale)
        self.path = directory / f"records-{scale.orders}-{scale.records}.jsonl"
        with self.path.open("wb") as file:
            for record in self.workload.records():
                file.write(msgspec.json.encode(record) + b"\n")
        self._loaded = encoded(self.workload.entries(0))

    def load(self, server: RemoteServer, latency_ms: int) -> None:
        """Let the cache hold what it holds before the first record, and let each request wait from now on."""
        server.fill(CACHE, self._loaded)
        server.set_latency(latency_ms)

    def wrong_entries(self, server: RemoteServer, records: int, *keys: str) -> list[str]:
        """Name the cache's entries that are other than they should be after so many records.

        Args:
            server: the server.
            records: how many were handled.
            keys: look at these alone; none: at all.
        """
        expected = self.workload.entries(records)
        found = {key: json.loads(value) for key, value in server.items(CACHE).items()}
        looked_at = keys or sorted(expected.keys() | found.keys())
        absent = object()
        return [key for key in looked_at if found.get(key, absent) != expected.get(key, absent)]


class Session:
    """A server and a folder for as long as the block lasts.

    Attributes:
        endpoint: the server's `host:port`.
        server: its controls.
        directory: for files that nobody needs afterwards.
    """

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (port,) = free_ports(1)
            command = [sys.executable, "-m", "local", "momento", "--port", str(port), "--cache", CACHE]
            server = Server("momento", command, port, self.directory, {"PYTHONPATH": str(PROJECT)})
            server.start()
            stack.callback(server.end)
            server.wait_until_ready()
            self.endpoint = f"{HOST}:{port}"
            self.server = stack.enter_context(RemoteServer(self.endpoint))
            self._kept = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def stream(self, scale: Scale) -> Stream:
        """Make a workload with its file."""
        return Stream(scale, self.directory)


def environment(**variables: str) -> dict[str, str]:
    """What a process that stands for Lambda finds in its environment, and nothing of this one's."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **variables}
