"""The event source poller, rule by rule.

Each test's first line is AWS's rule; the name before it is the page that states it:
https://docs.aws.amazon.com/lambda/latest/dg/<page>.html, where no other address is given.
"""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from local.event_source import (
    Checkpoints,
    Destination,
    EventSourceMapping,
    ExpiredIteratorError,
    FunctionError,
    InvocationError,
    Page,
    Poller,
    Position,
)
from local.event_source.event import lambda_record
from local.event_source.filters import compiled
from local.event_source.poller import exponential
from tests.doubles import Clock, run
from tests.memory_stream import MemoryStream

STREAM_ARN = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders/stream/2026-01-01T00:00:00.000"
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:111122223333:function:orders"

Answer = Callable[[list[str]], Any]


def mapping(**settings: Any) -> EventSourceMapping:
    return EventSourceMapping(event_source_arn=STREAM_ARN, function_arn=FUNCTION_ARN, **settings)


def record(key: str = "a", created: float = 1_000.0, number: int | None = None, **image: Any) -> dict[str, Any]:
    change = {
        "ApproximateCreationDateTime": created,
        "Keys": {"pk": {"S": key}},
        "NewImage": {"pk": {"S": key}, **image},
        "StreamViewType": "NEW_AND_OLD_IMAGES",
        "SizeBytes": 10,
    }
    return {
        "eventID": f"{key}-{created}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": change if number is None else change | {"SequenceNumber": str(number)},
    }


class Invocation:
    """What a function was invoked with, when, and until when."""

    def __init__(self, event: dict[str, Any], began: float) -> None:
        self.event = event
        self.began = began
        self.ended: float | None = None

    @property
    def numbers(self) -> list[str]:
        return [each["dynamodb"]["SequenceNumber"] for each in self.event["Records"]]

    @property
    def items(self) -> list[str]:
        return [json.dumps(each["dynamodb"]["Keys"]) for each in self.event["Records"]]


class Handler:
    """A function that takes its time and then answers, or raises, what it was told to."""

    def __init__(self, clock: Clock, answer: Answer, seconds: float) -> None:
        self.invocations: list[Invocation] = []
        self.under_way: list[Invocation] = []
        self.most_under_way = 0
        self._clock = clock
        self._answer = answer
        self._seconds = seconds

    async def invoke(self, event: dict[str, Any]) -> Any:
        invocation = Invocation(event, self._clock())
        self.invocations.append(invocation)
        for other in self.under_way:
            assert not set(other.items) & set(invocation.items), "two batches under way hold one item"
        self.under_way.append(invocation)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        try:
            await asyncio.sleep(self._seconds)
            return self._answer(invocation.numbers)
        finally:
            self.under_way.remove(invocation)
            invocation.ended = self._clock()


class Queue:
    """A destination that keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def discarded(self) -> list[tuple[str, list[str]]]:
        """Why, and which sequence numbers."""
        return [
            (
                each["requestContext"]["condition"],
                [record["dynamodb"]["SequenceNumber"] for record in json.loads(each["payload"])["Records"]],
            )
            for each in self.messages
        ]


class World:
    """A stream, a function and a destination, on virtual time."""

    def __init__(
        self,
        answer: Answer = lambda _numbers: None,
        seconds: float = 1.0,
        stream: MemoryStream | None = None,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.stream = stream or MemoryStream()
        self.handler = Handler(self.clock, answer, seconds)
        self.queue = Queue()
        self.mapping = mapping(**settings)
        self.checkpoints = Checkpoints()

    def write(self, *keys: str, shard_id: str = "shard-0") -> list[str]:
        return [self.stream.write(record(key, self.clock()), shard_id) for key in keys]

    def poller(self, **others: Any) -> Poller:
        given: dict[str, Any] = {"destination": self.queue, "checkpoints": self.checkpoints} | others
        return Poller(self.mapping, self.stream, self.handler, clock=self.clock, **given)

    def drain(self, **others: Any) -> None:
        run(self.poller(**others).drain(), self.clock)

    def run_for(self, seconds: float, script: Callable[[], Awaitable[None]] | None = None) -> None:
        """Run the poller for a while, with something else going on meanwhile."""

        async def main() -> None:
            task = asyncio.create_task(self.poller().run())
            if script:
                await script()
            await asyncio.sleep(self.clock_left(started, seconds))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        started = self.clock()
        run(main(), self.clock)

    def clock_left(self, started: float, seconds: float) -> float:
        return started + seconds - self.clock()

    @property
    def delivered(self) -> list[list[str]]:
        return [each.numbers for each in self.handler.invocations]

    @property
    def times(self) -> list[float]:
        """When the invocations began, in seconds since the start."""
        return [each.began - 1_000.0 for each in self.handler.invocations]


def failing(*numbers: str) -> Answer:
    """Fail every batch that holds one of these."""

    def answer(batch: list[str]) -> None:
        if set(batch) & set(numbers):
            raise FunctionError

    return answer


def reporting(*numbers: str) -> Answer:
    """Report those of these that the batch holds."""
    return lambda batch: {"batchItemFailures": [{"itemIdentifier": each} for each in batch if each in numbers]}


class TestSettings:
    def test_what_lambda_answers_becomes_the_settings(self) -> None:
        """https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html: its response."""
        response = {
            "UUID": "14e0db71-5d35-4eb5-b481-8945cf9d10c2",
            "StartingPosition": "LATEST",
            "BatchSize": 500,
            "MaximumBatchingWindowInSeconds": 5,
            "ParallelizationFactor": 2,
            "EventSourceArn": STREAM_ARN,
            "FilterCriteria": {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]},
            "FunctionArn": FUNCTION_ARN,
            "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
            "State": "Enabled",
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:eu-west-1:111122223333:failures"}},
            "MaximumRecordAgeInSeconds": 3600,
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        }
        assert EventSourceMapping.from_response(response) == mapping(
            batch_size=500,
            maximum_batching_window_in_seconds=5,
            parallelization_factor=2,
            maximum_retry_attempts=10,
            maximum_record_age_in_seconds=3600,
            bisect_batch_on_function_error=True,
            report_batch_item_failures=True,
            filter_patterns=('{"eventName":["INSERT"]}',),
            starting_position="LATEST",
            on_failure_destination_arn="arn:aws:sqs:eu-west-1:111122223333:failures",
        )

    def test_what_is_left_out_has_awss_default(self) -> None:
        """services-ddb-params: its table of defaults."""
        response = {"EventSourceArn": STREAM_ARN, "FunctionArn": FUNCTION_ARN, "DestinationConfig": {"OnFailure": {}}}
        read = EventSourceMapping.from_response(response)
        assert (read.batch_size, read.maximum_batching_window_in_seconds, read.parallelization_factor) == (100, 0, 1)
        assert (read.maximum_retry_attempts, read.maximum_record_age_in_seconds) == (-1, -1)
        assert not read.bisect_batch_on_function_error
        assert not read.report_batch_item_failures
        assert read.filter_patterns == ()
        assert read.on_failure_destination_arn is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("batch_size", 0),
            ("batch_size", 10_001),
            ("maximum_batching_window_in_seconds", -1),
            ("maximum_batching_window_in_seconds", 301),
            ("parallelization_factor", 0),
            ("parallelization_factor", 11),
            ("maximum_retry_attempts", -2),
            ("maximum_retry_attempts", 10_001),
            ("maximum_record_age_in_seconds", -2),
            ("maximum_record_age_in_seconds", 0),
            ("maximum_record_age_in_seconds", 59),
            ("maximum_record_age_in_seconds", 604_801),
        ],
    )
    def test_what_aws_refuses_is_refused(self, name: str, value: int) -> None:
        """services-ddb-params: its column of limits. API_CreateEventSourceMapping: "The minimum valid value for maximum
        record age is 60s. Although values less than 60 and greater than -1 fall within the parameter's absolute range,
        they are not allowed"."""
        with pytest.raises(ValueError, match=name):
            mapping(**{name: value})


