"""The demo: the pizza app on one machine, every write followed into the cache, every view compared at the end."""

from __future__ import annotations

import functools
import math
import random
import statistics
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from local.pizza import CACHE, Pizza, Write, pizza, views

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

CUSTOMERS = [f"customer-{number:02}" for number in range(1, 21)]
BURST_ORDERS = 500
WRITES_PER_SECOND = 100
WRITERS = 4

LOGGED_CHARACTERS = 400
"""How much is shown of an entry that differs, which may be a list of hundreds."""

VISIBLE_SECONDS = 30
"""A write that is not visible for so long counts as lost."""


def run(console: Console) -> bool:
    """Run the demo.

    Returns:
        Whether every write became visible, and every view has what the table says.
    """
    console.print("[bold]Momento and AWS on 127.0.0.1; terraform apply of examples/pizza-orders[/bold]")
    with console.status("terraform init") as status:

        def show_terraform(line: str) -> None:
            if "complete" in line:
                console.print(f"  {line}", markup=False)
            elif line.endswith("..."):
                status.update(escape(line[: console.width - 4]))

        with Pizza(show_terraform) as app:
            demo = _Demo(app, console, status.update)
            demo.follow_one_order()
            demo.follow_a_burst()
            checked, different = demo.compare()
            console.print("[bold]terraform destroy[/bold]")
            app.terraform.destroy(show_terraform)
    percentiles = statistics.quantiles(demo.milliseconds, n=100)
    console.print(
        f"demo: {checked} views checked, {different} differ, "
        f"p50 {percentiles[49]:.0f} ms, p99 {percentiles[98]:.0f} ms from write to cache"
    )
    return different == 0 and math.inf not in demo.milliseconds


class _Demo:
    """One run of the story.

    Attributes:
        milliseconds: of each write, from before the request to DynamoDB was sent until the SDK had read it from all
            of its views; infinite for one that never was visible.
    """

    def __init__(self, app: Pizza, console: Console, progress: Callable[[str], None]) -> None:
        self.milliseconds: list[float] = []
        self._app = app
        self._console = console
        self._progress = progress
        self._ever_expected: dict[str, Any] = {}

    def follow_one_order(self) -> None:
        """Take one order through its life, write by write."""
        self._console.print(
            "[bold]one order, and when all four views show each write[/bold]\n"
            "  Lambda looks at a quiet stream four times a second, here as on AWS: up to 250 ms of each time.\n"
            "  The first write has to start the function, too."
        )
        write = self._follow("ann creates an order", self._app.create("ann"))
        for what, changes in (
            ("ann adds a pizza", {"numItems": 2, "items": [pizza("margherita"), pizza("funghi")]}),
            ("ann submits it", {"status": "SUBMITTED"}),
            ("the kitchen completes it", {"status": "COMPLETED"}),
            ("bob takes it over", {"creator": "bob"}),
        ):
            write = self._follow(what, self._app.change(write.after or {}, **changes))
        self._follow("bob deletes it", self._app.delete(write.after or {}))

    def follow_a_burst(self) -> None:
        """Create many orders at once, and change each as soon as it is visible."""
        self._console.print(f"[bold]a burst: {BURST_ORDERS} orders of {len(CUSTOMERS)} customers[/bold]")
        started = time.perf_counter()
        before = len(self.milliseconds)
        chance = random.Random(0)  # noqa: S311 - a story, the same in every run
        due = deque(
            functools.partial(self._app.create, CUSTOMERS[number % len(CUSTOMERS)]) for number in range(BURST_ORDERS)
        )
        issued = 0
        under_way: list[Future[Write]] = []
        invisible: list[Write] = []
        with ThreadPoolExecutor(WRITERS) as writers:
            while due or under_way or invisible:
                while due and issued < (time.perf_counter() - started) * WRITES_PER_SECOND:
                    under_way.append(writers.submit(due.popleft()))
                    issued += 1
                done, under_way = _parted(under_way)
                visible, invisible = self._looked_for(invisible + done)
                due += [
                    functools.partial(self._change_somehow, write, chance.random())
                    for write in visible
                    if write.before is None
                ]
                self._progress(f"{len(self.milliseconds) - before} writes visible, {len(invisible)} not yet")
                time.sleep(0.001)
        seconds = time.perf_counter() - started
        burst = self.milliseconds[before:]
        self._console.print(
            f"  {len(burst)} writes in {seconds:.1f} s; the median was in all of its views after "
            f"{statistics.median(burst):.0f} ms"
        )

    def compare(self) -> tuple[int, int]:
        """Compare all that is cached with the table.

        Returns:
            How many entries were checked, and how many differ.
        """
        self._console.print("[bold]every cached view against a scan of the table[/bold]")
        self._progress("comparing")
        expected = self._ever_expected | views(self._app.orders())
        # What no order ever stood for has no business in the cache.
        strangers = {key.decode() for key in self._app.momento.engine.keys(CACHE)} - expected.keys()
        expected |= dict.fromkeys(strangers)
        different = 0
        for key in sorted(expected):
            cached = self._app.read(key)
            if cached != expected[key]:
                different += 1
                self._console.print(f"  {key} differs", style="red", markup=False)
                for where, value in (("cached", cached), ("table", expected[key])):
                    self._console.print(f"    {where:<7}{str(value)[:LOGGED_CHARACTERS]}", markup=False)
        return len(expected), different

    def _follow(self, what: str, write: Write) -> Write:
        invisible = [write]
        while invisible:
            _, invisible = self._looked_for(invisible)
            time.sleep(0.001)
        self._console.print(f"  {what:<25}{self.milliseconds[-1]:>6.0f} ms   {self._described(write)}")
        return write

    def _looked_for(self, writes: list[Write]) -> tuple[list[Write], list[Write]]:
        """Tell the writes that are visible, or given up, from those that are not yet."""
        read = functools.cache(self._app.read)
        visible: list[Write] = []
        invisible: list[Write] = []
        for write in writes:
            seen = write.is_visible(read)
            seconds = time.perf_counter() - write.issued
            if not seen and seconds < VISIBLE_SECONDS:
                invisible.append(write)
                continue
            visible.append(write)
            self.milliseconds.append(seconds * 1000 if seen else math.inf)
            # Should nothing of it be left in the end, this is what has to be cached.
            self._ever_expected |= {
                key: [] if isinstance(value, list) else None for key, value in write.expected().items()
            }
        return visible, invisible

    def _change_somehow(self, write: Write, chance: float) -> Write:
        order = write.after or {}
        if chance < 0.2:
            return self._app.delete(order)
        if chance < 0.4:
            return self._app.change(order, creator=CUSTOMERS[int(order["pk"][-1], 16)])
        if chance < 0.6:
            return self._app.change(order, numItems=2, items=[*order["items"], pizza("funghi")])
        return self._app.change(order, status="COMPLETED" if chance < 0.8 else "SUBMITTED")

    def _described(self, write: Write) -> str:
        """What a reader sees of a write, one entry after the other."""
        entries = []
        for key in write.expected():
            match self._app.read(key):
                case None:
                    entries.append(f"{key}: none")
                case list(rows):
                    entries.append(f"{key}: {_counted(len(rows), 'row')}")
                case value:
                    entries.append(f"{key}: {value['status']}, {_counted(int(value['numItems']), 'item')}")
        return " · ".join(entries)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _parted(futures: list[Future[Write]]) -> tuple[list[Write], list[Future[Write]]]:
    done = [future for future in futures if future.done()]
    return [future.result() for future in done], [future for future in futures if not future.done()]
