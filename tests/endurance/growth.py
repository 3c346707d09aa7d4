"""What a process holds, as it goes on: how fast that grows, and how fast it may."""

import itertools
import statistics
from collections.abc import Callable, Sequence

import msgspec

from tests.endurance.kinds import Kind
from tests.endurance.protocol import Sample
from tests.endurance.surroundings import HANDLER, Surroundings, Worker

MEGABYTE = 1_000_000


class Growth(msgspec.Struct, frozen=True):
    """How much more there is of each after 1,000 invocations.

    Attributes:
        memory: resident bytes.
        objects: those that the collector knows of, garbage included.
        kept: the same without garbage.
        descriptors: open files and sockets.
        threads: the libraries' own included.
        tasks: asyncio's.
    """

    memory: float
    objects: float
    kept: float
    descriptors: float
    threads: float
    tasks: float


BOUNDS = Growth(memory=2 * MEGABYTE, objects=500, kept=100, descriptors=2, threads=2, tasks=2)
"""An environment that Lambda keeps for a day and invokes each second then grows by less than its 512 MB leave."""

SHORT_INVOCATIONS = 60
SHORT_BOUNDS = Growth(memory=20 * MEGABYTE, objects=5_000, kept=500, descriptors=20, threads=20, tasks=20)
"""For so few invocations, where a step of the allocator's counts for more. A batch that is kept is 300 KB of memory."""

STEP = 3 * MEGABYTE
"""So much the allocator may take at once, which over few invocations looks like growth. A batch kept is 0.3 MB."""

SAMPLES = 40
"""How often a process is measured."""


class Run(msgspec.Struct, frozen=True):
    """One kind of fault, outlasted or not.

    Attributes:
        kind: its name.
        invocations: how many were measured, after the warm-up.
        samples: what the process held, from the first of them to the last, in equal steps.
        growth: per 1,000 invocations.
    """

    kind: str
    invocations: int
    samples: Sequence[Sample]
    growth: Growth

    def grows(self, bounds: Growth = BOUNDS) -> list[str]:
        """Return what grows faster than it may."""
        faster = [name for name in Growth.__struct_fields__ if getattr(self.growth, name) > getattr(bounds, name)]
        if "memory" in faster and self.growth.memory * self.invocations / 1000 < STEP:
            faster.remove("memory")
        return faster


def slope(values: Sequence[float]) -> float:
    """Return by how much values grow from each to the next: the median of what all pairs say (Theil-Sen).

    So neither the steps of a sawtooth count, which the collector and the allocator make of what is constant, nor a
    single step.
    """
    pairs = itertools.combinations(enumerate(values), 2)
    return statistics.median((after - before) / (second - first) for (first, before), (second, after) in pairs)


def endure(
    kind: type[Kind],
    invocations: int,
    *,
    handler: str = HANDLER,
    advance: Callable[[], None] = lambda: None,
) -> Run:
    """Invoke the function under a kind of fault in a process of its own, and measure the process.

    Garbage is not collected while it is measured, other than by the process itself: garbage that nobody ever collects
    is a leak too.

    Args:
        kind: the fault.
        invocations: how many there are, for a kind that takes no longer than others. The first third is the warm-up,
            in which caches, pools and the allocator's arenas fill.
        handler: what is called, as `module:name`.
        advance: called after each invocation.

    Raises:
        WrongAnswerError: the function did not do what it has to under this fault.
    """
    total = kind.invocations(invocations)
    first = total // 3
    step = max(1, (total - first) // SAMPLES)
    with Surroundings() as around, Worker(around, handler) as worker:
        fault = kind(around, worker)
        taken: list[Sample] = []
        kept = 0
        for number in range(total):
            if number == first:
                kept = worker.collect()
            if number >= first and (number - first) % step == 0:
                taken.append(worker.measure())
            fault.invoke()
            advance()
        taken.append(worker.measure())
        kept = worker.collect() - kept
    slopes = {name: slope([getattr(each, name) for each in taken]) / step * 1000 for name in Sample.__struct_fields__}
    return Run(kind.name, total - first, taken, Growth(kept=kept / (total - first) * 1000, **slopes))
