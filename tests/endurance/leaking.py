"""Functions that leave something behind with every batch, for the endurance run to find out."""

import gc
import os
import threading
from typing import Any

from handler import function

_kept: list[Any] = []


async def _forever() -> None:
    await function.runner.get_loop().create_future()


def everything(event: Any, context: Any) -> Any:
    """Keep the event, a descriptor, a thread and a task."""
    _kept.append(event)
    _kept.append(os.open(os.devnull, os.O_RDONLY))
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    _kept.append(function.runner.get_loop().create_task(_forever()))
    return function.handler(event, context)


def garbage(event: Any, context: Any) -> Any:
    """Leave a cycle behind that holds the event, where the collector never looks: in the oldest generation.

    gc.unfreeze() puts it there, and Python collects that generation only after many objects got there by themselves:
    https://github.com/python/cpython/issues/98801.
    """
    gc.freeze()
    try:
        cycle = [event]
        cycle.append(cycle)
        return function.handler(event, context)
    finally:
        gc.unfreeze()
