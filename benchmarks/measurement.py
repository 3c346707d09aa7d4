"""All that is measured, in the order in which it is."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks.decoding import DecodingRace
from benchmarks.deployed import Deployed
from benchmarks.list_growth import Growth
from benchmarks.results import TARGETS, Machine, Profile, Results, Spread
from benchmarks.rows import Case, Runs
from benchmarks.server_limits import ServerRace
from benchmarks.session import Session
from benchmarks.throughput import Throughput
from benchmarks.workload import Scale

STARTS = 2
"""How often each cold start is measured in a round: a short one needs more."""

MEMORY_BATCHES = 4
PROFILED_BATCH_SIZES = (100, 1_000)


class Step(NamedTuple):
    """One thing to do, and what is said of it meanwhile."""

    label: str
    do: Callable[[], object]


class Measurement:
    """Everything, on one session's server.

    Args:
        session: the server.
        deployed: the package.
        throughput: the rows.
        growth: the lists.
        rounds: how often everything is run.
    """

    def __init__(
        self, session: Session, deployed: Deployed, throughput: Throughput, growth: Growth, rounds: int
    ) -> None:
        self._deployed = deployed
        self._throughput = throughput
        self._growth = growth
        self._rounds = rounds
        self._server = ServerRace(session)
        self._decoding = DecodingRace(throughput.stream.path)
        self._machine = machine(rounds)
        self._profiles: list[Profile] = []

    def steps(self) -> list[Step]:
        """What there is to do.

        All of a round follows one another, and then the next round: what else the machine does in a minute is then in
        every row, and in no ratio.
        """
        runs = self._throughput.runs
        recorded = [case for case in runs.cases if case.contestant == "limit"]
        profiled = [case for size in PROFILED_BATCH_SIZES if (case := runs.case("ours", size))]
        return [
            Step("the package", self._deployed.build),
            *(
                Step(f"the requests that ours sends, {case.batch_size:,}", partial(self._throughput.record, case))
                for case in recorded
            ),
            *self._rounds * self._round(),
            *(Step(f"the profile of {case.name}", partial(self._profile, case)) for case in profiled),
        ]

    def _round(self) -> list[Step]:
        starts = (
            Step("a cold start, bare Momento", self._deployed.measure_bare),
            Step("a cold start", partial(self._deployed.measure_first_batch, "one", 1)),
            Step("a cold start, 100 records", partial(self._deployed.measure_first_batch, "hundred", 100)),
        )
        return [
            *(Step(_label(case), partial(self._throughput.measure, case)) for case in self._throughput.runs.cases),
            *STARTS * starts,
            Step("memory", partial(self._deployed.measure_memory, MEMORY_BATCHES)),
            *(Step(f"a list of {rows:,} rows", partial(self._growth.measure, rows)) for rows in self._growth.rows),
            Step("the server alone", self._server.measure),
            Step("decoding", self._decoding.measure),
        ]

    def _profile(self, case: Case) -> None:
        self._profiles.append(self._throughput.profile(case))

    def results(self) -> Results:
        """What everything came to, once all steps are done."""
        runs = self._throughput.runs
        cold_start, decoding = self._deployed.result(), self._decoding.result()
        figures = {
            **ratios(runs),
            "decode_vs_boto3_json": decoding.vs_boto3_json,
            "cold_start_vs_momento": cold_start.ratio,
            "peak_memory_mb_largest": Spread.of(self._deployed.peak_memory_mb),
            "zip_mb": Spread.of([self._deployed.zip_mb]),
        }
        return Results(
            summary={key: figures[key].median for key in TARGETS},
            spread={key: figures[key] for key in TARGETS},
            machine=self._machine,
            rows=runs.rows(),
            server=self._server.result(),
            cold_start=cold_start,
            list_growth=self._growth.result(),
            decoding=decoding,
            profiles=tuple(self._profiles),
        )


def measure(cases: Sequence[Case], rounds: int, watched: Callable[[Sequence[Step]], Iterable[Step]]) -> Results:
    """Measure everything.

    Args:
        cases: the rows.
        rounds: how often everything is run.
        watched: gives the steps again, one after the other, and shows how far it is.
    """
    with Session() as session:
        stream = session.stream(Scale())
        with Deployed(session, stream) as deployed:
            throughput = Throughput(session, stream, Runs(cases))
            measurement = Measurement(session, deployed, throughput, Growth(session), rounds)
            for step in watched(measurement.steps()):
                step.do()
            return measurement.results()


def ratios(runs: Runs) -> dict[str, Spread]:
    """The summary's figures that come from the rows."""
    return {
        "ours_1000_vs_seed": runs.ratio(("ours", 1_000), ("seed", 1)),
        "ours_100_vs_seed": runs.ratio(("ours", 100), ("seed", 1)),
        "ours_100_vs_careful": runs.ratio(("ours", 100), ("careful", 100)),
        "ours_1000_share_of_limit": runs.ratio(("ours", 1_000), ("limit", 1_000)),
        "requests_per_record_1000": runs.requests_per_record("ours", 1_000),
    }


def machine(rounds: int) -> Machine:
    """Tell where this is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return Machine(
        processor=models[0] if models else platform.machine(),
        cores=os.cpu_count() or 1,
        load=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        grpcio=version("grpcio"),
        measured_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        rounds=rounds,
    )


def _label(case: Case) -> str:
    return f"{case.name}, {case.latency_ms} ms"
