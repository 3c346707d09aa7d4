"""Runs commands that never outlive the process that started them, however that one ends.

This file is also the program in between: it holds one end of a pipe to its parent, and kills its process group, the
command and all the command's children, once the parent is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a command in a process group of its own, with `subprocess.Popen`'s options."""
    leash = [sys.executable, "-I", __file__, *command]
    return subprocess.Popen(leash, stdin=subprocess.PIPE, start_new_session=True, **options)


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a command that was started here, with all its children; also one that has ended, for theirs.

    Waits until they are gone, and their ports free: a second at most, for where nobody reaps them they never go.
    """
    deadline = time.monotonic() + 1
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