class TestPolling:
    def test_a_quiet_shard_is_polled_four_times_a_second(self) -> None:
        """with-ddb: "polls shards in your DynamoDB stream for records at a base rate of 4 times per second"."""
        world = World()
        world.run_for(9.9)
        assert world.stream.reads == [("shard-0", 0)] * 40

    def test_records_are_delivered_as_soon_as_they_are_seen(self) -> None:
        """with-ddb: "By default, Lambda invokes your function as soon as records are available"."""
        world = World()

        async def script() -> None:
            await asyncio.sleep(0.6)
            world.write("a")
            await asyncio.sleep(0.2)
            world.write("b")

        world.run_for(3, script)
        assert world.delivered == [["101"], ["102"]]
        assert world.times == [0.75, 1.75]

    def test_an_invocation_waits_for_the_one_before(self) -> None:
        """with-ddb: "waits for the result. If processing succeeds, Lambda resumes polling"."""
        world = World(seconds=5)
        world.write("a")

        async def script() -> None:
            await asyncio.sleep(1)
            world.write("b", "c")

        world.run_for(20, script)
        assert world.delivered == [["101"], ["102", "103"]]
        assert world.times == [0, 5]

    @pytest.mark.parametrize(("window", "reads"), [(0, 1), (10, 42)])
    def test_no_more_is_read_while_an_invocation_is_under_way(self, window: int, reads: int) -> None:
        """with-ddb: the same. A window is read for until it is over."""
        world = World(seconds=100, batch_size=10_000, maximum_batching_window_in_seconds=window)
        world.write(*["a"] * 1_500)
        world.run_for(50)
        assert len(world.stream.reads) == reads

    def test_an_expired_iterator_is_replaced(self) -> None:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html:
        `ExpiredIteratorException`, 15 minutes after the iterator was made."""

        class Expiring(MemoryStream):
            expired = False
            obtained = 0

            async def iterator(self, shard_id: str, position: Position) -> str:
                self.obtained += 1
                return await super().iterator(shard_id, position)

            async def records(self, iterator: str, limit: int) -> Page:
                if self.reads == [("shard-0", 2)] and not self.expired:
                    self.expired = True
                    raise ExpiredIteratorError
                return await super().records(iterator, limit)

        stream = Expiring()
        world = World(stream=stream)
        world.write("a", "b")
        world.drain()
        assert stream.obtained == 2
        assert world.stream.reads == [("shard-0", 2), ("shard-0", 0), ("shard-0", 0)]
        assert world.delivered == [["101", "102"]]

    def test_reading_goes_on_at_the_oldest_record_that_is_left(self) -> None:
        """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: records live for 24 hours."""
        world = World()
        world.write("a", "b", "c", "d")
        world.checkpoints.positions["shard-0"] = Position("AFTER_SEQUENCE_NUMBER", "101")
        world.stream.trim("shard-0", 2)
        world.drain()
        assert world.delivered == [["103", "104"]]

    def test_reading_goes_on_where_records_go_while_they_are_read(self) -> None:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html:
        `TrimmedDataAccessException`."""
        world = World()
        world.write("a")

        async def script() -> None:
            await asyncio.sleep(0.5)
            world.write("b", "c", "d")
            world.stream.trim("shard-0", 3)

        world.run_for(5, script)
        assert world.delivered == [["101"], ["104"]]


