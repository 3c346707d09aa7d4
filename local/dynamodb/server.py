"""Runs DynamoDB Local as long as the block that started it."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from local import aws
from local.dynamodb.installation import install
from local.server import HOST, Server, ServerError, free_ports

JAVA = 17
"""The oldest Java that AWS runs it on:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.DownloadingAndRunning.html"""

_CONFIGURATION = Path(__file__).with_name("server.xml")


class DynamoDBLocal:
    """DynamoDB and DynamoDB Streams on a free port of 127.0.0.1, empty and in memory, until the block ends.

    What differs from AWS, as seen with 1.25.1:

    - A table's stream has one shard, which ends only with the stream, and its ARN's Region is `ddblocal`.
    - `ApproximateCreationDateTime` is cut down to the minute.
    - Expired items are deleted about one second after TTL is enabled on their table, then every 10 seconds. On a table
      with an index, those that lack one of the index's key attributes never are; and the stream record of the others
      has the index's key attributes among its `Keys`.
    """

    environment: Mapping[str, str]
    """What a client of the AWS stack needs in its environment on top, to find these two services here."""

    def __enter__(self) -> Self:
        java = _java()
        emulator = install()
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dynamodb-")))
            [port] = free_ports(1)
            self._endpoint_url = f"http://{HOST}:{port}"
            server = Server(
                "dynamodb-local",
                [
                    java,
                    f"-Djava.library.path={emulator / 'DynamoDBLocal_lib'}",
                    f"-Djava.io.tmpdir={directory}",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                    str(emulator / "DynamoDBLocal.jar"),
                    "org.eclipse.jetty.xml.XmlConfiguration",
                    str(_CONFIGURATION),
                    f"port={port}",
                ],
                port,
                directory,
                {"DDB_LOCAL_TELEMETRY": "0"},
            )
            server.start()
            stack.callback(server.end)
            server.wait_until_ready()
            self.environment = {
                "AWS_ENDPOINT_URL_DYNAMODB": self._endpoint_url,
                "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": self._endpoint_url,
            }
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def client(self, service: str) -> Any:
        """Return a boto3 client, of `dynamodb` or `dynamodbstreams`."""
        return aws.client(service, self._endpoint_url)

    def resource(self) -> Any:
        """Return a boto3 resource of `dynamodb`."""
        return aws.resource("dynamodb", self._endpoint_url)


def _java() -> str:
    """Find a Java that is new enough."""
    needed = f"Java {JAVA} or newer is needed to run DynamoDB Local: install a JRE and put it first on the PATH"
    path = shutil.which("java")
    if path is None:
        raise ServerError(needed)
    # It writes 1.8.0 or 17.0.15, and to standard error.
    answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) < JAVA:
        raise ServerError(f"{needed}. {path} says: {answer.stderr.strip()}")
    return path
