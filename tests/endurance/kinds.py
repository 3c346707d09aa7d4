"""The kinds of fault, one after each other of which a process has to outlast."""

import copy
import json
from typing import Any, ClassVar

import msgspec

from local.momento import Fault
from tests.endurance.protocol import Answer
from tests.endurance.surroundings import CACHE, Surroundings, Worker, batches
from tests.proxy import Mode

REQUESTS = ("SetBatch", "Delete", "GetWithHash", "SetIfHash", "SetIfNotExists", "ItemGetTtl")


class WrongAnswerError(Exception):
    """The function answered otherwise than it has to under this fault, or the fault did not happen."""


class Kind:
    """A kind of fault, and what a process does under it. This one: no fault."""

    name: ClassVar[str] = "none"

    seconds: ClassVar[float] = 30.0
    """The time that each invocation has."""

    every: ClassVar[int] = 1
    """The fault happens in each such invocation."""

    share: ClassVar[float] = 1.0
    """How many of the invocations this kind has, because they take long."""

    counts_as: ClassVar[str | None] = None
    """What the function counts where the fault happens."""

    def __init__(self, around: Surroundings, worker: Worker) -> None:
        self.around = around
        self.worker = worker
        self.number = 0
        self.bodies = [json.dumps(each) for each in self.events()]
        # Before the first fault, the function has started, read the key, connected, and filled the lists; and it
        # remembers them from the second batch on.
        for body in map(json.dumps, batches()[:2]):
            worker.start(body, Kind.seconds)
            if worker.answer() != Answer():
                raise WrongAnswerError(f"{self.name}: a batch before the first fault failed: {worker.logged()}")
        worker.logged()

    @classmethod
    def invocations(cls, usual: int) -> int:
        """Return how many invocations this kind has where one that takes no longer than others has so many."""
        return round(usual * cls.share)

    def events(self) -> list[dict[str, Any]]:
        """Return the batches that are invoked in turn."""
        return batches()

    def invoke(self) -> None:
        """Invoke the function with the next batch.

        Raises:
            WrongAnswerError: see there.
        """
        strikes = self.number % self.every == 0
        if strikes:
            self.strike()
        self.worker.start(self.bodies[self.number % len(self.bodies)], self.seconds)
        answer = self.worker.answer()
        counted: dict[str, int] = {}
        for line in self.worker.logged():
            counted |= line.get("operations", {})
        if not self.is_right(answer):
            raise WrongAnswerError(f"{self.name}: invocation {self.number} answered {answer}, and counted {counted}")
        if strikes and self.counts_as and not counted.get(self.counts_as):
            raise WrongAnswerError(f"{self.name}: invocation {self.number} counted no {self.counts_as}: {counted}")
        self.number += 1

    def strike(self) -> None:
        """Have the fault happen in the next invocation."""

    def is_right(self, answer: Answer) -> bool:
        return answer == Answer()


class Throttled(Kind):
    """In each batch, Momento throttles a write of entries and a write of a list."""

    name = "throttled"
    counts_as = "retry"

    def strike(self) -> None:
        self.around.momento.faults.clear()
        for rpc in ("SetBatch", "SetIfHash"):
            self.around.momento.faults.add(Fault(rpc=rpc, code="RESOURCE_EXHAUSTED"))


class Outage(Kind):
    """Momento is unavailable, until the invocation's time is over."""

    name = "outage"
    # A request may take 1.1 s, and what is kept to report is 0.5 s. On a busy machine no time is left to retry.
    seconds = 1.8

    def strike(self) -> None:
        self.around.momento.faults.clear()
        for rpc in REQUESTS:
            self.around.momento.faults.add(Fault(rpc=rpc, code="UNAVAILABLE", times=None))

    def is_right(self, answer: Answer) -> bool:
        return len(answer.failed) == 1


class Timeouts(Kind):
    """In each tenth batch, Momento does not answer a request in time."""

    name = "timeouts"
    every = 10
    share = 0.5
    counts_as = "retry"

    def strike(self) -> None:
        self.around.momento.faults.add(Fault(rpc="SetBatch", silent=True))


class Conflicts(Kind):
    """Another writer changes the lists before each batch."""

    name = "conflicts"
    counts_as = "list_conflict"

    def strike(self) -> None:
        engine = self.around.momento.engine
        row = {"id": "other", "createdAt": "2020-01-01T12:00:00Z", "status": f"STEP-{self.number}"}
        for key in self.around.lists:
            stored = msgspec.json.decode(engine.get(CACHE, key.encode()) or b"[]")
            rows = [each for each in stored if each["id"] != "other"] + [row]
            engine.set(CACHE, key.encode(), msgspec.json.encode(rows), 86_400_000)


class Rebuilt(Kind):
    """Before each batch, Momento evicts the lists, which are filled from the table again."""

    name = "rebuilt"
    share = 0.5
    counts_as = "list_rebuild"

    def strike(self) -> None:
        for key in self.around.lists:
            self.around.momento.engine.evict(CACHE, key.encode())


class Rejected(Kind):
    """A record of each batch has an attribute that cannot be read."""

    name = "rejected"

    def events(self) -> list[dict[str, Any]]:
        events = super().events()
        for event in events:
            record = next(each for each in event["Records"][5:] if each["eventName"] != "REMOVE")
            record["dynamodb"]["NewImage"]["status"] = {"N": "not a number"}
        return events

    def is_right(self, answer: Answer) -> bool:
        return len(answer.failed) == 1


class Raising(Kind):
    """The last record of each batch has no sequence number, so that the function raises."""

    name = "raising"

    def events(self) -> list[dict[str, Any]]:
        events = copy.deepcopy(super().events())
        for event in events:
            del event["Records"][-1]["dynamodb"]["SequenceNumber"]
        return events

    def is_right(self, answer: Answer) -> bool:
        return answer.error == "EventError"


class Renewed(Kind):
    """The API key is rotated before each fifth batch."""

    name = "renewed"
    every = 5
    counts_as = "key_renewal"

    def strike(self) -> None:
        self.around.rotate_key(f"key-{self.number}")


class Reset(Kind):
    """The connection is reset before each fifth batch."""

    name = "reset"
    every = 5

    def strike(self) -> None:
        self.around.proxy.reset()


class Silent(Kind):
    """Before each fifth batch the connection falls silent: what is sent is acknowledged and never answered."""

    name = "silent"
    every = 5
    share = 0.25
    counts_as = "retry"

    def strike(self) -> None:
        self.around.proxy.set(Mode.SWALLOW)


KINDS: tuple[type[Kind], ...] = (
    Kind,
    Throttled,
    Outage,
    Timeouts,
    Conflicts,
    Rebuilt,
    Rejected,
    Raising,
    Renewed,
    Reset,
    Silent,
)