class TestBatching:
    def test_a_batch_has_at_most_batch_size_records(self) -> None:
        """services-ddb-params: `BatchSize`."""
        world = World(batch_size=3)
        world.write(*"abcdefg")
        world.drain()
        assert [len(each) for each in world.delivered] == [3, 3, 1]

    def test_without_a_window_a_batch_is_no_more_than_one_read(self) -> None:
        """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html: "a maximum of 1
        MB of data or 1000 stream records"."""
        world = World(batch_size=10_000)
        world.write(*["a"] * 1_500)
        world.drain()
        assert [len(each) for each in world.delivered] == [1_000, 500]

    def test_with_a_window_a_batch_is_gathered_from_several_reads(self) -> None:
        """with-ddb: "Lambda continues to read records from the event source until it has gathered a full batch"."""
        world = World(batch_size=2_000, maximum_batching_window_in_seconds=10)
        world.write(*["a"] * 2_500)
        world.run_for(5)
        assert [len(each) for each in world.delivered] == [2_000]
        assert world.times == [0]

    def test_a_window_gathers_until_it_is_over(self) -> None:
        """invocation-eventsourcemapping: "The batching window reaches its maximum value"."""
        world = World(maximum_batching_window_in_seconds=10)

        async def script() -> None:
            for key in "abc":
                await asyncio.sleep(3)
                world.write(key)

        world.run_for(15, script)
        assert world.delivered == [["101", "102", "103"]]
        assert world.times == [10]

    def test_the_next_window_begins_as_the_invocation_ends(self) -> None:
        """invocation-eventsourcemapping: the next window begins as soon as the previous invocation completes."""
        world = World(seconds=4, maximum_batching_window_in_seconds=10)
        world.write("a")

        async def script() -> None:
            await asyncio.sleep(16)
            world.write("b")

        world.run_for(40, script)
        assert world.times == [10, 24]

    def test_no_window_ends_with_an_empty_batch(self) -> None:
        """invocation-eventsourcemapping: a batch is made of records. The windows follow one another."""
        world = World(maximum_batching_window_in_seconds=10)

        async def script() -> None:
            await asyncio.sleep(33)
            world.write("a")

        world.run_for(60, script)
        assert world.delivered == [["101"]]
        assert world.times == [40]

    def test_a_full_batch_ends_the_window(self) -> None:
        """invocation-eventsourcemapping: "The batch size is met"."""
        world = World(batch_size=2, maximum_batching_window_in_seconds=10)
        world.write("a", "b", "c")
        world.run_for(20)
        assert world.delivered == [["101", "102"], ["103"]]
        assert world.times == [0, 11]

    def test_an_event_is_no_larger_than_6_mb(self) -> None:
        """invocation-eventsourcemapping: "The payload size reaches 6 MB". It ends the window, too."""
        world = World(batch_size=10_000, maximum_batching_window_in_seconds=300)
        for _ in range(8_000):
            world.stream.write(record("a", text={"S": "x" * 500}))
        world.run_for(5)
        assert world.times == [0]
        event = world.handler.invocations[0].event
        one, all_of_it = (len(json.dumps(each, separators=(",", ":"))) for each in (event["Records"][0], event))
        assert all_of_it <= 6 * 1024 * 1024 < all_of_it + one + len(",")

    def test_a_record_is_delivered_alone_whatever_its_size(self) -> None:
        """No rule of AWS's: an item has 400 KB at most. A stand-in's stream must not wait for ever for a larger one."""
        world = World()
        world.stream.write(record("a", text={"S": "x" * 7_000_000}))
        world.write("a")
        world.drain()
        assert world.delivered == [["101"], ["102"]]

    def test_a_closed_shard_needs_no_window(self) -> None:
        """with-ddb says what ends a window; there is nothing left to gather for."""
        world = World(maximum_batching_window_in_seconds=300)
        world.write("a")
        world.stream.close("shard-0")
        world.run_for(5)
        assert world.delivered == [["101"]]


