"""Random histories: what Hypothesis does to a world, step by step, and shrinks to the fewest steps that go wrong."""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from handler.cache import Memory
from handler.pipeline import process
from handler.settings import Settings
from tests.property.model import DOCUMENTS, Things
from tests.property.table import Key, Poison
from tests.property.world import (
    LIST_COPIES,
    MAX_ITEM_BYTES,
    PAGE_BYTES,
    REQUEST_FAULTS,
    TYPED,
    Fault,
    Handler,
    Setup,
    World,
)
from tests.stream import Item

KEYS: Sequence[Key] = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("c", "1"), ("d", "1"), ("e", "1"), ("f", "1")]

ABSENT = object()

VALUES: dict[str, Any] = {
    "absent": ABSENT,
    "null": None,
    "true": True,
    "zero": 0,
    "one": 1,
    "minus": Decimal("-1.5"),
    "digits": Decimal("12345678901234567890.123456789012345678"),
    "empty": "",
    "text": "ü",
    "big": "x" * 300,
    "huge": "x" * 720,
}


STEPS = 25
"""The most steps of one history."""


def memory_of(cache: Any) -> Memory:
    """A new execution environment's memory."""
    memory = Memory()
    size = getattr(cache, "memory_bytes", None)
    if size is not None:
        memory.under_way_bytes = memory.remembered_bytes = size
    return memory


class Ours:
    """This project's handler, with a memory for each execution environment."""

    def __init__(self) -> None:
        self._memories: WeakKeyDictionary[Any, Memory] = WeakKeyDictionary()

    async def __call__(self, event: dict[str, Any], views: Settings, cache: Any, table: Any, **time: Any) -> Any:
        memory = self._memories.setdefault(cache.environment, memory_of(cache))
        outcome = await process(event, views, cache, table, memory, now=lambda: 0.0, **time)
        return dict(outcome.response)


mappings = st.fixed_dictionaries(
    {
        "batch_size": st.sampled_from([1, 2, 3, 10]),
        "maximum_retry_attempts": st.sampled_from([100, 100, 3, 0]),
        "bisect_batch_on_function_error": st.booleans(),
        "parallelization_factor": st.sampled_from([1, 1, 3]),
        "maximum_batching_window_in_seconds": st.sampled_from([0, 0, 1]),
        "maximum_record_age_in_seconds": st.sampled_from([-1, -1, -1, 60]),
    }
)

models = st.builds(
    Things,
    views=st.lists(st.sampled_from(sorted(DOCUMENTS)), min_size=1, max_size=4, unique=True).map(tuple),
    live_only=st.booleans(),
    limit=st.sampled_from([None, None, 1, 2, 3]),
    descending=st.booleans(),
)

paces: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *[{"slow": 2, "timeout_seconds": 30.0}] * 3,
        {"slow": 2, "timeout_seconds": 5.0},
        {"slow": 2, "timeout_seconds": 30.0, "max_operations_per_second": 50.0},
        {"slow": 2, "timeout_seconds": 30.0, "max_operations_per_second": 4.0},
        {"slow": 50, "timeout_seconds": 30.0},
        {"slow": 50, "timeout_seconds": 7.0},
        *[{"slow": 2, "timeout_seconds": 7.0, "max_operations_per_second": 3.0}] * 2,
        {"slow": 50, "timeout_seconds": 30.0, "max_operations_per_second": 50.0},
    ]
)
"""How long requests take, how many there may be, and how much time there is for them: at times it is too short for a
batch, but not for its first record."""

ONE_LIST = 2 * MAX_ITEM_BYTES
FOUR_LISTS = 8 * MAX_ITEM_BYTES
TWO_PAGES = 4 * LIST_COPIES * PAGE_BYTES
"""What memory there may be. Half of it is room to read so many lists of unknown size, or to query so many pages."""

setups = models.flatmap(
    lambda model: st.builds(
        lambda pace, **others: Setup(**pace, **others),
        pace=paces,
        model=st.just(model),
        mapping=mappings,
        skip_unchanged=st.sampled_from([True, True, False]),
        ttl_seconds=st.sampled_from([86_400, 300]),
        filtered=st.booleans() if model.live_only else st.just(False),
        shards=st.integers(1, 3),
        lag_seconds=st.sampled_from([0.0, 0.5, 4.0]),
        stale_seconds=st.sampled_from([0.0, 0.0, 1.0]),
        memory_bytes=st.sampled_from([None, None, None, ONE_LIST, FOUR_LISTS, TWO_PAGES]),
        seed=st.integers(0, 2**16),
    )
)

