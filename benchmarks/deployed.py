"""The package as it is deployed: its size, its cold start, and its memory on the largest batches."""

import base64
import gzip
import json
import logging
import platform
import subprocess
import sys
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

import boto3
import msgspec
from moto.server import ThreadedMotoServer

from benchmarks.results import ColdStart, Spread
from benchmarks.rows import LARGEST, LATENCY_MS
from benchmarks.sdk import CACHE
from benchmarks.session import Session, Stream, environment
from benchmarks.workload import payloads
from local.server import HOST
from local.terraform import PROJECT
from tests.pizza import VIEWS

DEPLOYED_FOR = ("python3.13", "arm64")
"""What the module deploys for, unless it is told otherwise."""

REGION = "eu-west-1"

# The local Secrets Manager's: a line for each request.
logging.getLogger("werkzeug").setLevel(logging.WARNING)


class _Invoked(NamedTuple):
    done: float
    peak_memory_bytes: int


class Deployed:
    """The built package, run on this machine, with a Secrets Manager beside it, for as long as the block lasts.

    Nothing is compiled ahead, and nothing kept compiled: where Lambda runs a package, it can not be written to.

    Args:
        session: the server.
        stream: the workload.

    Attributes:
        zip_mb: the size of what the module deploys, in 10^6 bytes.
        peak_memory_mb: what the function held at the most, run by run, in 2^20 bytes as Lambda counts them.
    """

    zip_mb: float

    def __init__(self, session: Session, stream: Stream) -> None:
        self._session = session
        self._stream = stream
        self._seconds: dict[str, list[float]] = {"bare": [], "one": [], "hundred": []}
        self.peak_memory_mb: list[float] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            moto = ThreadedMotoServer(HOST, port=0, verbose=False)
            moto.start()
            stack.callback(moto.stop)
            host, port = moto.get_host_and_port()
            self._aws = f"http://{host}:{port}"
            secrets = boto3.client(
                "secretsmanager",
                region_name=REGION,
                endpoint_url=self._aws,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",  # noqa: S106 - the local stack takes anything
            )
            self._secret_arn = str(secrets.create_secret(Name="momento", SecretString="any")["ARN"])
            self._kept = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def build(self) -> None:
        """Build the package that the module deploys, to weigh it; and one for this machine, unpacked as Lambda does."""
        self.zip_mb = self._built(*DEPLOYED_FOR).stat().st_size / 1e6
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        architecture = "arm64" if platform.machine() == "aarch64" else "x86_64"
        self._unpacked = self._session.directory / "package"
        with zipfile.ZipFile(self._built(version, architecture)) as archive:
            archive.extractall(self._unpacked)

    def measure_bare(self) -> None:
        """Start a process that sets one entry, once more."""
        self._stream.load(self._session.server, LATENCY_MS)
        began = time.monotonic()
        (line,) = self._ran("bare_momento.py", self._session.endpoint)
        done, answer = line.split()
        if answer != "CacheSet.Success":
            raise RuntimeError(f"the entry was not set: {answer}")
        self._seconds["bare"].append(float(done) - began)

    def measure_first_batch(self, name: str, records: int) -> None:
        """Start the function and have it handle a first batch, once more."""
        self._stream.load(self._session.server, LATENCY_MS)
        began = time.monotonic()
        (invoked,) = self._invoked(self._payloads(records, 1))
        self._seconds[name].append(invoked.done - began)

    def measure_memory(self, batches: int) -> None:
        """Start the function and have it handle the largest batches, once more."""
        self._stream.load(self._session.server, LATENCY_MS)
        *_, last = self._invoked(self._payloads(LARGEST, batches))
        self.peak_memory_mb.append(last.peak_memory_bytes / 2**20)

    def result(self) -> ColdStart:
        """What all starts came to."""
        seconds = self._seconds
        return ColdStart(
            bare_momento_seconds=Spread.of(seconds["bare"]),
            first_record_seconds=Spread.of(seconds["one"]),
            first_hundred_seconds=Spread.of(seconds["hundred"]),
            ratio=Spread.of_ratios(seconds["hundred"], seconds["bare"]),
            ratio_one=Spread.of_ratios(seconds["one"], seconds["bare"]),
        )

    def _built(self, runtime: str, architecture: str) -> Path:
        package = self._session.directory / f"{runtime}-{architecture}.zip"
        options = ["--runtime", runtime, "--architecture", architecture]
        subprocess.run(
            [sys.executable, str(PROJECT / "package.py"), "build", *options, str(package)],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return package

    def _payloads(self, batch_size: int, batches: int) -> list[str]:
        paths = [self._session.directory / f"payload-{batch_size}-{number}.json" for number in range(batches)]
        if not all(path.exists() for path in paths):
            with self._stream.path.open("rb") as lines:
                for path, (_, payload) in zip(paths, payloads(map(bytes.rstrip, lines), batch_size), strict=False):
                    path.write_bytes(payload)
        return [str(path) for path in paths]

    def _invoked(self, paths: list[str]) -> list[_Invoked]:
        invoked = []
        for line in self._ran("lambda_runtime.py", *paths):
            answer = json.loads(line)
            # The function prints its metrics between.
            if "done" in answer:
                if answer["response"] != {"batchItemFailures": []}:
                    raise RuntimeError(f"the function did not handle its batch: {answer['response']}")
                invoked.append(_Invoked(answer["done"], answer["peak_memory_bytes"]))
        return invoked

    def _ran(self, program: str, *arguments: str) -> list[str]:
        """What a program of this folder printed, with the package to import from and nothing of the project's."""
        ran = subprocess.run(
            [sys.executable, "-B", "-P", str(PROJECT / "benchmarks" / program), *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{program} failed:\n{ran.stderr}")
        return ran.stdout.splitlines()

    def _environment(self) -> dict[str, str]:
        settings: dict[str, Any] = {
            "table": {"name": "orders", "key_attributes": ["pk", "sk"]},
            "momento": {"cache_name": CACHE, "secret_arn": self._secret_arn, "endpoint": self._session.endpoint},
            "views": VIEWS,
        }
        return environment(
            PYTHONPATH=str(self._unpacked),
            SETTINGS=base64.b64encode(gzip.compress(msgspec.json.encode(settings))).decode(),
            AWS_ENDPOINT_URL=self._aws,
            AWS_ACCESS_KEY_ID="testing",
            AWS_SECRET_ACCESS_KEY="testing",  # noqa: S106 - as above
            AWS_REGION=REGION,
            AWS_DEFAULT_REGION=REGION,
            POWERTOOLS_SERVICE_NAME="pizza",
            POWERTOOLS_METRICS_NAMESPACE="DynamoDBMomentoCache",
        )
