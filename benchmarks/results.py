"""What is kept of a run: every row with its spread, and at the top the figures that must be reached."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Self

import msgspec
from msgspec import Struct

from local.terraform import PROJECT

RESULTS = PROJECT / "benchmarks" / "results.json"

NOISE = 0.2
"""By how much a figure may miss what it must reach: a machine that does something else as well is never exact."""


LITERAL = "seed, literal"
"""The row of the seed's handler as it was published: what it leaves in the cache is wrong."""


class Spread(Struct, frozen=True):
    """A figure over several runs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum up a figure, to four significant digits."""
        return cls(*(float(f"{each:.4g}") for each in (median(values), min(values), max(values))))

    @classmethod
    def of_ratios(cls, values: Sequence[float], bases: Sequence[float]) -> Self:
        """Sum up a ratio, each of the two figures of one round."""
        return cls.of([value / base for value, base in zip(values, bases, strict=True)])


class Target(Struct, frozen=True):
    """What a figure must reach.

    Attributes:
        what: the figure, in words.
        at_least: what it must reach.
        aim: what it should.
        is_least: whether less is better.
    """

    what: str
    at_least: float
    aim: float
    is_least: bool = False

    def is_missed(self, value: float) -> bool:
        """Tell whether a figure misses what it must reach by more than the noise."""
        if self.is_least:
            return value > self.at_least * (1 + NOISE)
        return value < self.at_least * (1 - NOISE)


TARGETS: Mapping[str, Target] = {
    "ours_1000_vs_seed": Target("ours at batch 1,000 ÷ seed, 1 ms", 40, 100),
    "ours_100_vs_seed": Target("ours at batch 100 ÷ seed, 1 ms", 15, 40),
    "ours_100_vs_careful": Target("ours at batch 100 ÷ careful, 1 ms", 5, 10),
    "ours_1000_share_of_limit": Target("share of the limit at batch 1,000", 0.35, 0.7),
    "requests_per_record_1000": Target("requests per record at batch 1,000", 0.35, 0.2, is_least=True),
    "decode_vs_boto3_json": Target("decoding ÷ boto3's deserializer + json", 4, 10),
    "cold_start_vs_momento": Target("cold start ÷ bare momento", 2.4, 1.5, is_least=True),
    "peak_memory_mb_largest": Target("peak memory, largest batch, MB", 256, 160, is_least=True),
    "zip_mb": Target("deployed zip, MB", 9.5, 8.5, is_least=True),
}
"""The summary's figures, by their keys."""


class Machine(Struct, frozen=True):
    """Where it was measured.

    Attributes:
        processor: its model.
        cores: how many of them.
        load: how many processes wanted one of them when it began, on average over the minute before.
        python: the version.
        grpcio: the version.
        measured_at: when it began, in UTC.
        rounds: how often everything was run, one after the other in turn.
    """

    processor: str
    cores: int
    load: float
    python: str
    grpcio: str
    measured_at: str
    rounds: int


class Row(Struct, frozen=True):
    """One handler at one batch size and latency.

    Attributes:
        name: the row's.
        batch_size: the most records in a batch.
        largest_batch: the most that there were.
        latency_ms: added to each request.
        records: how many were handled in one run.
        wrong_entries: how many of the cache's entries came out other than they should, at the end of a run.
        records_per_second: handled.
        ratio_to_seed: how many times the seed's, at the same latency.
        share_of_limit: of what the same requests take alone; None where that was not measured.
        requests_per_record: that the server got.
        bytes_per_record: of the messages, both ways.
        operations_per_record: as Momento's quota counts them, a batched request by its elements.
        cpu_ms_per_1000_records: of the handler's process.
        server_cpu_ms_per_1000_records: of the local server's process.
        server_busy: which share of the time the server kept a processor busy: near 1, it is what limits the row.
        peak_memory_mb: of the handler's process, in MB of 2^20 bytes as Lambda has them.
    """

    name: str
    batch_size: int
    largest_batch: int
    latency_ms: int
    records: int
    wrong_entries: int
    records_per_second: Spread
    ratio_to_seed: Spread
    share_of_limit: Spread | None
    requests_per_record: Spread
    bytes_per_record: Spread
    operations_per_record: Spread
    cpu_ms_per_1000_records: Spread
    server_cpu_ms_per_1000_records: Spread
    server_busy: Spread
    peak_memory_mb: Spread


