"""Progress: what to show while a run goes on, folded from its events.

Pure: the clock's readings are given.  How it is drawn is for
`mirror.cli.progress_display`.
"""

from collections import Counter, deque
from collections.abc import Mapping

from msgspec import Struct, field

from mirror.events import (
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Event,
    ImageSettled,
    ImagesFound,
    Landing,
    Status,
)
from mirror.image.digest import Digest
from mirror.image.reference import Repository

# Seconds over which the rate is taken: long enough not to flicker.
_RATE_WINDOW = 5.0

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Moving(Struct, frozen=True):
    """A blob on its way."""

    destination: Repository
    digest: Digest
    size: int


class Progress(Struct):
    """How far a run is: feed every event to `take` and the bytes moved to `tick`."""

    images_found: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)
    moving: dict[tuple[Repository, Digest], Moving] = field(default_factory=dict)
    moved: int = 0
    started: int = 0
    """Bytes of the blobs that are on their way or were copied."""
    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    def take(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case ImagesFound():
                self.images_found += event.count
            case ImageSettled():
                self.statuses[event.status] += 1
            case BlobStarted():
                key = (event.destination, event.digest)
                self.moving[key] = Moving(event.destination, event.digest, event.size)
                self.started += event.size
            case BlobLanded() | BlobStopped():
                blob = self.moving.pop((event.destination, event.digest), None)
                if blob is not None and not _copied(event):
                    self.started -= blob.size

    def tick(self, now: float, moved: int) -> None:
        """Take the bytes moved by the time ``now``, in seconds."""
        self.moved = moved
        self._samples.append((now, moved, self.images_done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _RATE_WINDOW:
            self._samples.popleft()

    @property
    def images_done(self) -> int:
        """How many images are settled, one way or another."""
        return self.statuses.total()

    @property
    def rate(self) -> float:
        """Bytes per second lately."""
        return self._lately(1)

    @property
    def seconds_left(self) -> float | None:
        """How long the images known now will take at the present pace, if there is one.

        At least as long as the bytes in flight, which say it alone while no image ends.
        """
        pace, rate = self._lately(2), self.rate
        images = (self.images_found - self.images_done) / pace if pace else None
        flying = max(0, self.started - self.moved) / rate if rate and self.moving else None
        return max((seconds for seconds in (images, flying) if seconds), default=None)

    def line(self) -> str:
        """Say it all in one line."""
        parts = [f"{self.images_done}/{self.images_found} images"]
        if failed := self.statuses[Status.FAILED]:
            parts.append(f"{failed} failed")
        parts.append(f"{size(self.moved)}, {size(int(self.rate))}/s")
        parts.append(f"{len(self.moving)} blobs in flight")
        if self.seconds_left is not None and self.images_done < self.images_found:
            parts.append(f"about {clock(self.seconds_left)} left")
        return ", ".join(parts)

    def _lately(self, column: int) -> float:
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        elapsed = last[0] - first[0]
        return (last[column] - first[column]) / elapsed if elapsed > 0 else 0.0


def _copied(event: BlobLanded | BlobStopped) -> bool:
    return isinstance(event, BlobLanded) and event.landing is Landing.COPIED


def size(count: int) -> str:
    """Write a number of bytes for a person: ``12.5 MiB``."""
    amount = float(count)
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def clock(seconds: float) -> str:
    """Write a duration for a person: ``1:05`` or ``2:01:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def summary(counts: Mapping[str, int], moved: int, requests: int, seconds: float) -> str:
    """Say in one line what a run came to; zeros are left out."""
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    work = f"{size(moved)} moved with {requests} requests in {seconds:.1f} s"
    return f"{said or 'nothing to do'}; {work}"
