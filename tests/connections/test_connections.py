"""A connection that dies: the handler over the real SDK's gRPC, through a proxy that fails as networks do."""

import asyncio
import time

import pytest

from handler.cache import TransientError
from handler.momento_cache import DROPPED_SECONDS
from handler.views import SetEntry
from local.momento import Fault
from tests.connections.recovery import DEATHS, Session, comeback
from tests.proxy import Mode


@pytest.mark.parametrize("death", DEATHS)
def test_the_batch_that_meets_a_dead_connection_is_written_in_the_same_invocation(death: str) -> None:
    with Session() as session:
        DEATHS[death](session)
        # As long as one request, what the kernel drops, and another request take; and half of that again.
        outcome = session.batch(1.5 * (2 * session.cache.request_seconds + DROPPED_SECONDS))
        assert outcome.log["failed"] == 0, outcome.log
        assert session.shown() == [session.written]
        before = session.proxy.accepted
        outcome = session.batch(session.cache.request_seconds + 1)
        assert outcome.log["failed"] == 0, outcome.log
        assert session.proxy.accepted == before <= 2


@pytest.mark.parametrize("answers", [True, False], ids=["lost", "silent"])
def test_a_network_that_is_back_is_noticed_within_seconds(answers: bool) -> None:
    # gRPC's own backoff has grown to over 10 s by then.
    assert comeback(14, answers=answers) < 6


def test_bytes_that_nobody_acknowledged_do_not_arrive_after_a_newer_value() -> None:
    for size in (1, 900_000):
        with Session() as session:
            session.proxy.lose()
            with pytest.raises(TransientError):
                session.run(session.cache.set_many([_entry(b"o" * size)]))
            time.sleep(session.cache.pace.wait(time.monotonic()))
            assert session.run(session.cache.set_many([_entry(b"newer")])) == [None]
            session.proxy.restore()
            # Longer than the kernel waits between two repetitions.
            time.sleep(2)
            assert session.server.engine.get("pizza", b"k") == b"newer"


def test_bytes_of_a_connection_that_was_closed_do_not_arrive_after_a_newer_value() -> None:
    async def walk(session: Session) -> None:
        session.proxy.set(Mode.DROP_REPLIES)
        unanswered = asyncio.create_task(session.cache.set_many([_entry(b"v", "other")]))
        await asyncio.sleep(session.cache.request_seconds - 0.1)
        # Sent at the last moment before the handler closes the connection, and acknowledged by nobody.
        session.proxy.lose()
        late = asyncio.create_task(session.cache.set_many([_entry(b"older")]))
        for each in (unanswered, late):
            with pytest.raises(TransientError):
                await each
        await asyncio.sleep(session.cache.pace.wait(time.monotonic()))
        assert await session.cache.set_many([_entry(b"newer")]) == [None]
        before, _ = session.proxy.received
        session.proxy.restore()
        await asyncio.sleep(2)
        after, _ = session.proxy.received
        assert after == before

    with Session() as session:
        session.run(walk(session))
        assert session.server.engine.get("pizza", b"k") == b"newer"


def test_a_slow_request_beside_others_that_are_answered_keeps_its_connection() -> None:
    with Session() as session:
        session.server.faults.add(Fault(rpc="SetBatch", silent=True))
        assert session.batch().log["failed"] == 0
        assert session.proxy.accepted == 1


def _entry(value: bytes, key: str = "k") -> SetEntry:
    return SetEntry("view", key, 1, value, 600)
