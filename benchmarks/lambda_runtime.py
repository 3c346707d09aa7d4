"""Stands in for Lambda's runtime: imports the deployed function, and hands it one payload after another.

Run by its path, for the function and all that it imports have to come from the package. Its arguments are files with a
payload each. After each it prints, as JSON, the time, and what the process held in memory at the most.
"""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from handler.function import handler

_CONTEXT = SimpleNamespace(
    function_name="pizza",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-west-1:111122223333:function:pizza",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 900_000,
)


def main(paths: list[str]) -> None:
    """Invoke the function for each file."""
    for path in paths:
        response = handler(json.loads(Path(path).read_bytes()), _CONTEXT)
        done = time.monotonic()
        status = Path("/proc/self/status").read_text()
        (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        print(json.dumps({"done": done, "peak_memory_bytes": int(peak) * 1024, "response": response}))


main(sys.argv[1:])
