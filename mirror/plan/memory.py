"""What is remembered of earlier runs, as a planner asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mirror.image.digest import Digest
from mirror.image.reference import Reference


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a destination was seen to hold."""

    named: str
    """Its source, in full."""
    source: Digest
    """What its source named then."""
    digest: Digest
    """What the destination named, which is another where platforms are chosen."""
    fresh: bool
    """Whether the destination need not be asked again yet."""
    sampled: bool
    """Whether it is looked at now even if its tag never moves."""


Recall = Callable[[Reference, str], Remembered | None]
"""Gives what is remembered of a destination, for what of an image is wanted."""

Memory = Mapping[tuple[str, str], Remembered]
"""The same as a table: by destination, and by what of an image is wanted."""


def nothing(_destination: Reference, _wanted: str) -> None:
    """Remember nothing: the recall of a run without a ledger."""
