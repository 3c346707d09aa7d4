"""How often a write that lands late does harm, with guarantee 8 and without it.

No promise covers a write that lands after the next attempt. What guarantee 8 does is that there is none: no request is
under way when the invocation's time is up.
"""

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.property.histories import KEYS, VALUES, History, step
from tests.property.model import Things
from tests.property.world import Setup, World


class _Tolerant(World):
    def judge(self) -> None:
        """Go on: what went wrong is counted in the end."""

    def overran(self) -> None:
        """Go on: what that does is what is counted."""


class LateHistory(History):
    """A history of slow requests and little time, in which a write may land after its invocation's time was up."""

    steps = ("rewrite", "wait")

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        """Make the world."""
        setup = Setup(
            model=Things(("whole", "mine")),
            mapping={"batch_size": 10, "maximum_retry_attempts": 100, "bisect_batch_on_function_error": True},
            max_operations_per_second=4,
            slow=50,
            late=True,
            timeout_seconds=3.0,
            seed=seed,
        )
        self.world = _Tolerant(setup, self.handler())

    @step(n=st.sampled_from(["zero", "one", "minus", "text"]))
    def rewrite(self, n: str) -> None:
        """Write more items anew than one invocation has the time for."""
        for key in KEYS:
            self._put(key, n=VALUES[n], alias="".join(key))

    def teardown(self) -> None:
        """Count a history that went wrong."""
        super().teardown()
        if self.world and self.world.errors:
            raise self.world.errors[0]
        if self.world and self.world.checker.divergences:
            self.tally.harmed += 1
