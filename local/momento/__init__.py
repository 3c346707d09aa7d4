"""A Momento Cache server for one machine: the service's gRPC protocol and rules, with faults on demand."""

from local.momento.engine import Engine, Limits, MomentoError
from local.momento.faults import Fault
from local.momento.remote import RemoteServer
from local.momento.server import MomentoServer

__all__ = ["Engine", "Fault", "Limits", "MomentoError", "MomentoServer", "RemoteServer"]