class TestOrder:
    def test_a_shard_has_one_batch_under_way(self) -> None:
        """invocation-eventsourcemapping: "processes items in each shard in order"."""
        world = World(batch_size=1)
        world.write(*"abcdef")
        world.drain()
        assert world.delivered == [[str(number)] for number in range(101, 107)]
        assert world.handler.most_under_way == 1

    def test_shards_are_read_at_once(self) -> None:
        """with-ddb: "Lambda polls shards"; each has its own iterator."""
        world = World(stream=MemoryStream("one", "two"))
        world.write("a", shard_id="one")
        world.write("b", shard_id="two")
        world.drain()
        assert world.times == [0, 0]

    def test_a_factor_has_so_many_batches_of_a_shard_under_way(self) -> None:
        """with-ddb: `ParallelizationFactor`, one shard "with more than one Lambda invocation simultaneously"."""
        world = World(parallelization_factor=3, batch_size=2)
        world.write(*"abcdefghijklmnopqrst")
        world.drain()
        assert world.handler.most_under_way == 3
        assert sorted(itertools.chain(*world.delivered)) == [str(number) for number in range(101, 121)]

    def test_a_factor_keeps_the_order_of_each_item(self) -> None:
        """with-ddb: order is kept for each item, by its partition and sort key."""
        chance = itertools.cycle([True, False, False])

        def answer(batch: list[str]) -> Any:
            return {"batchItemFailures": [{"itemIdentifier": batch[len(batch) // 2]}]} if next(chance) else None

        world = World(answer, parallelization_factor=4, batch_size=3, report_batch_item_failures=True)
        world.write(*"abcabdaecafbagbcd" * 4)
        world.drain()
        # That no two batches under way share an item is asserted in Handler.
        seen: dict[str, list[str]] = {}
        for each in world.handler.invocations:
            for item, number in zip(each.items, each.numbers, strict=True):
                seen.setdefault(item, []).append(number)
        assert len(seen) == 7
        for numbers in seen.values():
            first_seen = list(dict.fromkeys(numbers))
            assert first_seen == sorted(first_seen)
        assert len(set(itertools.chain(*world.delivered))) == 17 * 4

    def test_items_that_share_a_partition_key_are_not_one_item(self) -> None:
        """with-ddb: order is kept for each item, by its partition and sort key: no more than that."""
        world = World(parallelization_factor=10, batch_size=1)
        for number in range(30):
            change = record("a")
            change["dynamodb"]["Keys"]["sk"] = {"N": str(number)}
            world.stream.write(change)
        world.drain()
        assert world.handler.most_under_way > 1

    def test_one_items_failure_does_not_hold_up_the_others(self) -> None:
        """with-ddb: concurrent batches; only what comes behind the failure in its own order waits."""
        world = World(failing("101"), parallelization_factor=2, batch_size=1)
        world.write("a", *"bcdefgh", "a")
        world.run_for(120)
        delivered = set(itertools.chain(*world.delivered))
        assert "109" not in delivered
        assert len(delivered) > 2

    def test_no_more_is_read_than_can_wait(self) -> None:
        """AWS does not say how far it reads ahead of a failure: here, a read of 1,000 for each batch at once."""
        world = World(failing("101"), seconds=0, parallelization_factor=2)
        world.write("a", *"bcdefgh", *["a"] * 5_000)
        world.run_for(60)
        assert world.stream.reads == [("shard-0", 1_000), ("shard-0", 1_000)]

    def test_reading_goes_on_as_soon_as_there_is_room(self) -> None:
        """The same: a part of a batch that is acknowledged makes room."""
        world = World(
            reporting("701"), seconds=5, parallelization_factor=2, batch_size=1_000, report_batch_item_failures=True
        )
        world.write(*["a"] * 2_000, *"bcdefgh")
        world.run_for(6)
        assert [time for time, batch in zip(world.times, world.delivered, strict=True) if "701" not in batch] == [5]

    def test_the_checkpoint_passes_only_what_is_acknowledged_without_a_gap(self) -> None:
        """with-ddb: at least once: what is after an unacknowledged record is delivered again."""
        world = World(failing("101"), parallelization_factor=2, batch_size=1)
        world.write("a", *"bcdefgh")
        world.run_for(120)
        assert world.checkpoints.sequence_number("shard-0") is None


class TestRetries:
    def test_a_failed_batch_is_retried_as_often_as_the_mapping_says(self) -> None:
        """services-dynamodb-errors: retried until it reaches "the configured retry quota"."""
        world = World(failing("102"), maximum_retry_attempts=2, batch_size=2)
        world.write(*"abcd")
        world.drain()
        assert world.delivered == [["101", "102"]] * 3 + [["103", "104"]]
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["101", "102"])]

    def test_no_retry_at_all_is_possible(self) -> None:
        """services-ddb-params: `MaximumRetryAttempts`, minimum 0."""
        world = World(failing("101"), maximum_retry_attempts=0)
        world.write("a")
        world.drain()
        assert world.delivered == [["101"]]
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["101"])]

    def test_without_a_limit_a_batch_is_retried_until_it_expires(self) -> None:
        """services-ddb-params: "failed records are retried until the record expires", after 24 hours."""
        world = World(failing("101"))
        world.write("a", "b")
        world.drain()
        assert world.queue.discarded == [("RecordAgeExceeded", ["101", "102"])]
        assert 24 * 3600 - 61 < world.times[-1] <= 24 * 3600

    def test_a_failure_holds_up_its_shard_alone(self) -> None:
        """invocation-eventsourcemapping: "pauses processing for the affected shard until the error is resolved"."""
        world = World(failing("101"), stream=MemoryStream("one", "two"), batch_size=1)
        world.write("a", "b", shard_id="one")
        world.write("c", "d", shard_id="two")
        world.run_for(60)
        assert {each[0] for each in world.delivered} == {"101", "103", "104"}

    def test_retries_back_off(self) -> None:
        """AWS does not say how: 1, 2, 4… seconds, up to 60, or as the caller says."""
        assert [exponential(failures) for failures in (1, 2, 3, 6, 7, 8, 10_000)] == [1, 2, 4, 32, 60, 60, 60]
        world = World(failing("101"), seconds=0, maximum_retry_attempts=3)
        world.write("a")
        world.drain(backoff=lambda failures: failures * 10)
        assert world.times == [0, 10, 30, 60]

    def test_progress_ends_the_backing_off(self) -> None:
        """AWS does not say so; what succeeds of a batch is progress, and so is what is discarded."""

        def answer(batch: list[str]) -> Any:
            if world.times == [0]:
                raise FunctionError
            return reporting("102")(batch)

        world = World(answer, seconds=0, report_batch_item_failures=True, maximum_retry_attempts=2)
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"], ["101", "102"], ["102"], ["102"], ["102"]]
        assert world.times == [0, 1, 2, 4, 8]

        world = World(failing("101", "102"), seconds=0, bisect_batch_on_function_error=True, maximum_retry_attempts=1)
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"], ["101"], ["101"], ["102"], ["102"]]
        assert world.times == [0, 1, 3, 3, 4]

    def test_a_function_that_can_not_be_invoked_costs_no_retry(self) -> None:
        """services-dynamodb-errors: "unable to invoke the function due to throttling": tried until the records
        "expire or exceed the maximum age"."""
        throttled = iter([True] * 5)

        def answer(_batch: list[str]) -> None:
            if next(throttled, False):
                raise InvocationError

        world = World(answer, maximum_retry_attempts=0, bisect_batch_on_function_error=True)
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"]] * 6
        assert world.queue.messages == []

    def test_each_attempt_gets_an_event_of_its_own(self) -> None:
        """with-ddb: the event is read from the stream."""

        def answer(_batch: list[str]) -> None:
            del world.handler.invocations[-1].event["Records"][0]["eventName"]
            if len(world.handler.invocations) == 1:
                raise FunctionError

        world = World(answer)
        world.write("a")
        world.drain()
        assert len(world.handler.invocations) == 2


class TestBisect:
    def test_a_failed_batch_is_split_in_two(self) -> None:
        """services-dynamodb-errors: `BisectBatchOnFunctionError` "splits a failed batch into two smaller batches"."""
        world = World(failing("102"), bisect_batch_on_function_error=True, maximum_retry_attempts=1)
        world.write(*"abcd")
        world.drain()
        assert world.delivered == [
            ["101", "102", "103", "104"],
            ["101", "102"],
            ["101"],
            ["102"],
            ["102"],
            ["103", "104"],
        ]
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["102"])]

    def test_splitting_uses_up_no_retry(self) -> None:
        """services-dynamodb-errors: "Splitting batches doesn't consume the retry quota"."""
        world = World(failing("105"), bisect_batch_on_function_error=True, maximum_retry_attempts=0)
        world.write(*"abcdefgh")
        world.drain()
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["105"])]

    def test_the_second_half_waits_for_the_first(self) -> None:
        """invocation-eventsourcemapping: in order within a shard."""
        world = World(failing("101"), bisect_batch_on_function_error=True)
        world.write("a", "b")
        world.run_for(600)
        assert ["102"] not in world.delivered

    def test_a_failed_invocation_is_split_with_partial_responses_on_too(self) -> None:
        """services-ddb-batchfailurereporting: bisected "regardless of your ReportBatchItemFailures setting"."""
        world = World(
            failing("101"),
            bisect_batch_on_function_error=True,
            report_batch_item_failures=True,
            maximum_retry_attempts=0,
        )
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"], ["101"], ["102"]]

    def test_a_partial_response_splits_at_the_returned_sequence_number(self) -> None:
        """services-ddb-batchfailurereporting: "bisected at the returned sequence number and Lambda retries only the
        remaining records"."""
        world = World(
            reporting("103"),
            bisect_batch_on_function_error=True,
            report_batch_item_failures=True,
            maximum_retry_attempts=0,
        )
        world.write(*"abcde")
        world.drain()
        # What begins with the failed record can not be split there: it is split as a failed batch is.
        assert world.delivered == [
            ["101", "102", "103", "104", "105"],
            ["103", "104", "105"],
            ["103", "104"],
            ["103"],
            ["104"],
            ["105"],
        ]
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["103"])]


