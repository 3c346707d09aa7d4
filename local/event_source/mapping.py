"""The settings of an event source mapping on a DynamoDB stream.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from msgspec import Struct

_RANGES = {
    "batch_size": (1, 10_000),
    "maximum_batching_window_in_seconds": (0, 300),
    "parallelization_factor": (1, 10),
    "maximum_retry_attempts": (-1, 10_000),
    "maximum_record_age_in_seconds": (-1, 604_800),
}

YOUNGEST_AGE_SECONDS = 60
"""The least maximum_record_age_in_seconds, as the second page says."""

_NAMES = {
    "EventSourceArn": "event_source_arn",
    "FunctionArn": "function_arn",
    "BatchSize": "batch_size",
    "MaximumBatchingWindowInSeconds": "maximum_batching_window_in_seconds",
    "ParallelizationFactor": "parallelization_factor",
    "MaximumRetryAttempts": "maximum_retry_attempts",
    "MaximumRecordAgeInSeconds": "maximum_record_age_in_seconds",
    "BisectBatchOnFunctionError": "bisect_batch_on_function_error",
    "StartingPosition": "starting_position",
}


class EventSourceMapping(Struct, frozen=True, kw_only=True):
    """A mapping's settings, by AWS's names and with AWS's defaults.

    Attributes:
        event_source_arn: the stream's.
        function_arn: the function's.
        batch_size: at most so many records an invocation.
        maximum_batching_window_in_seconds: how long records are gathered; 0: what there is goes at once.
        parallelization_factor: so many batches of one shard at once.
        maximum_retry_attempts: -1: until the record expires.
        maximum_record_age_in_seconds: -1: until the record expires.
        bisect_batch_on_function_error: split a batch that failed in two.
        report_batch_item_failures: whether `FunctionResponseTypes` has `ReportBatchItemFailures`.
        filter_patterns: JSON text of each filter; a record is delivered if any one matches, or if there is none.
        starting_position: where a shard without a checkpoint begins.
        on_failure_destination_arn: where it is told what was discarded.
    """

    event_source_arn: str
    function_arn: str
    batch_size: int = 100
    maximum_batching_window_in_seconds: int = 0
    parallelization_factor: int = 1
    maximum_retry_attempts: int = -1
    maximum_record_age_in_seconds: int = -1
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = False
    filter_patterns: tuple[str, ...] = ()
    starting_position: Literal["TRIM_HORIZON", "LATEST"] = "TRIM_HORIZON"
    on_failure_destination_arn: str | None = None

    def __post_init__(self) -> None:
        """Refuse what AWS refuses."""
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be between {least} and {most}; not {getattr(self, name)}")
        if 0 <= self.maximum_record_age_in_seconds < YOUNGEST_AGE_SECONDS:
            raise ValueError(
                f"maximum_record_age_in_seconds must be -1, for none, or at least {YOUNGEST_AGE_SECONDS}; "
                f"not {self.maximum_record_age_in_seconds}"
            )

    @classmethod
    def from_response(cls, response: Mapping[str, Any]) -> Self:
        """Take what Lambda's GetEventSourceMapping answers, as boto3 returns it.

        What the answer leaves out has its default.
        """
        filters = (response.get("FilterCriteria") or {}).get("Filters") or []
        on_failure = (response.get("DestinationConfig") or {}).get("OnFailure") or {}
        return cls(
            **{name: response[key] for key, name in _NAMES.items() if key in response},
            report_batch_item_failures="ReportBatchItemFailures" in (response.get("FunctionResponseTypes") or []),
            filter_patterns=tuple(each["Pattern"] for each in filters),
            on_failure_destination_arn=on_failure.get("Destination"),
        )
