"""The pizza example, applied once for all tests that do not take it away; and its package, run with other settings."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from local.pizza import Pizza


@dataclass(frozen=True)
class Answer:
    """What a function answered its event source mapping.

    Attributes:
        retry_from: the sequence numbers of the partial batch response.
        error: of a function that failed altogether: all of the batch is retried then.
        log: what the function wrote.
    """

    retry_from: list[str]
    error: str | None
    log: str


class Functions:
    """Functions called as their event source mapping calls them, but with its answer kept."""

    def __init__(self, app: Pizza) -> None:
        self._app = app
        self._client = app.aws.client("lambda")
        self._deployed = self._client.get_function_configuration(FunctionName=app.outputs["function_name"])

    def deploy(self, name: str, environment: Mapping[str, str] | None = None, **changes: Any) -> str:
        """Deploy the example's package again, with settings that are different, for keys of its own.

        Args:
            name: the function's, and its key prefix.
            environment: variables on top.
            changes: by section of the settings.
        """
        variables = self._deployed["Environment"]["Variables"] | (environment or {})
        settings = json.loads(gzip.decompress(base64.b64decode(variables["SETTINGS"])))
        settings |= {"key_prefix": f"{name}/"}
        for section, change in changes.items():
            settings[section] = settings[section] | change
        variables["SETTINGS"] = base64.b64encode(gzip.compress(json.dumps(settings).encode())).decode()
        package = self._app.package.read_bytes()
        self._client.create_function(
            FunctionName=name,
            Code={"ZipFile": package},
            Environment={"Variables": variables},
            **{key: self._deployed[key] for key in ("Role", "Handler", "Runtime", "Timeout", "MemorySize")},
        )
        self._client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return name

    def call(self, name: str, event: dict[str, Any]) -> Answer:
        """Hand a batch to a function."""
        answer = self._client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        payload = json.load(answer["Payload"])
        log = base64.b64decode(answer["LogResult"]).decode() if "LogResult" in answer else ""
        if "FunctionError" in answer:
            return Answer([], payload["errorMessage"], log)
        return Answer([failure["itemIdentifier"] for failure in payload["batchItemFailures"]], None, log)


@pytest.fixture(scope="session")
def app() -> Iterator[Pizza]:
    """The pizza example."""
    with Pizza() as app:
        yield app


@pytest.fixture(scope="session")
def functions(app: Pizza) -> Functions:
    """What calls its function, and others like it."""
    return Functions(app)
