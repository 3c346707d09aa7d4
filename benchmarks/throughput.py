"""Each row measured: a handler over the stream, in a process of its own, its final cache checked."""

import json

from msgspec import structs

from benchmarks.contestants import Ours
from benchmarks.job import Job, run
from benchmarks.replay import Recorder
from benchmarks.results import Profile
from benchmarks.rows import Case, Run, Runs
from benchmarks.sdk import CACHE
from benchmarks.session import Session, Stream
from local.momento import MomentoServer, RemoteServer

RECORDING_LATENCY_MS = 20
"""Long enough for all requests that can be under way at once to be so."""

PROFILED_SHARE = 0.01
"""A module below this share of the time is not named."""


class Throughput:
    """The cases of some runs, over one stream.

    Args:
        session: the server.
        stream: the workload.
        runs: the cases, and where their runs are kept.
    """

    def __init__(self, session: Session, stream: Stream, runs: Runs) -> None:
        self._session = session
        self.stream = stream
        self.runs = runs
        self._requests: dict[int, str] = {}

    def measure(self, case: Case) -> None:
        """Run a case once more."""
        self.stream.load(self._session.server, case.latency_ms)
        measured = run(self._job(case))
        wrong = self.stream.wrong_entries(self._session.server, case.records)
        self.runs.add(case, Run(measured, len(wrong)))

    def record(self, case: Case) -> None:
        """Record what ours asks over a case's records, for the limit to send.

        By a server in this process, which sees each request come.
        """
        recorder = Recorder()
        path = self._session.directory / f"requests-{case.batch_size}"
        with (
            MomentoServer(caches=[CACHE], interceptors=[recorder]) as server,
            RemoteServer(server.endpoint) as controls,
        ):
            self.stream.load(controls, RECORDING_LATENCY_MS)
            job = structs.replace(self._job(case), endpoint=server.endpoint)
            ours = Ours(job)
            for _, payload in job.payloads():
                ours.handle(json.loads(payload))
                recorder.end_batch()
            ours.close()
        recorder.save(path)
        self._requests[case.batch_size] = str(path)

    def profile(self, case: Case) -> Profile:
        """Tell where a case's time goes."""
        self.stream.load(self._session.server, case.latency_ms)
        seconds = run(structs.replace(self._job(case), profile=True)).profile
        total = sum(seconds.values())
        shares = {name: round(each / total, 3) for name, each in seconds.items() if each / total >= PROFILED_SHARE}
        return Profile(case.batch_size, dict(sorted(shares.items(), key=lambda share: -share[1])))

    def _job(self, case: Case) -> Job:
        return Job(
            contestant=case.contestant,
            endpoint=self._session.endpoint,
            scale=self.stream.scale,
            stream=str(self.stream.path),
            records=case.records,
            batch_size=case.batch_size,
            requests=self._requests.get(case.batch_size),
        )
