"""The proof, as long as `make test` can wait for it; `make soak` is the same for longer, from other seeds."""

import contextlib
import io
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.momento import MomentoServer
from tests.doubles import CACHE
from tests.property import broken, over_grpc
from tests.property.baseline import CASES, EVERYTHING, Case, Seed, history_of
from tests.property.broken import BROKEN, Broken, Endless, Parts
from tests.property.checker import DivergenceError
from tests.property.histories import IMPORTS, History, Ours, Tally, prove
from tests.property.late import LateHistory
from tests.property.model import Things
from tests.property.over_grpc import GrpcHistory
from tests.property.world import Fault, Setup, World

SEED = 2026

ROOT = Path(__file__).parents[2]

HISTORIES = {
    case.handler.__name__: case
    for case in {repr((case.steps, case.fixed, case.faults)): case for case in reversed(BROKEN)}.values()
}
"""One case of each kind of histories that find broken handlers out."""


def proven(seed: int) -> tuple[Tally, str | None]:
    tally, failure = prove(History, 500, seed)
    return tally, failure.told() if failure else None


def test_a_thousand_random_histories_leave_the_cache_as_the_table_says() -> None:
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(proven, (SEED, SEED + 1)))
    for _, failure in parts:
        assert failure is None, failure
    fired = sum((tally.fired for tally, _ in parts), start=parts[0][0].fired.__class__())
    assert sum(tally.histories for tally, _ in parts) >= 1_000
    assert {fault for fault in Fault if fault is not Fault.OUT_OF_TIME} <= {fault for fault, n in fired.items() if n}


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.handler.__name__)
def test_a_handler_with_one_guarantee_broken_is_found_out(case: Broken) -> None:
    tried = case.histories()
    _, failure = prove(tried, case.within, SEED, shrinks=False)
    assert failure is not None
    assert isinstance(failure.error, DivergenceError)
    assert "the handler failed" not in str(failure.error)


def test_the_docs_name_each_broken_handler_and_how_many_there_are() -> None:
    guarantees, changes = ((ROOT / name).read_text("utf-8") for name in ("docs/guarantees.md", "CHANGELOG.md"))
    told = {
        row[0]: set(re.findall(r"`(\w+)`", row[2]))
        for row in (line.strip("| ").split(" | ") for line in guarantees.splitlines() if re.match(r"\| \d \| `", line))
    }
    broken_ones: dict[str, set[str]] = {number: set() for number in told}
    for case in BROKEN:
        broken_ones[case.guarantee[0]].add(case.handler.__name__)
    assert told == broken_ones
    assert f"how soon: {len(BROKEN)} of them" in guarantees
    assert f"shown to find {len(BROKEN)} broken handlers" in " ".join(changes.split())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.guarantee)
def test_the_first_handler_breaks_every_guarantee(case: Case) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        _, failure = prove(history_of(case, Seed), 100, SEED, shrinks=False)
    assert failure is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.guarantee)
def test_this_projects_handler_keeps_what_the_first_one_breaks(case: Case) -> None:
    _, failure = prove(history_of(case, Ours), 30, SEED)
    assert failure is None, failure.told()


@pytest.mark.parametrize("case", HISTORIES.values(), ids=HISTORIES)
def test_this_projects_handler_is_not_found_out_by_the_histories_that_the_broken_ones_are(case: Broken) -> None:
    _, failure = prove(replace(case, handler=Ours).histories(), 20, SEED)
    assert failure is None, failure.told()


def test_the_parts_that_broken_handlers_are_made_of_are_right_as_they_are() -> None:
    _, failure = prove(type("History", (History,), {"handler": Parts}), 100, SEED)
    assert failure is None, failure.told()


def test_this_projects_handler_keeps_the_first_ones_app_right() -> None:
    tally, failure = prove(history_of(EVERYTHING, Ours), 100, SEED)
    assert failure is None, failure.told()
    assert tally.fired.total() > 0