keys = st.sampled_from(KEYS)
numbers = st.sampled_from(sorted(VALUES))
owners = st.sampled_from(["", "ann", "bob"])
aliases = st.sampled_from(["", "x", "y", "z"])
statuses = st.sampled_from(["live", "live", "done"])

KEY_PARTS = ("owner", "alias")
"""What keys are made of. An empty text there means that the item lacks the attribute."""

ARMED_FAULTS = (
    *REQUEST_FAULTS,
    Fault.KEY_NOT_FETCHED,
    Fault.PARTLY_REFUSED,
    Fault.QUERY_FAILED,
    Fault.RESPONSE_LOST,
    Fault.DELIVERED_TWICE,
)

FREE = [f"free-{number}" for number in range(len(KEYS))]
"""Aliases for items that have none and are to trade one."""

PAIRS: Sequence[tuple[Key, Key]] = [(("a", "1"), ("a", "2")), (("b", "1"), ("b", "2")), (("a", "1"), ("b", "1"))]
"""Items that trade their places. Those of two partitions may end without one: docs/guarantees.md."""

JUNK = (
    b"",
    b"{}",
    b'"text"',
    b"[1]",
    b"[",
    b"\xff\xfe",
    b'[{"pk":"a"}]',
    b'[{"pk":"a","sk":"\xff","n":1}]',
    b'[{"pk":"a","sk":"1","n":1e99999999999999999999}]',
    b'[{"pk":"a","sk":null,"n":1}]',
)
"""What no list of any view is."""


@dataclass(slots=True)
class Tally:
    """What came of many histories.

    Attributes:
        histories: how many there were, those that Hypothesis gave up halfway included.
        failed_first: which of them was the first to go wrong; 0: none.
        harmed: how many went wrong, of those that count it.
        fired: how often each fault came true.
    """

    histories: int = 0
    failed_first: int = 0
    harmed: int = 0
    fired: Counter[Fault] = field(default_factory=Counter)