class TestPartialBatchResponses:
    def test_the_batch_is_retried_from_the_returned_sequence_number(self) -> None:
        """services-ddb-batchfailurereporting: "retries all records starting from that checkpoint"."""
        answers = iter([{"batchItemFailures": [{"itemIdentifier": "103"}]}])
        world = World(lambda _batch: next(answers, None), report_batch_item_failures=True)
        world.write(*"abcde")
        world.drain()
        assert world.delivered == [["101", "102", "103", "104", "105"], ["103", "104", "105"]]

    def test_what_comes_before_it_is_acknowledged(self) -> None:
        """services-ddb-batchfailurereporting: the sequence number is the checkpoint."""
        world = World(reporting("103"), report_batch_item_failures=True)
        world.write(*"abcde")
        world.run_for(60)
        assert world.checkpoints.sequence_number("shard-0") == "102"

    def test_the_lowest_of_several_sequence_numbers_counts(self) -> None:
        """services-ddb-batchfailurereporting: "uses the record with the lowest sequence number as the checkpoint"."""
        answers = iter([{"batchItemFailures": [{"itemIdentifier": "100"}, {"itemIdentifier": "99"}]}])
        world = World(lambda _batch: next(answers, None), report_batch_item_failures=True)
        for number in (98, 99, 100, 101):
            world.stream.write(record("a", number=number))
        world.drain()
        assert world.delivered == [["98", "99", "100", "101"], ["99", "100", "101"]]

    def test_responses_mean_nothing_unless_turned_on(self) -> None:
        """services-ddb-batchfailurereporting: not processed unless the feature "is explicitly turned on"."""
        world = World(reporting("101"))
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"]]

    @pytest.mark.parametrize(
        "response",
        [None, "", {}, [], {"batchItemFailures": []}, {"batchItemFailures": None}, {"other": 1}],
        ids=repr,
    )
    def test_a_batch_is_a_complete_success(self, response: Any) -> None:
        """services-ddb-batchfailurereporting: an empty or null list, an empty or null EventResponse."""
        world = World(lambda _batch: response, report_batch_item_failures=True)
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"]]

    @pytest.mark.parametrize(
        "response",
        [
            {"batchItemFailures": [{"itemIdentifier": ""}]},
            {"batchItemFailures": [{"itemIdentifier": None}]},
            {"batchItemFailures": [{"itemIdentifier": "999"}]},
            {"batchItemFailures": [{"itemIdentifier": 102}]},
            {"batchItemFailures": [{"sequenceNumber": "102"}]},
            {"batchItemFailures": [{"itemIdentifier": "102"}, {"itemIdentifier": ""}]},
            {"batchItemFailures": ["102"]},
            {"batchItemFailures": "102"},
            {"batchItemFailures": {"itemIdentifier": "102"}},
            "102",
            102,
            ["102"],
        ],
        ids=repr,
    )
    def test_a_batch_is_a_complete_failure(self, response: Any) -> None:
        """services-ddb-batchfailurereporting: an empty string, a null, a bad key name, and "all other results"."""
        world = World(lambda _batch: response, report_batch_item_failures=True, maximum_retry_attempts=1)
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"], ["101", "102"]]
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["101", "102"])]

    def test_what_is_left_of_a_batch_has_all_its_retries(self) -> None:
        """Not on a page; recorded on AWS, see `tried_again`: 3 retries, and 5 deliveries of the last record."""
        world = World(reporting("103"), report_batch_item_failures=True, maximum_retry_attempts=3)
        world.write(*"abc")
        world.drain()
        assert world.delivered == [["101", "102", "103"], *[["103"]] * 4]
        assert world.queue.messages[0]["requestContext"]["approximateInvokeCount"] == 4


class TestAge:
    def test_a_record_that_is_too_old_is_not_delivered(self) -> None:
        """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html: "Discard records older than
        the specified age"."""
        world = World(maximum_record_age_in_seconds=60)
        for created in (900.0, 939.0, 940.0, 1_000.0):
            world.stream.write(record("a", created))
        world.drain()
        assert world.delivered == [["103", "104"]]
        assert world.queue.discarded == [("RecordAgeExceeded", ["101", "102"])]

    def test_a_record_that_grows_too_old_is_not_retried(self) -> None:
        """services-dynamodb-errors: retried until the records "exceed the maximum age"."""
        world = World(failing("101"), maximum_record_age_in_seconds=60)
        world.stream.write(record("a", 970.0))
        world.stream.write(record("b", 1_000.0))
        world.drain()
        assert world.queue.discarded == [("RecordAgeExceeded", ["101"])]
        assert [each for each in world.delivered if "101" not in each] == [["102"]]
        assert max(time for time, each in zip(world.times, world.delivered, strict=True) if "101" in each) <= 30

    def test_the_stream_keeps_no_record_for_longer_than_a_day(self) -> None:
        """services-ddb-params: "The data retention limit for DynamoDB Streams is 24 hours"."""
        world = World(maximum_record_age_in_seconds=604_800)
        world.stream.write(record("a", 1_000.0 - 86_401))
        world.stream.write(record("b", 1_000.0 - 86_400))
        world.drain()
        assert world.delivered == [["102"]]

    def test_what_was_never_tried_says_so(self) -> None:
        """services-dynamodb-errors: the message; without an invocation there is no response to tell of."""

        def answer(_batch: list[str]) -> None:
            raise InvocationError

        world = World(answer, maximum_record_age_in_seconds=60)
        world.write("a")
        world.drain()
        [message] = world.queue.messages
        assert message["requestContext"]["condition"] == "RecordAgeExceeded"
        assert message["requestContext"]["approximateInvokeCount"] == 0
        assert "responseContext" not in message


