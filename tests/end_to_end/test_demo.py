"""The demo's own judgement, and its end."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from local.demo import _Demo
from local.pizza import CACHE, Pizza


def test_an_entry_that_differs_and_one_that_nothing_stands_for_are_found(app: Pizza) -> None:
    output = Console(record=True, width=400, quiet=True)
    demo = _Demo(app, output, lambda _: None)
    demo.follow_one_order()
    order_id = str((app.create("differing").after or {})["pk"])
    demo._follow("another change", app.create("differing"))
    checked, different = demo.compare()
    engine = app.momento.engine
    true = engine.get(CACHE, order_id.encode())
    assert true is not None
    try:
        engine.set(CACHE, order_id.encode(), b'{"id": "another"}', 60_000)
        engine.set(CACHE, b"stranger", b"{}", 60_000)
        assert demo.compare() == (checked + 1, different + 2)
    finally:
        engine.set(CACHE, order_id.encode(), true, 86_400_000)
        engine.evict(CACHE, b"stranger")


def test_an_interrupted_demo_leaves_no_process_and_no_file() -> None:
    # Not pytest's folder: a path to a provider's socket holds no more than 108 characters.
    with tempfile.TemporaryDirectory() as directory:
        demo = subprocess.Popen(
            [sys.executable, "-m", "local", "demo"],
            env={**os.environ, "TMPDIR": directory},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with demo:
            assert demo.stdout is not None
            for line in demo.stdout:
                if "aws_dynamodb_table" in line:
                    break
            demo.send_signal(signal.SIGINT)
            rest = demo.stdout.read()
        assert demo.returncode == 130
        assert "Traceback" not in rest
        assert list(Path(directory).iterdir()) == []
        told = [Path(process, "environ") for process in Path("/proc").glob("[0-9]*")]
        assert not [each for each in told if directory in _read(each)]


def _read(file: Path) -> str:
    """What a process was told, or nothing where it has gone or is not ours."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
