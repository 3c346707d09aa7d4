"""The process that is measured: `function.handler`, called batch after batch as Lambda's runtime calls it.

It obeys one line after another from stdin, and answers each with one on a pipe: stdout is the function's own.
"""

import asyncio
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from handler import function
from tests.endurance.protocol import INVOKE, MEASURE, Answer, Sample

PAGE = os.sysconf("SC_PAGE_SIZE")

Handler = Callable[[Any, Any], Any]


class Context(NamedTuple):
    """What Lambda passes beside the event, as far as it is used."""

    deadline: float
    function_name: str = "pizza"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:pizza"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.deadline - time.monotonic()) * 1000)


def invoke(handler: Handler, seconds: float, body: str) -> Answer:
    event = json.loads(body)
    try:
        response = handler(event, Context(time.monotonic() + seconds))
    except Exception as error:  # noqa: BLE001 - as Lambda's runtime does
        return Answer(error=type(error).__name__)
    return Answer(failed=[each["itemIdentifier"] for each in response["batchItemFailures"]])


def measure() -> Sample:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - with fewer objects than a Path
        memory = int(file.read().split()[1]) * PAGE
    return Sample(
        memory,
        len(gc.get_objects()),
        # One less: that by which the folder is read.
        len(os.listdir("/proc/self/fd")) - 1,
        len(os.listdir("/proc/self/task")),
        len(asyncio.all_tasks(function.runner.get_loop())),
    )


def collect() -> int:
    """Collect garbage, and return how many objects are left."""
    gc.collect()
    return len(gc.get_objects())


def main() -> None:
    """Obey until stdin ends.

    Arguments: the handler as `module:name`, and the descriptor that answers are written to.
    """
    module, _, name = sys.argv[1].partition(":")
    handler: Handler = getattr(importlib.import_module(module), name)
    with os.fdopen(int(sys.argv[2]), "wb", buffering=0) as answers:
        for line in sys.stdin:
            command, _, rest = line.partition(" ")
            answer: Any
            if command == INVOKE:
                seconds, _, body = rest.partition(" ")
                answer = invoke(handler, float(seconds), body)
                body = rest = line = ""  # noqa: PLW2901 - what this loop keeps is not the handler's
            elif command.strip() == MEASURE:
                answer = measure()
            else:
                answer = collect()
            answers.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
