"""`python -m benchmarks.worker`: one contestant in a process of its own, over one run of batches."""

import cProfile
import json
import pstats
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.contestants import CONTESTANTS
from benchmarks.job import Job, Measured
from local.momento import RemoteServer
from local.terraform import PROJECT


def measure(job: Job) -> Measured:
    """Run a job here."""
    contestant = CONTESTANTS[job.contestant](job)
    profiler = cProfile.Profile(time.thread_time)
    sizes: list[int] = []
    seconds = cpu_seconds = 0.0
    with RemoteServer(job.endpoint) as server:
        server.clear_counters()
        server_cpu_seconds = server.cpu_seconds()
        for size, payload in job.payloads():
            sizes.append(size)
            # As Lambda's runtime does it, and as it does it for every handler: not measured.
            event = json.loads(payload)
            began, began_cpu = time.perf_counter(), time.process_time()
            if job.profile:
                profiler.runcall(contestant.handle, event)
            else:
                contestant.handle(event)
            seconds += time.perf_counter() - began
            cpu_seconds += time.process_time() - began_cpu
            # Else the next one would be parsed while this one is still held.
            del event, payload
        began, began_cpu = time.perf_counter(), time.process_time()
        contestant.settle()
        seconds += time.perf_counter() - began
        cpu_seconds += time.process_time() - began_cpu
        server_cpu_seconds = server.cpu_seconds() - server_cpu_seconds
        counts = server.counters().values()
    contestant.close()
    return Measured(
        records=sum(sizes),
        batches=len(sizes),
        largest_batch=max(sizes),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        server_cpu_seconds=server_cpu_seconds,
        requests=sum(count.requests for count in counts),
        bytes=sum(count.request_bytes + count.response_bytes for count in counts),
        operations=sum(count.operations for count in counts),
        peak_memory_bytes=peak_memory_bytes(),
        profile=by_module(profiler) if job.profile else {},
    )


def peak_memory_bytes() -> int:
    """The most that this process has held in memory.

    `getrusage` would count what its parent held before it started this program.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def by_module(profiler: cProfile.Profile) -> dict[str, float]:
    """Add up a profile's seconds by module; what a module calls of C's counts as its own."""
    seconds: Counter[str] = Counter()
    # pstats has no typed way to its numbers.
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if file != "~":
            seconds[_module(file)] += own
            continue
        for (caller, _, _), (_, _, own_for_caller, _) in callers.items():
            seconds[_module(caller)] += own_for_caller
    return dict(seconds)


def _module(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(PROJECT / "handler"):
        return path.relative_to(PROJECT).as_posix()
    parts = path.parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    return "Python" if "asyncio" not in parts else "asyncio"


if __name__ == "__main__":
    print(msgspec.json.encode(measure(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))).decode())
