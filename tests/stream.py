"""A table's stream: writes made to items, and the records that Lambda gets of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from boto3.dynamodb.types import TypeSerializer

Item = dict[str, Any]

_serialize = TypeSerializer().serialize


def image(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item in DynamoDB's own notation."""
    return {name: _serialize(value) for name, value in item.items()}


class Stream:
    """A table that keeps the records of every write made to it, oldest first."""

    def __init__(self, *key_attributes: str) -> None:
        self.key_attributes = key_attributes or ("pk", "sk")
        self.items: dict[tuple[Any, ...], Item] = {}
        self.records: list[dict[str, Any]] = []

    def put(self, item: Mapping[str, Any]) -> None:
        key = tuple(item[name] for name in self.key_attributes)
        before = self.items.get(key)
        self.items[key] = dict(item)
        self._record("INSERT" if before is None else "MODIFY", before, self.items[key])

    def delete(self, *key: Any) -> None:
        self._record("REMOVE", self.items.pop(key), None)

    def event(self, first: int = 0, last: int | None = None) -> dict[str, Any]:
        """The records from `first` until before `last`, as one batch."""
        return batch(self.records[first:last])

    def _record(self, name: str, before: Item | None, after: Item | None) -> None:
        item = after or before
        assert item is not None
        number = 100 + len(self.records)
        images = {"OldImage": before, "NewImage": after}
        self.records.append(
            {
                "eventID": f"{number:032x}",
                "eventName": name,
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1_700_000_000.0 + number,
                    "Keys": image({key: item[key] for key in self.key_attributes}),
                    # Real ones have leading zeros on some stacks, and more digits than 64 bits hold.
                    "SequenceNumber": f"0{49_590_338_271_490_256_608_559_692_538_361 + number}",
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                    **{kind: image(state) for kind, state in images.items() if state is not None},
                },
            }
        )


def batch(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Records as Lambda passes them."""
    return {"Records": list(records)}


def sequence_number(record: Mapping[str, Any]) -> str:
    """What a partial batch response names the record by."""
    return str(record["dynamodb"]["SequenceNumber"])
