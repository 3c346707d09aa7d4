"""What the function finds around it: Momento, Secrets Manager and DynamoDB, on this machine."""

import base64
import gzip
import json
import logging
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import boto3
import msgspec
from moto.server import ThreadedMotoServer

from local.momento import MomentoServer
from local.terraform import PROJECT
from tests.endurance.protocol import COLLECT, INVOKE, MEASURE, Answer, Sample
from tests.pizza import VIEWS, order
from tests.proxy import Proxy
from tests.stream import Stream, batch

CACHE = "pizza"
KEY = "good"
RECORDS = 40
TURNS = 6
CUSTOMERS = 5
TEXT = "x" * 1_000
"""Makes an image as large as an item commonly is, and what keeps it easy to see."""

HANDLER = "handler.function:handler"


def batches() -> list[dict[str, Any]]:
    """Return batches in which orders come, change, change hands and go."""
    stream = Stream()
    for number in range(RECORDS):
        stream.put(_order(number, 0))
    for turn in range(1, TURNS):
        for number in range(RECORDS):
            if (number + turn) % 10 == 0:
                stream.delete(f"order-{number}", "metadata")
            else:
                stream.put(_order(number, turn))
    return [batch(stream.records[first : first + RECORDS]) for first in range(0, RECORDS * TURNS, RECORDS)]


def _order(number: int, turn: int) -> dict[str, Any]:
    creator = f"customer-{(number + turn) % CUSTOMERS}"
    return order(number % 28 + 1, pk=f"order-{number}", creator=creator, status=f"STEP-{turn}", items=[{"note": TEXT}])


class Surroundings:
    """Servers for one function, empty, while the block lasts.

    Attributes:
        momento: behind the proxy.
        proxy: what the function connects to.
        lists: the keys of the cached lists.
    """

    lists = ("all-orders", *(f"customer-{number}" for number in range(CUSTOMERS)))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.momento = stack.enter_context(MomentoServer(caches=[CACHE], required_keys=[KEY]))
            self.proxy = stack.enter_context(Proxy(self.momento.port))
            # Otherwise it prints each request.
            logging.getLogger("werkzeug").setLevel(logging.ERROR)
            aws = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
            aws.start()
            stack.callback(aws.stop)
            host, port = aws.get_host_and_port()
            self._aws_url = f"http://{host}:{port}"
            self._session = boto3.Session("testing", "testing", region_name="us-east-1")
            self._secrets = self._session.client("secretsmanager", endpoint_url=self._aws_url)
            self._secret_arn = self._secrets.create_secret(Name=f"momento-{port}", SecretString=KEY)["ARN"]
            self._table_name = f"orders-{port}"
            self._create_table()
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def rotate_key(self, key: str) -> None:
        """Have Momento accept another API key only, which is in the secret."""
        self._secrets.put_secret_value(SecretId=self._secret_arn, SecretString=key)
        self.momento.required_keys = frozenset({key})

    @property
    def environment(self) -> dict[str, str]:
        """What the function has in its environment."""
        settings = {
            "table": {"name": self._table_name, "key_attributes": ["pk", "sk"]},
            "momento": {
                "cache_name": CACHE,
                "secret_arn": self._secret_arn,
                "endpoint": self.proxy.endpoint,
            },
            "views": VIEWS,
        }
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "AWS_ENDPOINT_URL": self._aws_url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_SERVICE_NAME": "pizza",
            "POWERTOOLS_METRICS_NAMESPACE": "DynamoDBMomentoCache",
            "SETTINGS": base64.b64encode(gzip.compress(msgspec.json.encode(settings))).decode(),
        }

    def _create_table(self) -> None:
        key = {"pk": "HASH", "sk": "RANGE"}
        index = {"type": "HASH", "creator": "RANGE"}
        table = self._session.resource("dynamodb", endpoint_url=self._aws_url).create_table(
            TableName=self._table_name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (*key, *index)],
            KeySchema=_schema(key),
            GlobalSecondaryIndexes=[
                {"IndexName": "type", "KeySchema": _schema(index), "Projection": {"ProjectionType": "ALL"}}
            ],
        )
        for number in range(CUSTOMERS):
            table.put_item(Item=_order(number, 0))


def _schema(key: dict[str, str]) -> Any:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in key.items()]


class Worker:
    """The measured process, while the block lasts.

    Args:
        around: the servers.
        handler: what is called, as `module:name`.
    """

    def __init__(self, around: Surroundings, handler: str = HANDLER) -> None:
        self._around = around
        self._handler = handler

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            log = stack.enter_context(tempfile.NamedTemporaryFile("w"))
            # Read by an offset of its own.
            self._log = stack.enter_context(Path(log.name).open())
            answers, written = os.pipe()
            self._answers = stack.enter_context(os.fdopen(answers, "rb"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.endurance.worker", self._handler, str(written)],
                cwd=PROJECT,
                env=self._around.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
                pass_fds=[written],
            )
            os.close(written)
            stack.callback(self._process.wait)
            assert self._process.stdin is not None
            stack.callback(self._process.stdin.close)
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self, body: str, seconds: float) -> None:
        """Start an invocation that has so many seconds."""
        self._send(f"{INVOKE} {seconds} {body}")

    def answer(self) -> Answer:
        """Wait until the invocation that was started ends."""
        return msgspec.json.decode(self._read(), type=Answer)

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines that the function has logged since this was last called, parsed."""
        return [json.loads(line) for line in self._log if line.startswith("{")]

    def measure(self) -> Sample:
        self._send(MEASURE)
        return msgspec.json.decode(self._read(), type=Sample)

    def collect(self) -> int:
        """Collect its garbage, and return how many objects are left."""
        self._send(COLLECT)
        return msgspec.json.decode(self._read(), type=int)

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> bytes:
        line = self._answers.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            log = self._log.read()[-4_000:]
            raise RuntimeError(f"the measured process ended with {self._process.returncode}:\n{log}")
        return line
