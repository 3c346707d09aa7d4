"""The endurance run in short, and that it finds out what it is for; `make endure` is the same for longer."""

import pytest

from tests.endurance.growth import SHORT_BOUNDS, SHORT_INVOCATIONS, Growth, endure, slope
from tests.endurance.kinds import KINDS, Kind


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy for the outside has no way to 127.0.0.1.
    monkeypatch.setenv("no_grpc_proxy", "127.0.0.1")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_process_does_not_grow(kind: type[Kind]) -> None:
    run = endure(kind, SHORT_INVOCATIONS)
    assert run.grows(SHORT_BOUNDS) == [], run.growth


def test_all_that_a_function_may_leave_behind_is_found_out() -> None:
    run = endure(Kind, SHORT_INVOCATIONS, handler="tests.endurance.leaking:everything")
    assert run.grows(SHORT_BOUNDS) == list(Growth.__struct_fields__), run.growth


def test_garbage_that_is_never_collected_is_found_out() -> None:
    run = endure(Kind, SHORT_INVOCATIONS, handler="tests.endurance.leaking:garbage")
    assert {"memory", "objects"} <= set(run.grows(SHORT_BOUNDS)), run.growth


def test_a_step_and_a_sawtooth_are_no_growth() -> None:
    assert slope([5] * 10 + [9] * 3) == 0
    assert slope([1, 2, 3] * 10) == 0
    assert slope([3, 5, 7, 9]) == 2