class TestFilters:
    def test_a_record_that_does_not_match_is_passed_over(self) -> None:
        """invocation-eventfiltering: "the streams iterator advances past this record"."""
        world = World(filter_patterns=('{"dynamodb":{"Keys":{"pk":{"S":["a"]}}}}',))
        world.write("b", "a", "b")
        world.drain()
        assert world.delivered == [["102"]]
        assert world.checkpoints.sequence_number("shard-0") == "103"
        assert world.queue.messages == []

    def test_filters_come_before_batching(self) -> None:
        """invocation-eventfiltering: they are applied to each record "to determine whether to add it to the current
        batch"."""
        world = World(batch_size=2, filter_patterns=('{"dynamodb":{"Keys":{"pk":{"S":["a"]}}}}',))
        world.write(*"abbaabab")
        world.drain()
        assert world.delivered == [["101", "104"], ["105", "107"]]

    def test_one_of_several_filters_is_enough(self) -> None:
        """invocation-eventfiltering: "Your filters are logically ORed together"."""
        patterns = tuple(json.dumps({"dynamodb": {"Keys": {"pk": {"S": [key]}}}}) for key in "ac")
        world = World(filter_patterns=patterns)
        world.write(*"abcd")
        world.drain()
        assert world.delivered == [["101", "103"]]

    @pytest.mark.parametrize(
        ("rules", "value", "expected"),
        [
            (["a"], "a", True),
            (["a"], "A", False),
            (["a", "b"], "b", True),
            ([None], None, True),
            ([None], "", False),
            ([""], "", True),
            ([""], None, False),
            ([True], True, True),
            ([True], 1, False),
            ([300], 300, True),
            ([300], 300.0, False),
            ([1], "1", False),
            (["a"], ["b", "a"], True),
            (["a"], ["b"], False),
            ([{"exists": True}], "a", True),
            ([{"exists": True}], None, True),
            ([{"exists": True}], {"S": "a"}, False),
            ([{"exists": False}], {"S": "a"}, True),
            ([{"exists": False}], "a", False),
            ([{"prefix": "us-"}], "us-east-1", True),
            ([{"prefix": "us-"}], "eu-us-1", False),
            ([{"suffix": ".png"}], "a.png", True),
            ([{"suffix": ".png"}], "png.a", False),
            ([{"equals-ignore-case": "aLiCe"}], "ALICE", True),
            ([{"equals-ignore-case": "alice"}], "alicia", False),
            ([{"equals-ignore-case": "straße"}], "STRASSE", True),
            ([{"equals-ignore-case": "strasse"}], "straße", False),
            ([{"equals-ignore-case": "k"}], "\N{KELVIN SIGN}", False),
            ([{"equals-ignore-case": "a.c"}], "abc", False),
            ([{"anything-but": "a"}], "b", True),
            ([{"anything-but": "a"}], "a", False),
            ([{"anything-but": ["a", "b"]}], "b", False),
            ([{"anything-but": ["a", "b"]}], "c", True),
            ([{"anything-but": ["a"]}], ["a", "c"], True),
            ([{"anything-but": [1]}], "1", True),
            ([{"anything-but": {"prefix": "in"}}], "out", True),
            ([{"anything-but": {"prefix": "in"}}], "init", False),
            ([{"numeric": ["=", 100]}], 100, True),
            ([{"numeric": [">", 10, "<=", 20]}], 20, True),
            ([{"numeric": [">", 10, "<=", 20]}], 10, False),
            ([{"numeric": [">=", 10, "<", 20]}], 20, False),
            ([{"numeric": [">", 0]}], "5", False),
            ([{"numeric": [">", 0]}], True, False),
        ],
    )
    def test_rules_match_as_eventbridge_says(self, rules: Sequence[Any], value: Any, expected: bool) -> None:
        """invocation-eventfiltering: "the same set of syntax and rules as Amazon EventBridge",
        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html."""
        matches = compiled([json.dumps({"dynamodb": {"value": rules}})])
        assert matches({"dynamodb": {"value": value}}) is expected

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ({"eventName": ["INSERT"]}, True),
            ({"eventName": ["REMOVE"]}, False),
            ({"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": ["b"]}}}}, False),
            ({"dynamodb": {"Keys": {"sk": {"S": ["a"]}}}}, False),
            ({"dynamodb": {"Keys": {"sk": {"S": [{"exists": False}]}}}}, True),
            ({"dynamodb": {"Keys": {"sk": {"S": [{"anything-but": ["a"]}]}}}}, False),
            ({"dynamodb": {"NewImage": {"list": {"L": {"S": ["y"]}}}}}, True),
            ({"dynamodb": {"NewImage": {"list": {"L": {"S": ["z"]}}}}}, False),
            ({"dynamodb": {"$or": [{"Keys": {"pk": {"S": ["b"]}}}, {"NewImage": {"pk": {"S": ["a"]}}}]}}, True),
            ({"dynamodb": {"$or": [{"Keys": {"pk": {"S": ["b"]}}}, {"NewImage": {"pk": {"S": ["c"]}}}]}}, False),
            ({"dynamodb": {"Keys": ["a"]}}, False),
            ({"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 0]}]}}, True),
        ],
        ids=json.dumps,
    )
    def test_patterns_match_records(self, pattern: dict[str, Any], expected: bool) -> None:
        """with-ddb-filtering; and "the event must contain all the field names included in a filter"."""
        change = record("a", list={"L": [{"S": "x"}, {"S": "y"}]})
        assert compiled([json.dumps(pattern)])(change) is expected

    @pytest.mark.parametrize(
        "pattern",
        [
            "INSERT",
            '["INSERT"]',
            '{"eventName":"INSERT"}',
            '{"eventName":[]}',
            '{"eventName":[{"unknown":"INSERT"}]}',
            '{"eventName":[{"prefix":1}]}',
            '{"eventName":[{"exists":"true"}]}',
            '{"eventName":[{"prefix":"a","suffix":"b"}]}',
            '{"eventName":[{"numeric":[">"]}]}',
            '{"eventName":[{"numeric":["!",1]}]}',
            '{"eventName":[{"numeric":[">","1"]}]}',
        ],
    )
    def test_a_pattern_that_can_not_be_followed_is_refused(self, pattern: str) -> None:
        """invocation-eventfiltering: "Lambda throws an exception at the time of the event source mapping creation"."""
        with pytest.raises(ValueError, match="filter pattern"):
            World(filter_patterns=(pattern,)).poller()