class ServerLimits(Struct, frozen=True):
    """What the local server can do, asked by gRPC alone over one connection.

    Attributes:
        round_trip_ms: one request after the other, by the latency added.
        sets_per_second: entries of 1 KB, 32 requests at once.
        batched_sets_per_second: the same entries, 1,000 in one SetBatch.
        list_updates_per_second: GetWithHash and SetIfHash of a list of 250 KB, one after the other.
    """

    round_trip_ms: dict[str, Spread]
    sets_per_second: Spread
    batched_sets_per_second: Spread
    list_updates_per_second: Spread


class ColdStart(Struct, frozen=True):
    """From the start of a process.

    Attributes:
        bare_momento_seconds: to `import momento` and one entry set.
        first_record_seconds: to the end of a first batch of one record, the API key fetched from the local Secrets
            Manager.
        first_hundred_seconds: to the end of a first batch of 100 records.
        ratio: of a first batch of 100, the module's default batch_size, to bare Momento.
        ratio_one: of a first batch of one.
    """

    bare_momento_seconds: Spread
    first_record_seconds: Spread
    first_hundred_seconds: Spread
    ratio: Spread
    ratio_one: Spread


class ListOf(Struct, frozen=True):
    """What a list of so many rows costs, with no other view.

    Attributes:
        rows: how many it has.
        kilobytes: its size, in 1,000 bytes.
        update_ms: a batch of one change.
        batch_ms: a batch of 100 changes.
        update_cpu_ms: of the handler's process, for a batch of one.
        batch_cpu_ms: the same, for a batch of 100.
    """

    rows: int
    kilobytes: float
    update_ms: Spread
    batch_ms: Spread
    update_cpu_ms: Spread
    batch_cpu_ms: Spread


class ListGrowth(Struct, frozen=True):
    """How a list's cost grows.

    Attributes:
        sizes: by rows.
        good_up_to_rows: where a batch of 100 changes takes the 100 ms in which a partition's stream can bring them
            (interpolated): a list that grows beyond falls behind at the partition's full rate.
    """

    sizes: tuple[ListOf, ...]
    good_up_to_rows: int | None


class Decoding(Struct, frozen=True):
    """Images turned into the JSON that the four views want, in MB (of 10^6 bytes of the event's JSON) a second.

    Attributes:
        ours: the handler's.
        boto3_json: boto3's TypeDeserializer, and json.
        powertools_json: Powertools' TypeDeserializer, and json.
        vs_boto3_json: how many times boto3's.
        vs_powertools_json: how many times Powertools'.
    """

    ours: Spread
    boto3_json: Spread
    powertools_json: Spread
    vs_boto3_json: Spread
    vs_powertools_json: Spread


class Profile(Struct, frozen=True):
    """Where the processor time of the handler's main thread goes.

    Attributes:
        batch_size: at this batch size.
        shares: module to its share, the largest first.
    """

    batch_size: int
    shares: dict[str, float]


class Results(Struct, frozen=True):
    """All of it.

    Attributes:
        summary: the medians that must be reached, by the keys of TARGETS.
        spread: the same with their spread.
        machine: where it was measured.
        rows: the handlers.
        server: the local server's own limits.
        cold_start: the start of an execution environment.
        list_growth: lists.
        decoding: attribute values.
        profiles: where the time goes.
    """

    summary: dict[str, float]
    spread: dict[str, Spread]
    machine: Machine
    rows: tuple[Row, ...]
    server: ServerLimits
    cold_start: ColdStart
    list_growth: ListGrowth
    decoding: Decoding
    profiles: tuple[Profile, ...]

    def missed(self) -> list[str]:
        """Name the figures that miss what they must reach by more than the noise."""
        return [key for key, target in TARGETS.items() if target.is_missed(self.summary[key])]

    def wrong(self) -> list[str]:
        """Name the rows whose cache came out wrong, but for the one that is known for it."""
        return [row.name for row in self.rows if row.wrong_entries and row.name != LITERAL]

    def save(self, path: Path) -> None:
        """Write the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def load(path: Path) -> Results:
    """Read the file.

    Raises:
        msgspec.ValidationError: another version of the benchmark wrote it.
    """
    return msgspec.json.decode(path.read_bytes(), type=Results)
