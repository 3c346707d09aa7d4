import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import grpc
import pytest
from momento import CacheClient, Configurations, CredentialProvider
from momento.errors import MomentoErrorCode
from momento.responses import CacheSet
from momento.responses.mixins import ErrorResponseMixin

from local.momento import Fault, MomentoServer, RemoteServer


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "local.momento", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def endpoint(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert ready.startswith("Momento server ready at 127.0.0.1:")
    return ready.split()[-1]


def code(response: object) -> MomentoErrorCode:
    assert isinstance(response, ErrorResponseMixin)
    return response.error_code


def test_it_serves_as_it_was_told() -> None:
    caches = ("--cache", "pizza", "--cache", "burger")
    with command("--port", "0", *caches, "--require-key", "secret", "--latency-ms", "300") as process:
        host, port = endpoint(process).split(":")
        credentials = CredentialProvider("secret", host, host, host, int(port))
        impatient = Configurations.Laptop.latest().with_client_timeout(timedelta(milliseconds=250))
        with (
            CacheClient(impatient, credentials, timedelta(minutes=1)) as client,
            RemoteServer(f"{host}:{port}") as remote,
        ):
            assert code(client.get("pizza", "k")) is MomentoErrorCode.TIMEOUT_ERROR
            remote.set_latency(0)
            for cache in ("pizza", "burger"):
                assert isinstance(client.set(cache, "k", "v"), CacheSet.Success)
            remote.require_keys(["rotated"])
            assert code(client.get("pizza", "k")) is MomentoErrorCode.AUTHENTICATION_ERROR


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_clean_even_with_a_call_under_way(ending: signal.Signals) -> None:
    with command("--port", "0", "--cache", "pizza") as process:
        where = endpoint(process)
        with RemoteServer(where) as remote, grpc.insecure_channel(where) as channel:
            remote.add_fault(Fault(rpc="Get", silent=True))
            get = channel.unary_unary("/cache_client.Scs/Get", bytes, bytes)
            under_way = get.future(b"\n\x01k", metadata=(("cache", "pizza"),))
            while "Get" not in remote.counters():
                pass
            process.send_signal(ending)
            output, errors = process.communicate(timeout=4)
            assert under_way.exception() is not None
        assert (process.returncode, output, errors) == (0, "", "")


def test_a_taken_port_is_said_with_what_to_do(server: MomentoServer) -> None:
    with command("--port", str(server.port)) as process:
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output == ""
    assert f"127.0.0.1:{server.port}" in errors
    assert "Name another port with --port, or 0 for any free one." in errors
    assert "Traceback" not in errors


def test_help_names_every_option() -> None:
    with command("--help") as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    for option in ("--port", "--cache", "--require-key", "--latency-ms"):
        assert option in output
