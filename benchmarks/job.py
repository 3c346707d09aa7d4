"""What a worker is told to run, and what it answers."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.workload import Scale, payloads
from local.terraform import PROJECT
from tests.pizza import VIEWS


class Job(Struct, frozen=True):
    """What to run.

    Attributes:
        contestant: its name.
        endpoint: the Momento server's.
        scale: the workload's.
        stream: the file of the workload's records, a line each.
        records: how many of them.
        batch_size: the most in a batch.
        views: which of the app's.
        requests: the file of the requests that the limit sends.
        profile: whether to tell where the time goes; all else is then not worth measuring.
    """

    contestant: str
    endpoint: str
    scale: Scale
    stream: str
    records: int
    batch_size: int
    views: tuple[str, ...] = tuple(VIEWS)
    requests: str | None = None
    profile: bool = False

    def payloads(self) -> Iterator[tuple[int, bytes]]:
        """The payloads, each read when it is needed: Lambda does not hold the next one either."""
        with Path(self.stream).open("rb") as lines:
            yield from payloads(map(bytes.rstrip, islice(lines, self.records)), self.batch_size)


class Measured(Struct, frozen=True):
    """What one run came to.

    Attributes:
        records: how many there were.
        batches: in how many batches.
        largest_batch: the most records in one.
        seconds: from event to answer, all batches together.
        cpu_seconds: of the contestant's process.
        server_cpu_seconds: of the server's.
        requests: that the server got.
        bytes: of the messages, both ways.
        operations: as Momento's quota counts them.
        peak_memory_bytes: the most that the contestant's process ever held in memory.
        profile: where its main thread's processor time went: module to seconds.
    """

    records: int
    batches: int
    largest_batch: int
    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    requests: int
    bytes: int
    operations: int
    peak_memory_bytes: int
    profile: dict[str, float] = {}


def run(job: Job) -> Measured:
    """Run a job in a process of its own.

    Raises:
        subprocess.CalledProcessError: it failed; what it wrote stands on stderr.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.worker"],
        input=msgspec.json.encode(job),
        stdout=subprocess.PIPE,
        cwd=PROJECT,
        check=True,
    )
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=Measured)
