"""The libraries that the package brings, and others in their place: a layer, or PYTHONPATH, may put them first."""

from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parent.parent

SHARED = ("google.protobuf", "grpc")
"""Those that many layers bring, too: agents that send traces or metrics."""


def check() -> None:
    """Check that none of the package's libraries has another in its place.

    Raises:
        ImportError: one has; the message says where the other is and what to do.
    """
    for name in SHARED:
        own = PACKAGE.joinpath(*name.split("."))
        found = find_spec(name) if own.is_dir() else None
        if found is not None and found.origin is not None and own not in Path(found.origin).parents:
            raise ImportError(
                f"Momento's SDK cannot be loaded with {name} of {Path(found.origin).parent}, which comes before the "
                "package's own: remove the layer that brings it, take a newer version of the layer, or take its folder "
                "out of PYTHONPATH"
            )
