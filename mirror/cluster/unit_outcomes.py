"""What units came to, each image told once, however often a unit is run.

A unit whose worker is lost is run again by another one.  What the first said of images that
are at their destination holds; bad news is kept until the unit is over, since the next run of it
may bring better.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mirror.events import (
    AdmissionClosed,
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Event,
    ImageSettled,
    ImagesFound,
    Status,
)
from mirror.image.digest import Digest
from mirror.image.reference import Repository

_BAD = (Status.FAILED, Status.DEFERRED)
_Pair = tuple[str, str]


@dataclass(slots=True)
class _Unit:
    """A unit under way."""

    attempt: str
    """By whom it is run now."""
    lost: set[str] = field(default_factory=set)
    """Who ran it before."""
    found: int = 0
    """Images that this attempt has found."""
    told: int = 0
    """Images that were told to be found."""
    settled: set[_Pair] = field(default_factory=set)
    held: dict[_Pair, ImageSettled] = field(default_factory=dict)
    moving: dict[tuple[Repository, Digest], None] = field(default_factory=dict)


class UnitOutcomes:
    """Feed the events of every unit to `take`; what comes out is to be told."""

    def __init__(self) -> None:
        self._units: dict[int, _Unit] = {}

    def begin(self, unit: int, attempt: str) -> Iterator[Event]:
        """Note which attempt of a unit runs now; emit that the blobs of the one before stopped."""
        known = self._units.setdefault(unit, _Unit(attempt))
        if attempt == known.attempt or attempt in known.lost:
            return
        known.lost.add(known.attempt)
        known.attempt, known.found = attempt, 0
        known.held.clear()
        for repository, digest in known.moving:
            yield BlobStopped(repository, digest)
        known.moving.clear()

    def take(self, unit: int, attempt: str, event: Event) -> Iterator[Event]:
        """Take an event from an attempt of a unit."""
        known = self._units[unit]
        if attempt != known.attempt:
            return  # another attempt runs it by now
        match event:
            case ImagesFound():
                known.found += event.count
                if (more := known.found - known.told) > 0:
                    known.told += more
                    yield ImagesFound(more)
            case ImageSettled():
                yield from self._settle(known, event)
            case AdmissionClosed():
                pass  # that is a unit's own affair
            case BlobStarted():
                known.moving[event.destination, event.digest] = None
                yield event
            case BlobLanded() | BlobStopped():
                known.moving.pop((event.destination, event.digest), None)
                yield event
            case _:
                yield event

    def close(self, unit: int) -> Iterator[Event]:
        """Note that a unit is over, and emit what was kept back."""
        if (known := self._units.pop(unit, None)) is not None:
            yield from known.held.values()

    def give_up(self, unit: int, rest: list[ImageSettled]) -> Iterator[Event]:
        """Note that no worker runs a unit any more; emit the outcomes that were not emitted yet."""
        known = self._units.pop(unit, None) or _Unit("")
        yield from (BlobStopped(repository, digest) for repository, digest in known.moving)
        left = {(one.source, one.destination): one for one in rest} | known.held
        fresh = [one for pair, one in left.items() if pair not in known.settled]
        if (more := len(fresh) + len(known.settled) - known.told) > 0:
            yield ImagesFound(more)
        yield from fresh

    def _settle(self, known: _Unit, image: ImageSettled) -> Iterator[Event]:
        pair = image.source, image.destination
        if pair in known.settled:
            return
        if image.status in _BAD:
            known.held[pair] = image
            return
        known.settled.add(pair)
        yield image
