"""The Lambda function: made once for each execution environment, then called with every batch."""

import asyncio
import os
import sys
import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from handler import libraries
from handler.aws import DynamoTable, SecretKey
from handler.cache import Memory
from handler.pipeline import RUN_OUT_SECONDS, process, run_out
from handler.settings import load

try:
    from handler.momento_cache import MomentoCache
except Exception:
    # Which error it is depends on the library and its version. Where no other one is to blame, it stays what it is.
    libraries.check()
    raise

REPORT_SECONDS = 0.5
"""What is kept of the invocation's time to report what came of it."""

logger = Logger(stream=sys.stderr)
metrics = Metrics()
settings = load(os.environ)
table = DynamoTable(settings.table)
memory = Memory(int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")))
cache = MomentoCache(settings.momento, SecretKey(settings.momento))
runner = asyncio.Runner()
runner.run(cache.connect())


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Bring the cache up to a batch.

    Returns:
        Lambda's partial batch response: the record to retry from, or none.
    """
    # The context goes by the wall clock, which may be behind after the environment was frozen.
    left = min(context.get_remaining_time_in_millis() / 1000, settings.timeout_seconds)
    deadline = time.monotonic() + left - REPORT_SECONDS
    main = process(event, settings, cache, table, memory, clock=time.monotonic, deadline=deadline)
    outcome = run_out(runner, main, left - RUN_OUT_SECONDS)
    log = logger.error if outcome.log["failed"] else logger.info
    log("batch", extra=dict(outcome.log))
    for name, value in outcome.metrics.items():
        metrics.add_metric(name, MetricUnit.Seconds if name == "PropagationDelay" else MetricUnit.Count, value)
    return dict(outcome.response)