def test_a_failure_is_told_as_a_test_that_fails_the_same_way() -> None:
    careless = type("History", (History,), {"handler": broken.Acknowledging, "steps": broken.FAILING})
    _, failure = prove(careless, 500, SEED)
    assert failure is not None
    code = failure.test()
    assert len(code.splitlines()) < 20
    assert f"\n\n{IMPORTS}\n\ndef test_history() -> None:\n    state = History()\n" in failure.told()
    scope: dict[str, Any] = {}
    exec(IMPORTS, scope)  # noqa: S102 - it is our own
    scope["History"] = careless
    try:
        with pytest.raises(type(failure.error)) as again:
            exec(code, scope)  # noqa: S102 - as above
    finally:
        scope["state"].world.close()
    assert str(again.value) == str(failure.error)


def test_a_write_that_lands_late_does_harm_without_guarantee_8_and_with_it_there_is_none() -> None:
    bounded, failure = prove(LateHistory, 150, SEED)
    assert failure is None, failure.told()
    assert (bounded.harmed, bounded.fired[Fault.OUT_OF_TIME]) == (0, 0)
    endless, _ = prove(type("LateHistory", (LateHistory,), {"handler": Endless}), 150, SEED)
    assert endless.fired[Fault.OUT_OF_TIME] > 0
    assert endless.harmed > 0


@pytest.fixture
def server() -> Iterator[MomentoServer]:
    # A proxy for the outside has no way to 127.0.0.1.
    with pytest.MonkeyPatch.context() as environment, MomentoServer() as server:
        environment.setenv("no_grpc_proxy", server.host)
        yield server


def test_two_hundred_histories_over_real_grpc_end_the_same_way(server: MomentoServer) -> None:
    tally, failure = prove(type("GrpcHistory", (GrpcHistory,), {"server": server}), 200, SEED)
    assert failure is None, failure.told()
    assert tally.histories >= 200
    assert len([fault for fault in over_grpc.ANSWERS if tally.fired[fault]]) >= 5


def test_an_eviction_while_the_index_lags_can_cost_a_list_a_row() -> None:
    """What docs/guarantees.md says is left: the histories above let the index catch up first."""
    mapping = {"batch_size": 10, "maximum_retry_attempts": 100}
    lagging = World(Setup(model=Things(("all",)), mapping=mapping, lag_seconds=4.0, shards=2, seed=6), Ours())
    with contextlib.closing(lagging):
        lagging.put({"pk": "a", "sk": "1", "kind": "thing", "owner": "ann"})
        lagging.advance(0.4)
        lagging.engine.evict(CACHE, b"all")
        lagging.put({"pk": "b", "sk": "1", "kind": "thing", "owner": "ann"})
        with pytest.raises(DivergenceError, match=r"all: cached \[.*\"b\".*\], table \[.*\"a\".*\"b\".*\]"):
            lagging.settle()


def test_a_list_whose_definition_comes_back_can_lack_what_passed_by_meanwhile() -> None:
    """What docs/guarantees.md says is left: the histories above take such a list away."""
    mapping = {"batch_size": 10, "maximum_retry_attempts": 100}
    world = World(Setup(model=Things(("part",)), mapping=mapping), Ours())
    with contextlib.closing(world):
        world.put({"pk": "a", "sk": "1", "status": "live"})
        world.settle()
        stored = world.engine.get(CACHE, b"part-a")
        assert stored is not None
        world.redeploy(Things(("part",), live_only=True))
        world.put({"pk": "a", "sk": "2", "status": "done"})
        world.settle()
        assert world.engine.get(CACHE, b"part-a") == stored
        world.redeploy(Things(("part",)))
        assert world.engine.get(CACHE, b"part-a") is None
        world.engine.set(CACHE, b"part-a", stored, 300_000)
        world.put({"pk": "a", "sk": "3", "status": "live"})
        with pytest.raises(DivergenceError, match=r"part-a: cached \[.*\"1\".*\"3\".*\], table \[.*\"2\".*\]"):
            world.settle()
