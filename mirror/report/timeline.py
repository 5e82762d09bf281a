"""When what happened at which registry: counts in bins of equal length, folded from events.

However long a run is, there are at most `BINS` of them: when they are full, two become one.
"""

import math
from collections import defaultdict

from msgspec import Struct, field

from mirror.events import BlobLanded, BlobStarted, BlobStopped, Event, Landing, RequestSent
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.report import document

# As many as a chart has room for on a laptop's screen.
BINS = 240
_FIRST_WIDTH = 0.25


class Lane(Struct):
    """What happened at one registry, bin by bin."""

    requests: list[float] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)
    """Of blobs that were copied there, spread over the time that each took."""


class Timeline(Struct):
    """Feed every event to `take` with the seconds since the run began."""

    width: float = _FIRST_WIDTH
    """Seconds of a bin."""
    lanes: defaultdict[str, Lane] = field(default_factory=lambda: defaultdict(Lane))
    _started: dict[tuple[Repository, Digest], float] = field(default_factory=dict)

    def take(self, event: Event, at: float) -> None:
        """Take the next event."""
        match event:
            case RequestSent():
                self._add(self.lanes[event.host].requests, at, at, event.count)
            case BlobStarted():
                self._started[event.destination, event.digest] = at
            case BlobStopped():
                self._started.pop((event.destination, event.digest), None)
            case BlobLanded():
                since = self._started.pop((event.destination, event.digest), at)
                if event.landing is Landing.COPIED:
                    lane = self.lanes[event.destination.registry.host]
                    self._add(lane.bytes, since, at, event.size)

    def join(self, other: document.ReportedTimeline, later: float) -> None:
        """Take what another run did, which began so many seconds later."""
        for host, lane in other.registries.items():
            mine = self.lanes[host]
            for bins, more in ((mine.requests, lane.requests), (mine.bytes, lane.bytes)):
                for number, amount in enumerate(more):
                    since = later + number * other.bin_seconds
                    # It was before the next bin began, which has its own.
                    self._add(bins, since, math.nextafter(since + other.bin_seconds, 0), amount)

    def document(self) -> document.ReportedTimeline:
        """Return it for the run report."""
        lanes = {
            host: document.ReportedLane(_whole(lane.requests), _whole(lane.bytes))
            for host, lane in sorted(self.lanes.items())
        }
        return document.ReportedTimeline(self.width, lanes)

    def _add(self, bins: list[float], since: float, until: float, amount: float) -> None:
        """Spread an amount evenly over a time."""
        while until >= self.width * BINS:
            self._widen()
        first, last = int(since / self.width), int(until / self.width)
        bins.extend([0.0] * (last + 1 - len(bins)))
        if first == last:
            bins[first] += amount
            return
        for number in range(first, last + 1):
            begin, end = max(since, number * self.width), min(until, (number + 1) * self.width)
            bins[number] += amount * (end - begin) / (until - since)

    def _widen(self) -> None:
        self.width *= 2
        for lane in self.lanes.values():
            for bins in (lane.requests, lane.bytes):
                bins[:] = [sum(bins[at : at + 2]) for at in range(0, len(bins), 2)]


def _whole(bins: list[float]) -> list[int]:
    """Round, so that the sum stays what it is."""
    rounded, left = [], 0.0
    for amount in bins:
        left += amount
        rounded.append(round(left))
        left -= rounded[-1]
    return rounded
