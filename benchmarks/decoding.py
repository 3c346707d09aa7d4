"""Images turned into the JSON that the views want: ours, boto3's way, and Powertools'."""

import json
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from aws_lambda_powertools.shared.dynamodb_deserializer import TypeDeserializer as PowertoolsDeserializer
from boto3.dynamodb.types import TypeDeserializer as Boto3Deserializer

from benchmarks import seed
from benchmarks.results import Decoding, Spread
from handler.views import Encoded, row_of
from tests import pizza

IMAGES = 300

TURNS = 20
"""How often a decoder has all images in one round: one turn takes too little to tell."""

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


def images(stream: Path) -> list[Image]:
    """The first new images of a stream's file, each parsed from JSON as Lambda's runtime does."""
    found: list[Image] = []
    with stream.open("rb") as records:
        for record in records:
            new = json.loads(record)["dynamodb"].get("NewImage")
            if new is not None:
                found.append(new)
            if len(found) == IMAGES:
                break
    return found


def rate(decoder: str, stream: Path) -> float:
    """How many MB of a stream's images, in 10^6 bytes of their JSON, a decoder turns a second."""
    decode, found = DECODERS[decoder], images(stream)
    began = time.thread_time()
    for _ in range(TURNS):
        for each in found:
            decode(each)
    seconds = time.thread_time() - began
    return TURNS * sum(len(msgspec.json.encode(each)) for each in found) / 1e6 / seconds


class DecodingRace:
    """The three over the same images, round by round, each in a process of its own, as the handlers are.

    Args:
        stream: the file that has the images.

    Raises:
        RuntimeError: they do not give the same.
    """

    def __init__(self, stream: Path) -> None:
        self._stream = stream
        self._rates: dict[str, list[float]] = {name: [] for name in DECODERS}
        for each in images(stream):
            check_alike([decode(each) for decode in DECODERS.values()])

    def measure(self) -> None:
        """Run all once more."""
        for name, rates in self._rates.items():
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                rates.append(process.submit(rate, name, self._stream).result())

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
