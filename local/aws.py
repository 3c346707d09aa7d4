"""The AWS services that the module uses, on one machine: ministack, and moto for two of them."""

from __future__ import annotations

import importlib.util
import platform
import sys
import tempfile
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from local.server import HOST, Server, ServerError, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"

_SECRET_ACCESS_KEY = "local"  # noqa: S105 - none is checked here, but every client wants one
_MINISTACK = Path(__file__).with_name("ministack_server.py")
_MOTO = Path(__file__).with_name("moto_server.py")

# Service to the variable that names its endpoint alone.
_SERVED_BY_MOTO = {
    "cloudwatch": "AWS_ENDPOINT_URL_CLOUDWATCH",
    "application-autoscaling": "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING",
}

# What AWS installs beside every Python function: boto3 and what it imports.
_LAMBDA_RUNTIME_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")


class AwsStack:
    """DynamoDB, Lambda, SQS, Secrets Manager, IAM, CloudWatch and the rest, empty, until the block ends.

    Two processes on free ports of 127.0.0.1. ministack serves everything but CloudWatch, whose alarms it does not
    read back as they were written, and Application Auto Scaling, which it has not; moto does. Functions run in children
    of ministack, on an interpreter that has boto3 and nothing else to import, as on AWS: what a function needs has to
    be in its package.
    """

    environment: Mapping[str, str]
    """What any AWS client, Terraform's provider among them, needs in its environment to find the stack."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            # A worker that is still dying may write into its folder while the folder is removed.
            directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="aws-", ignore_cleanup_errors=True))
            )
            ports = free_ports(2)
            endpoint, moto_endpoint = (f"http://{HOST}:{port}" for port in ports)
            servers = [
                Server(
                    "ministack",
                    [sys.executable, "-I", str(_MINISTACK), _lambda_interpreter(directory / "runtime")],
                    ports[0],
                    directory,
                    {
                        "BIND_HOST": HOST,
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
                Server(
                    "moto",
                    [sys.executable, "-I", str(_MOTO), "-H", HOST, "-p", str(ports[1])],
                    ports[1],
                    directory,
                ),
            ]
            for server in servers:
                server.start()
                stack.callback(server.end)
            for server in servers:
                server.wait_until_ready()
            self.environment = {
                "AWS_ENDPOINT_URL": endpoint,
                **dict.fromkeys(_SERVED_BY_MOTO.values(), moto_endpoint),
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
            ServerError: none that the module builds a package for.
        """
        if platform.system() != "Linux":
            raise ServerError(
                f"Packages are built for Lambda, which is Linux, and do not run on {platform.system()}: "
                "run this in a Linux container or virtual machine"
            )
        return {
            "runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "architecture": "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64",
        }

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client of this stack."""
        return client(service, self._endpoint_url(service), config)

    def resource(self, service: str) -> Any:
        """Return a boto3 resource of this stack."""
        return resource(service, self._endpoint_url(service))

    def _endpoint_url(self, service: str) -> str:
        return self.environment[_SERVED_BY_MOTO.get(service, "AWS_ENDPOINT_URL")]


def client(service: str, endpoint_url: str, config: Config | None = None) -> Any:
    """Return a boto3 client of a service on this machine."""
    return _session().client(service, **_options(endpoint_url, config))  # type: ignore[call-overload]  # any name


def resource(service: str, endpoint_url: str) -> Any:
    """Return a boto3 resource of a service on this machine."""
    return _session().resource(service, **_options(endpoint_url, None))  # type: ignore[call-overload]  # the same


def _session() -> boto3.Session:
    # Without this, an AWS_PROFILE that this machine does not have would be an error.
    no_profile = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    return boto3.Session(ACCOUNT_ID, _SECRET_ACCESS_KEY, region_name=REGION, botocore_session=no_profile)


def _options(endpoint_url: str, config: Config | None) -> dict[str, Any]:
    # A proxy for the outside has no way to 127.0.0.1.
    local = Config(max_pool_connections=32, proxies={})
    return {"endpoint_url": endpoint_url, "config": local.merge(config) if config else local}


def _lambda_interpreter(directory: Path) -> str:
    """Make an interpreter of this Python's version that can import boto3 and nothing else that is installed here."""
    venv.create(directory, with_pip=False)
    [site_packages] = directory.glob("lib/python*/site-packages")
    for package in _LAMBDA_RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ServerError(f"{package} is not installed beside {sys.executable}: run make install")
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (site_packages / source.name).symlink_to(source)
    return str(directory / "bin" / "python")
