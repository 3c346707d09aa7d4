"""Runs a Python module or script in a process of its own that never outlives the process that started it.

Called by path, as `python -I child.py EXECUTABLE PROGRAM [ARGUMENT...]`, with a pipe as standard input that the
parent holds open. When the parent ends, however it ends, the pipe closes and this process group is killed.

PROGRAM is a module's name, or a script's path. EXECUTABLE is what it finds in `sys.executable`, the interpreter that it
starts children of its own with.
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
    _, sys.executable, program, *arguments = sys.argv
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = [program, *arguments]
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
