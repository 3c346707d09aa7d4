"""The AWS services that the module uses, on one machine: ministack, and moto for CloudWatch."""

from __future__ import annotations

import importlib.util
import os
import platform
import socket
import sys
import tempfile
import time
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from local import leash

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"

_HOST = "127.0.0.1"
_SECRET_ACCESS_KEY = "local"  # noqa: S105 - none is checked here, but every client wants one
_MINISTACK = Path(__file__).with_name("ministack_server.py")
_READY_SECONDS = 60

# What AWS installs beside every Python function: boto3 and what it imports.
_LAMBDA_RUNTIME_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")


class AwsStackError(RuntimeError):
    """A server of the stack did not come up; the message ends with its log."""


class AwsStack:
    """DynamoDB, Lambda, SQS, Secrets Manager, IAM, CloudWatch and the rest, empty, until the block ends.

    Two processes on free ports of 127.0.0.1. ministack serves everything but CloudWatch, whose alarms it does not
    read back as they were written; moto does. Functions run in children of ministack, on an interpreter that has
    boto3 and nothing else to import, as on AWS: what a function needs has to be in its package.
    """

    environment: Mapping[str, str]
    """What any AWS client, Terraform's provider among them, needs in its environment to find the stack."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # A worker that is still dying may write into its folder while the folder is removed.
            directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="aws-", ignore_cleanup_errors=True))
            )
            ports = _free_ports(2)
            endpoint, cloudwatch_endpoint = (f"http://{_HOST}:{port}" for port in ports)
            servers = [
                _Server(
                    "ministack",
                    [str(_MINISTACK), _lambda_interpreter(directory / "runtime")],
                    ports[0],
                    directory,
                    {
                        "BIND_HOST": _HOST,
                        "GATEWAY_PORT": str(ports[0]),
                        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
                        "MINISTACK_REGION": REGION,
                        # Its MQTT broker binds every interface, whatever BIND_HOST says.
                        "IOT_MTLS_ENABLED": "0",
                        "SFTP_ENABLED": "0",
                        # It would stop the containers of any other ministack on this machine.
                        "DOCKER_HOST": f"unix://{directory}/no-docker.sock",
                    },
                ),
                _Server("moto", ["-m", "moto.server", "-H", _HOST, "-p", str(ports[1])], ports[1], directory),
            ]
            for server in servers:
                server.start()
                stack.callback(server.end)
            for server in servers:
                server.wait_until_ready()
            self.environment = {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ENDPOINT_URL_CLOUDWATCH": cloudwatch_endpoint,
                "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
                "AWS_SECRET_ACCESS_KEY": _SECRET_ACCESS_KEY,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
            self.log_file = servers[0].log_file
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def function_platform(self) -> dict[str, str]:
        """The `runtime` and `architecture` of functions that run here: this interpreter's.

        Raises:
            AwsStackError: none that the module builds a package for.
        """
        if platform.system() != "Linux":
            raise AwsStackError(
                f"Packages are built for Lambda, which is Linux, and do not run on {platform.system()}: "
                "run this in a Linux container or virtual machine"
            )
        return {
            "runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "architecture": "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64",
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of this stack."""
        return self._session().client(service, **self._options(service))  # type: ignore[call-overload]  # any name

    def resource(self, service: str) -> Any:
        """Return a boto3 resource of this stack."""
        return self._session().resource(service, **self._options(service))  # type: ignore[call-overload]  # the same

    def _session(self) -> boto3.Session:
        # Without this, an AWS_PROFILE that this machine does not have would be an error.
        no_profile = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        return boto3.Session(ACCOUNT_ID, _SECRET_ACCESS_KEY, region_name=REGION, botocore_session=no_profile)

    def _options(self, service: str) -> dict[str, Any]:
        name = "AWS_ENDPOINT_URL_CLOUDWATCH" if service == "cloudwatch" else "AWS_ENDPOINT_URL"
        # A proxy for the outside has no way to 127.0.0.1.
        return {
            "endpoint_url": self.environment[name],
            "config": Config(max_pool_connections=32, proxies={}),
        }


class _Server:
    """One of the stack's servers, a Python program of this environment.

    Its environment is clean: functions inherit it, and a profile or a PYTHONPATH of the caller's would change what they
    do.
    """

    def __init__(
        self, name: str, program: list[str], port: int, directory: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log_file = directory / f"{name}.log"
        self._name = name
        self._command = [sys.executable, "-I", *program]
        self._port = port
        self._directory = directory
        self._environment = {
            "PATH": os.defpath,
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "LANG": "C.UTF-8",
            "AWS_EC2_METADATA_DISABLED": "true",
            **(environment or {}),
        }

    def start(self) -> None:
        with self.log_file.open("wb") as log:
            self._process = leash.start(
                self._command, stdout=log, stderr=log, cwd=self._directory, env=self._environment
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not _listens(self._port):
            if self._process.poll() is not None:
                raise AwsStackError(f"{self._name} ended while starting:\n{self.log_file.read_text()}")
            if time.monotonic() > deadline:
                raise AwsStackError(
                    f"{self._name} was not ready after {_READY_SECONDS} s:\n{self.log_file.read_text()}"
                )
            time.sleep(0.05)

    def end(self) -> None:
        """Kill the server: its state is in memory, so there is nothing that it had to finish."""
        leash.end(self._process)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((_HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _lambda_interpreter(directory: Path) -> str:
    """Make an interpreter of this Python's version that can import boto3 and nothing else that is installed here."""
    venv.create(directory, with_pip=False)
    [site_packages] = directory.glob("lib/python*/site-packages")
    for package in _LAMBDA_RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise AwsStackError(f"{package} is not installed beside {sys.executable}: run make install")
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (site_packages / source.name).symlink_to(source)
    return str(directory / "bin" / "python")
