"""Images turned into the JSON that the views want: ours, boto3's way, and Powertools'."""

import json
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import msgspec
from aws_lambda_powertools.shared.dynamodb_deserializer import TypeDeserializer as PowertoolsDeserializer
from boto3.dynamodb.types import TypeDeserializer as Boto3Deserializer

from benchmarks import seed
from benchmarks.results import Decoding, Spread
from benchmarks.workload import Scale, image, workload
from handler.views import Encoded, row_of
from tests import pizza

IMAGES = 300

TURNS = 20
"""How often each decoder has all images in one round, in turn with the others: one turn takes too little to tell."""

Image = Mapping[str, Any]

Decoder = Callable[[Image], list[bytes]]
"""An image as the four views show it: the order's entry, the admin's, and its row in each list."""

_VIEWS = tuple(pizza.settings().views.values())


def ours(image: Image) -> list[bytes]:
    """By the handler."""
    encoded: Encoded = {}
    return [msgspec.json.encode(row_of(view, image, encoded)) for view in _VIEWS]


def through_values(deserialize: Callable[[Any], Any]) -> Decoder:
    """By a deserializer to Python's values, and from these by json."""

    def decode(image: Image) -> list[bytes]:
        order = {name: deserialize(value) for name, value in image.items()}
        detail, row = seed.detail(order), seed.row(order)
        shown = (detail, detail | {"creator": order["creator"]}, row, row)
        return [seed.dumped(each).encode() for each in shown]

    return decode


DECODERS: Mapping[str, Decoder] = {
    "ours": ours,
    "boto3_json": through_values(Boto3Deserializer().deserialize),
    "powertools_json": through_values(PowertoolsDeserializer().deserialize),
}


def race(scale: Scale) -> dict[str, float]:
    """Let all of them decode the same images.

    Args:
        scale: the workload's, whose orders these are.

    Returns:
        decoder to MB of the event's JSON a second.

    Raises:
        RuntimeError: they do not give the same.
    """
    images = [image(order) for order in workload(scale).orders(scale.records)[:IMAGES]]
    for each in images:
        check_alike([decode(each) for decode in DECODERS.values()])
    seconds = dict.fromkeys(DECODERS, 0.0)
    for _ in range(TURNS):
        for name, decode in DECODERS.items():
            began = time.thread_time()
            for each in images:
                decode(each)
            seconds[name] += time.thread_time() - began
    megabytes = TURNS * sum(len(msgspec.json.encode(each)) for each in images) / 1e6
    return {name: megabytes / taken for name, taken in seconds.items()}


class DecodingRace:
    """The three, round by round, each round in a process of its own, as the handlers are.

    Args:
        scale: the workload's.
    """

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._rates: dict[str, list[float]] = {name: [] for name in DECODERS}

    def measure(self) -> None:
        """Run a round more."""
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            for name, rate in process.submit(race, self._scale).result().items():
                self._rates[name].append(rate)

    def result(self) -> Decoding:
        """What all runs came to."""
        rates = self._rates
        return Decoding(
            **{name: Spread.of(each) for name, each in rates.items()},
            vs_boto3_json=Spread.of_ratios(rates["ours"], rates["boto3_json"]),
            vs_powertools_json=Spread.of_ratios(rates["ours"], rates["powertools_json"]),
        )


def check_alike(decoded: Sequence[list[bytes]]) -> None:
    """Check that all gave the same JSON, the order of its fields aside.

    Raises:
        RuntimeError: they did not.
    """
    first, *others = ([json.loads(each) for each in views] for views in decoded)
    if any(other != first for other in others):
        raise RuntimeError("the decoders do not give the same JSON: there is nothing to compare")