def step(**drawn: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """Make a method a step of a history, unless the history's class leaves it out."""

    def decorated(method: Any) -> Any:
        def is_taken(history: "History") -> bool:
            return history.steps is None or method.__name__ in history.steps

        return precondition(is_taken)(rule(**drawn)(method))  # type: ignore[call-overload]  # its overloads name targets

    return decorated


class History(RuleBasedStateMachine):
    """One history of this project's handler. What goes wrong is printed as the steps that lead to it.

    Attributes:
        handler: makes what is put to the proof.
        steps: the names of the steps to be taken; None: all.
        fixed: what all setups have in common.
        faults: what may go wrong with requests; None: anything.
        tally: what came of all histories.
    """

    handler: ClassVar[type[Handler]] = Ours
    steps: ClassVar[Container[str] | None] = None
    fixed: ClassVar[Mapping[str, Any]] = {}
    faults: ClassVar[Sequence[Fault] | None] = None
    tally: ClassVar[Tally] = Tally()

    world: World | None = None

    @initialize(setup=setups)
    def begin(self, setup: Setup) -> None:
        """Make the world."""
        self.world = World(replace(setup, **self.fixed), self.handler())

    @step(key=keys, n=numbers, owner=owners, alias=aliases, status=statuses)
    def put(self, key: Key, n: str, owner: str, alias: str, status: str) -> None:
        """Write a whole item."""
        self._put(key, n=VALUES[n], owner=owner, alias=alias, status=status)

    @step(key=keys, n=numbers)
    def change_n(self, key: Key, n: str) -> None:
        """Change what most views show."""
        self._put(key, n=VALUES[n])

    @step(key=keys, owner=owners, alias=aliases)
    def move(self, key: Key, owner: str, alias: str) -> None:
        """Change what keys are made of."""
        self._put(key, owner=owner, alias=alias)

    @step(key=keys, status=statuses)
    def change_status(self, key: Key, status: str) -> None:
        """Change what views select by."""
        self._put(key, status=status)

    @step(key=keys, note=st.integers(0, 3), refresh=st.booleans())
    def touch(self, key: Key, note: int, refresh: bool) -> None:
        """Change what few views show, or none."""
        self._put(key, **{"_cache_refresh" if refresh else "note": note})

    @step(key=keys, n=numbers, seconds=st.sampled_from([0.05, 0.1, 0.5, 1.0]))
    def exchange(self, key: Key, n: str, seconds: float) -> None:
        """Let items move within the index while lists that were lost are read from it, page by page."""
        self._world.flush()
        self._put(key, n=VALUES[n])
        self._world.advance(seconds)
        for other, item in list(self._world.table.items.items()):
            if other != key and "owner" in item:
                self._put(other, owner="ann" if item["owner"] == "bob" else "bob")

    @step(key=keys, n=numbers)
    def outgrow(self, key: Key, n: str) -> None:
        """Let an item be too big for Momento, fit again, and change once more when its lists may come back."""
        self._put(key, n=VALUES["huge"])
        self._world.advance(1.0)
        self._put(key, n=VALUES["one"])
        self._world.settle()
        self._world.let_expire()
        self._put(key, n=VALUES[n])

    @step(partition=st.sampled_from(["a", "b"]))
    def swap(self, partition: str) -> None:
        """Let two items of a partition swap their alias, after each was given one."""
        one, other = (partition, "1"), (partition, "2")
        for first, second in ((one, other), (other, one)):
            self._put(one, alias="")
            self._put(other, alias=f"{partition}-{second[1]}")
            self._put(one, alias=f"{partition}-{first[1]}")

    @step(pair=st.sampled_from(PAIRS), leaves=st.sampled_from(["", "", "goes", "deleted"]), n=numbers)
    def trade(self, pair: tuple[Key, Key], leaves: str, n: str) -> None:
        """Let one item take another's alias in one transaction, and the other take the first one's, or none."""
        for key in pair:
            items = self._world.table.items
            if "alias" not in items.get(key, {}):
                taken = {item.get("alias") for item in items.values()}
                self._put(key, alias=next(alias for alias in FREE if alias not in taken))
        one, other = (self._world.table.items[key] for key in pair)
        kept = {name: value for name, value in other.items() if name != "alias"}
        left = {"": other | {"alias": one["alias"]}, "goes": kept, "deleted": None}[leaves]
        moved = one | {"alias": other["alias"]}
        if VALUES[n] is not ABSENT:
            moved["n"] = VALUES[n]
        self._world.transact({pair[0]: moved, pair[1]: left})

    @step(key=keys, owner=st.sampled_from([None, 5, True]))
    def violate(self, key: Key, owner: Any) -> None:
        """Give an item a key that the index does not hold, where the settings have the types of keys."""
        if TYPED:
            self._put(key, owner=owner)

    @step(key=keys, by_ttl=st.booleans())
    def delete(self, key: Key, by_ttl: bool) -> None:
        """Delete an item."""
        if key in self._world.table.items:
            self._world.delete(key, by_ttl=by_ttl)

    @step(key=keys, n=numbers, poison=st.sampled_from(Poison))
    def poison(self, key: Key, n: str, poison: Poison) -> None:
        """Write an item so that its record can not be handled, where that is given up before long.

        Filters would hide a record without images.
        """
        setup = self._world.setup
        if setup.mapping["maximum_retry_attempts"] <= 3 and (poison is Poison.VALUE or not setup.filtered):
            self._put(key, poison, n=VALUES[n])

    @step(writes=st.lists(st.tuples(keys, numbers, owners), min_size=2, max_size=6))
    def put_many(self, writes: list[tuple[Key, str, str]]) -> None:
        """Write many items at once."""
        for key, n, owner in writes:
            self._put(key, n=VALUES[n], owner=owner)

    @step(seconds=st.sampled_from([0.01, 0.03, 0.05, 0.3]))
    def go_on(self, seconds: float) -> None:
        """Let little time pass: enough for some requests, not for a batch."""
        self._world.advance(seconds)

    @step(seconds=st.sampled_from([1.0, 4.0, 20.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._world.advance(seconds)

    @step(faults=st.lists(st.tuples(st.sampled_from(ARMED_FAULTS), st.integers(0, 6)), min_size=1, max_size=5))
    def fault(self, faults: list[tuple[Fault, int]]) -> None:
        """Let requests, queries and invocations go wrong, each once so many went well."""
        for fault, after in faults:
            taken = self.faults or ARMED_FAULTS
            self._world.arm(taken[ARMED_FAULTS.index(fault) % len(taken)], after)

    @step(seconds=st.sampled_from([0.2, 2.0, 40.0]))
    def outage(self, seconds: float) -> None:
        """Let Momento be away."""
        self._world.outage(seconds)

    @step(what=st.sampled_from(["one", "one", "all", "old"]), which=st.integers(0, 9))
    def lose(self, what: str, which: int) -> None:
        """Let the cache lose entries."""
        match what:
            case "one":
                self._world.evict(which)
            case "all":
                self._world.flush()
            case _:
                self._world.let_expire()

    @step(which=st.integers(0, 9), junk=st.sampled_from(JUNK))
    def spoil(self, which: int, junk: bytes) -> None:
        """Let another program overwrite a list."""
        self._world.spoil(which, junk)

    @step()
    def refill(self) -> None:
        """Let the application fill the list that nothing else rebuilds."""
        self._world.refill()

    @step(limit=st.sampled_from([None, 1, 3]), descending=st.booleans(), live_only=st.booleans(), noted=st.booleans())
    def redeploy(self, limit: int | None, descending: bool, live_only: bool, noted: bool) -> None:
        """Change the lists' limit, order and fields, and what all views select by, where no filter hangs on that."""
        setup = self._world.setup
        if isinstance(setup.model, Things):
            selected = setup.model.live_only if setup.filtered else live_only
            model = replace(setup.model, limit=limit, descending=descending, live_only=selected, noted=noted)
            if model != setup.model:
                self._world.redeploy(model)

    @step()
    def kill(self) -> None:
        """Kill what is under way."""
        self._world.kill()

    @step(which=st.integers(1, 5))
    def rewind(self, which: int) -> None:
        """Let another poller go on from an older checkpoint."""
        self._world.rewind(which)

    @step(which=st.integers(0, 9))
    def split(self, which: int) -> None:
        """Split a shard."""
        self._world.split(which)

    @step()
    def settle(self) -> None:
        """Drain the stream and check the cache; the history may go on."""
        self._world.settle()

    def teardown(self) -> None:
        """Drain the stream and check the cache."""
        if self.world is None:
            return
        self.tally.histories += 1
        try:
            self.world.settle()
        except BaseException:
            self.tally.failed_first = self.tally.failed_first or self.tally.histories
            raise
        finally:
            self.world.close()
            self.tally.fired.update(self.world.fired)

    @property
    def _world(self) -> World:
        assert self.world is not None, "begin() comes first"
        return self.world

    def _put(self, key: Key, poison: Poison | None = None, /, **changes: Any) -> None:
        world = self._world
        item = {**(world.table.items.get(key) or _new(key)), **changes}
        # `unique = true` is the author's word that no two items share an alias.
        taken = {other.get("alias") for other_key, other in world.table.items.items() if other_key != key}
        if item.get("alias") in taken:
            item["alias"] = ""
        world.put(
            {
                name: value
                for name, value in item.items()
                if value is not ABSENT and (value != "" or name not in KEY_PARTS)
            },
            poison=poison,
        )


def _new(key: Key) -> Item:
    return {"pk": key[0], "sk": key[1], "kind": "thing", "status": "live"}


IMPORTS = """\
from tests.property.histories import History
from tests.property.model import Things
from tests.property.table import Poison
from tests.property.world import Fault, Setup
"""
"""What a history that is told as a test needs."""


@dataclass(slots=True)
class Failure:
    """What went wrong.

    Attributes:
        error: the error.
        after: in which history it was found.
    """

    error: Exception
    after: int

    def test(self) -> str:
        """The steps that lead there, as Python. They need the names of `IMPORTS`."""
        notes = "\n".join(getattr(self.error, "__notes__", ()))
        return notes[notes.find("state = ") : notes.rfind("state.teardown()")] + "state.teardown()"

    def told(self) -> str:
        """The error, and the steps to it as a test."""
        steps = self.test().replace("\n", "\n    ")
        return f"{self.error!r}\n\n{IMPORTS}\n\ndef test_history() -> None:\n    {steps}\n"


def prove(history: type[History], histories: int, seed: int, *, shrinks: bool = True) -> tuple[Tally, Failure | None]:
    """Run random histories.

    Args:
        history: their class.
        histories: how many.
        seed: of all that is drawn.
        shrinks: whether a failure is reduced to the fewest steps.

    Returns:
        What came of them, and the first that went wrong.
    """
    tally = Tally()
    tallied = type(history.__name__, (history,), {"tally": tally})
    how = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    try:
        run_state_machine_as_test(with_seed(seed)(tallied), settings=how)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return tally, Failure(error, tally.failed_first)
    return tally, None