class TestShards:
    def test_a_parent_is_done_with_before_its_children_begin(self) -> None:
        """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: "an application must always
        process a parent shard before it processes a child shard"."""
        world = World()
        world.write("a", "b")
        world.stream.split("shard-0", "left", "right")
        world.write("a", shard_id="left")
        world.write("b", shard_id="right")
        world.drain()
        assert world.delivered == [["101", "102"], ["103"], ["104"]]
        assert world.times == [0, 1, 1]

    @pytest.mark.parametrize("drained", [True, False])
    def test_a_failure_in_a_parent_holds_up_its_children(self, drained: bool) -> None:
        """The same: until its last record is acknowledged or discarded."""
        world = World(failing("101"), maximum_retry_attempts=2)
        world.write("a")
        world.stream.split("shard-0", "child")
        world.write("a", shard_id="child")
        if drained:
            world.drain()
        else:
            world.run_for(60)
        assert world.delivered == [["101"], ["101"], ["101"], ["102"]]
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["101"])]

    def test_shards_that_come_while_polling_are_found(self) -> None:
        """The same: shards "are created and deleted automatically"."""
        world = World()

        async def script() -> None:
            await asyncio.sleep(5)
            world.write("a")
            world.stream.split("shard-0", "left", "right")
            world.write("a", shard_id="left")
            world.write("b", shard_id="right")
            await asyncio.sleep(5)
            world.stream.split("left", "grandchild")
            world.write("a", shard_id="grandchild")

        world.run_for(20, script)
        assert world.delivered == [["101"], ["102"], ["103"], ["104"]]

    def test_a_shard_without_a_known_parent_is_found_while_another_is_open(self) -> None:
        """The same; here its parent has left the stream before it was seen."""
        world = World(stream=MemoryStream("one", "two"))

        async def script() -> None:
            await asyncio.sleep(1)
            world.stream.split("two", "three", "four")

        world.checkpoints.finished["two"] = None
        world.run_for(1, script)
        world.write("a", shard_id="four")
        world.run_for(12)
        assert world.delivered == [["101"]]

    def test_a_stream_without_an_open_shard_is_looked_at_again(self) -> None:
        """The same; children may be listed a while after their parent was closed."""
        world = World()
        world.stream.close("shard-0")

        async def script() -> None:
            await asyncio.sleep(1)
            world.stream.split("shard-0", "child")
            world.write("a", shard_id="child")

        world.run_for(15, script)
        assert world.delivered == [["101"]]

    def test_a_parent_that_is_gone_is_not_waited_for(self) -> None:
        """The same: shards are deleted automatically, and their children stay."""
        world = World()
        world.stream.split("shard-0", "child")
        world.stream.forget("shard-0")
        world.write("a", shard_id="child")
        world.drain()
        assert world.delivered == [["101"]]


