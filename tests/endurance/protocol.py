"""What is asked of the measured process, and what it answers."""

import msgspec

INVOKE = "invoke"
MEASURE = "measure"
COLLECT = "collect"


class Answer(msgspec.Struct):
    """What came of an invocation.

    Attributes:
        failed: the sequence numbers of the partial batch response.
        error: the exception's type where the function raised; all of the batch is retried then.
    """

    failed: list[str] = []
    error: str | None = None


class Sample(msgspec.Struct):
    """What the process holds between two invocations.

    Attributes:
        memory: resident, in bytes.
        objects: those that the collector knows of, garbage that it has not collected yet included.
        descriptors: open files and sockets.
        threads: the libraries' own included.
        tasks: asyncio's that are not done.
    """

    memory: int
    objects: int
    descriptors: int
    threads: int
    tasks: int
