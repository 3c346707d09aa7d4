"""Runs a Python module in a process of its own that never outlives the process that started it.

Called by path, as `python -I child.py EXECUTABLE MODULE [ARGUMENT...]`, with a pipe as standard input that the
parent holds open. When the parent ends, however it ends, the pipe closes and this process group is killed.

EXECUTABLE is what the module finds in `sys.executable`, the interpreter that it starts children of its own with.
"""

import os
import runpy
import signal
import sys
import threading


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    _, sys.executable, module, *arguments = sys.argv
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
