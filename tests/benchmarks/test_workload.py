"""The workload is the one that is specified, each time."""

import json
from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from benchmarks.workload import Scale, Workload, payloads, workload
from handler.records import decode
from local.event_source.event import PAYLOAD_BYTES
from local.pizza import views

SMALL = Scale(orders=60, creators=7, inserts=20, modifies=120, removes=20)


@pytest.fixture(scope="module")
def full() -> Workload:
    return workload(Scale())


def test_it_has_the_orders_creators_and_records_that_are_specified(full: Workload) -> None:
    assert (len(full.loaded), len({order["creator"] for order in full.loaded})) == (2_000, 100)
    kinds = Counter((write.before is not None, write.after is not None) for write in full.writes)
    assert kinds == {(False, True): 1_500, (True, True): 17_000, (True, False): 1_500}


def test_an_order_takes_one_kilobyte(full: Workload) -> None:
    sizes = [len(msgspec.json.encode(order)) for order in full.loaded]
    assert max(sizes) <= 1_024
    assert sum(sizes) / len(sizes) > 950


def test_what_happens_is_interleaved(full: Workload) -> None:
    for first in range(0, 20_000, 2_000):
        inserted = sum(write.before is None for write in full.writes[first : first + 2_000])
        assert 100 < inserted < 200


def test_the_same_seed_gives_the_same_and_another_one_another() -> None:
    assert list(workload(SMALL).records()) == list(workload(SMALL).records())
    assert list(workload(SMALL, seed=2).records()) != list(workload(SMALL).records())


def test_a_record_is_one_that_the_handler_reads_and_holds_the_images_of_its_write() -> None:
    small = workload(SMALL)
    batch = decode({"Records": list(small.records())})
    assert batch.rejections == ()
    assert [(change.before is None, change.after is None) for change in batch.changes] == [
        (write.before is None, write.after is None) for write in small.writes
    ]
    for earlier, later in pairwise(batch.changes):
        assert earlier.sequence_number < later.sequence_number
    last = {change.item: change.after for change in batch.changes}
    for change in reversed(batch.changes):
        assert last[change.item] == change.after
        last[change.item] = change.before


def test_every_change_shows_in_every_view_of_its_order() -> None:
    for write in workload(SMALL).writes:
        if write.before and write.after:
            before, after = views([write.before]), views([write.after])
            shown = [key for key in after if after[key] != before[key]]
            assert {*shown, "all-orders"} == {*after}
            assert "all-orders" in shown or write.before["status"] == write.after["status"] == "COMPLETED"


def test_what_the_cache_has_to_hold_follows_the_records() -> None:
    small = workload(SMALL)
    loaded, later = small.entries(0), small.entries(1)
    assert len(loaded) == 2 * 60 + 7 + 1
    assert loaded != later
    ids = {order["pk"] for order in small.orders(SMALL.records)}
    assert len(ids) == 60
    assert {row["id"] for creator in range(7) for row in small.entries(SMALL.records)[f"creator-{creator:03}"]} == ids


def test_a_batch_ends_at_its_size_or_before_the_payload_is_too_large() -> None:
    record = json.dumps({"filler": "x" * 1_000_000}).encode()
    assert [size for size, _ in payloads([record] * 5, 2)] == [2, 2, 1]
    largest = list(payloads([record] * 15, 10_000))
    assert [size for size, _ in largest] == [6, 6, 3]
    assert all(len(payload) <= PAYLOAD_BYTES < len(payload) + len(record) for _, payload in largest[:2])
    assert len(json.loads(largest[0][1])["Records"]) == 6