class TestDestination:
    def test_a_discarded_batch_is_described(self) -> None:
        """services-dynamodb-errors: its example of a message, and the whole event in `payload` for Amazon S3."""
        world = World(failing("102"), maximum_retry_attempts=1)
        world.stream.write(record("a", 998.0))
        world.stream.write(record("b", 999.5))
        world.drain()
        [message] = world.queue.messages
        request_id = message["requestContext"].pop("requestId")
        payload = json.loads(message.pop("payload"))
        assert message == {
            "requestContext": {
                "functionArn": FUNCTION_ARN,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 2,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "1970-01-01T00:16:43.000Z",
            "DDBStreamBatchInfo": {
                "shardId": "shard-0",
                "startSequenceNumber": "101",
                "endSequenceNumber": "102",
                "approximateArrivalOfFirstRecord": "1970-01-01T00:16:38Z",
                "approximateArrivalOfLastRecord": "1970-01-01T00:16:39Z",
                "batchSize": 2,
                "streamArn": STREAM_ARN,
            },
        }
        assert request_id
        assert payload == world.handler.invocations[0].event

    def test_a_partial_batch_response_is_no_function_error(self) -> None:
        """Not on a page; recorded on AWS, see `tried_again`: `functionError` is null."""
        world = World(reporting("101"), report_batch_item_failures=True, maximum_retry_attempts=0)
        world.write("a")
        world.drain()
        assert world.queue.messages[0]["responseContext"]["functionError"] is None

    def test_without_a_destination_a_discarded_batch_is_gone(self) -> None:
        """services-dynamodb-errors: "Lambda discards the records and continues processing batches from the stream"."""
        world = World(failing("101"), maximum_retry_attempts=0, batch_size=1)
        world.write("a", "b")
        world.drain(destination=None)
        assert world.delivered == [["101"], ["102"]]
        assert world.checkpoints.sequence_number("shard-0") == "102"

    def test_a_destination_that_fails_ends_the_poller_and_nothing_is_lost(self) -> None:
        """AWS counts `DestinationDeliveryFailures` and goes on; here nothing is to be lost unseen."""

        class Broken:
            async def send(self, _message: dict[str, Any]) -> None:
                raise ConnectionError("the queue is gone")

        broken: Destination = Broken()
        world = World(failing("101"), maximum_retry_attempts=0)
        world.write("a")
        with pytest.raises(ConnectionError, match="the queue is gone"):
            world.drain(destination=broken)
        world.drain()
        assert world.queue.discarded == [("RetryAttemptsExhausted", ["101"])]


class TestStartingPosition:
    def test_trim_horizon_begins_with_the_oldest_record(self) -> None:
        """services-ddb-params: `StartingPosition`."""
        world = World()
        world.write("a", "b")
        world.drain()
        assert world.delivered == [["101", "102"]]

    def test_latest_begins_with_the_next_record(self) -> None:
        """services-ddb-params: `StartingPosition`: new records alone."""
        world = World(starting_position="LATEST")
        world.write("a", "b")

        async def script() -> None:
            await asyncio.sleep(1)
            world.write("c")

        world.run_for(5, script)
        assert world.delivered == [["103"]]

    def test_latest_misses_nothing_between_two_drains(self) -> None:
        """The same: what is new is new since the mapping began."""
        world = World(starting_position="LATEST")
        world.write("a")
        poller = world.poller()

        async def main() -> None:
            await poller.drain()
            world.write("b")
            await poller.drain()

        run(main(), world.clock)
        assert world.delivered == [["102"]]

    def test_latest_misses_nothing_of_a_split(self) -> None:
        """The same: all that a child has is newer than the mapping."""
        world = World(starting_position="LATEST")
        world.write("a")

        async def script() -> None:
            await asyncio.sleep(1)
            world.write("b")
            world.stream.split("shard-0", "child")
            world.write("c", shard_id="child")

        world.run_for(5, script)
        assert world.delivered == [["102"], ["103"]]

    def test_what_was_read_and_not_acknowledged_is_not_lost_with_latest(self) -> None:
        """The same: a poller that takes over begins where the first did."""
        world = World(failing("102"), starting_position="LATEST")
        world.write("a")

        async def script() -> None:
            await asyncio.sleep(1)
            world.write("b")

        world.run_for(5, script)
        world.write("c")
        world.handler.invocations.clear()
        world.run_for(2)
        assert world.delivered[0] == ["102", "103"]


class TestCheckpoints:
    def test_another_poller_goes_on_where_one_ended(self) -> None:
        """services-ddb-batchfailurereporting: Lambda "checkpoints to the highest sequence number of a batch"."""
        world = World(batch_size=2)
        world.write(*"abcdef")
        world.run_for(2.5)
        assert world.checkpoints.sequence_number("shard-0") == "104"
        # The third batch was under way: it was cancelled, and is delivered again.
        assert world.handler.under_way == []
        world.drain()
        assert world.delivered == [["101", "102"], ["103", "104"], ["105", "106"], ["105", "106"]]

    def test_an_older_checkpoint_delivers_again(self) -> None:
        """with-ddb: "process each event at least once, and duplicate processing of records can occur"."""
        world = World(batch_size=2)
        world.write(*"ab")
        world.drain()
        older = world.checkpoints.copy()
        world.write(*"cd")
        world.drain()
        world.drain(checkpoints=older)
        assert world.delivered == [["101", "102"], ["103", "104"], ["103", "104"]]
        assert older == world.checkpoints

    def test_a_finished_shard_is_not_read_again(self) -> None:
        """Nor does Lambda: it has processed it to its end."""
        world = World()
        world.write("a")
        world.stream.split("shard-0", "child")
        world.drain()
        reads = len(world.stream.reads)
        world.drain()
        assert {shard_id for shard_id, _ in world.stream.reads[reads:]} == {"child"}


class TestEvent:
    def test_a_record_of_the_stream_becomes_one_of_the_event(self) -> None:
        """with-ddb: its example of an event; time-to-live-ttl-streams of DynamoDB's guide: `userIdentity`."""
        number = "49590338271490256608559692538361571095921575989136588898"
        change = {
            "ApproximateCreationDateTime": datetime(2026, 1, 1, tzinfo=UTC),
            "Keys": {"pk": {"B": b"\x00\xff"}},
            "OldImage": {
                "pk": {"B": b"\x00\xff"},
                "set": {"BS": [b"a", b"b"]},
                "nested": {"M": {"list": {"L": [{"B": b"a"}, {"N": "1.50"}, {"NULL": True}]}}},
            },
            "SequenceNumber": number,
            "SizeBytes": 20,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        read = {
            "eventID": "1",
            "eventName": "REMOVE",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1",
            "dynamodb": change,
            "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"},
        }
        assert lambda_record(read, STREAM_ARN) == {
            "eventID": "1",
            "eventName": "REMOVE",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": STREAM_ARN,
            "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1767225600.0,
                "Keys": {"pk": {"B": "AP8="}},
                "OldImage": {
                    "pk": {"B": "AP8="},
                    "set": {"BS": ["YQ==", "Yg=="]},
                    "nested": {"M": {"list": {"L": [{"B": "YQ=="}, {"N": "1.50"}, {"NULL": True}]}}},
                },
                "SequenceNumber": number,
                "SizeBytes": 20,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "userIdentity": {"principalId": "dynamodb.amazonaws.com", "type": "Service"},
        }
        assert read["dynamodb"]["Keys"] == {"pk": {"B": b"\x00\xff"}}  # type: ignore[index]

    def test_the_function_gets_it(self) -> None:
        """with-ddb: its example of an event."""
        world = World()
        world.write("a")
        world.drain()
        change = record("a")
        change["dynamodb"]["SequenceNumber"] = "101"
        assert world.handler.invocations[0].event == {"Records": [change | {"eventSourceARN": STREAM_ARN}]}


class TestPollersEnd:
    def test_an_error_that_is_no_functions_ends_the_poller(self) -> None:
        """No rule of AWS's: a fault of the stand-in itself is not to be retried."""

        def answer(_batch: list[str]) -> None:
            raise ZeroDivisionError

        world = World(answer)
        world.write("a")
        with pytest.raises(ZeroDivisionError):
            world.drain()
        with pytest.raises(ZeroDivisionError):
            run(world.poller().run(), world.clock)
        assert world.handler.under_way == []

    def test_it_has_ended_when_what_was_under_way_has(self) -> None:
        """No rule of AWS's: what comes after a poller finds nothing that still writes."""

        class Slow:
            ended = 0

            async def invoke(self, event: dict[str, Any]) -> None:
                if event["Records"][0]["dynamodb"]["SequenceNumber"] == "102":
                    raise ZeroDivisionError
                try:
                    await asyncio.sleep(10)
                finally:
                    await asyncio.sleep(1)
                    self.ended += 1

        world = World(stream=MemoryStream("one", "two"))
        world.write("a", shard_id="one")
        world.write("b", shard_id="two")
        slow = Slow()

        async def main(polling: Callable[[Poller], Coroutine[Any, Any, None]]) -> None:
            with pytest.raises(ZeroDivisionError):
                await polling(Poller(world.mapping, world.stream, slow, None, world.clock))
            assert slow.ended == 1
            slow.ended = 0

        run(main(Poller.drain), world.clock)
        run(main(Poller.run), world.clock)

    def test_draining_ends_with_an_empty_stream(self) -> None:
        """No rule of AWS's: nothing to wait for, in no time."""
        world = World(stream=MemoryStream("one", "two"), maximum_batching_window_in_seconds=300)
        world.drain()
        assert world.clock() == 1_000.0

    def test_draining_takes_in_what_is_written_meanwhile(self) -> None:
        """No rule of AWS's: the function's own writes, for one."""

        def answer(batch: list[str]) -> None:
            if batch == ["101"]:
                world.write("b")
            if batch == ["102"]:
                world.stream.split("shard-0", "child")
                world.write("c", shard_id="child")

        world = World(answer)
        world.write("a")
        world.drain()
        assert world.delivered == [["101"], ["102"], ["103"]]

    def test_a_run_can_be_repeated_exactly(self) -> None:
        """No rule of AWS's: a history that fails has to fail again."""

        def history() -> tuple[list[Any], list[Any]]:
            world = World(
                failing("103", "117"),
                stream=MemoryStream("one", "two"),
                batch_size=4,
                parallelization_factor=3,
                bisect_batch_on_function_error=True,
                maximum_retry_attempts=1,
            )
            world.write(*"abcdeabcfg", shard_id="one")
            world.write(*"hijklmnhij", shard_id="two")
            world.drain()
            return list(zip(world.times, world.delivered, strict=True)), world.queue.messages

        assert history() == history()
