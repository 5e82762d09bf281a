"""How many requests may be in flight to one host: as many as make it answer faster in sum.

Small requests go by latency, in the manner of TCP Vegas: more while answers take about as
long as the best that was seen, fewer when they begin to queue.  Bodies go by throughput:
more while that brings more bytes per second.  Both are halved by a host that pushes back, and
stay below where it did for a while (additive increase, multiplicative decrease).

Pure: times are given.  See docs/decisions/0022-concurrency.md.
"""

import math
from collections.abc import Hashable
from enum import StrEnum
from typing import Self

from mirror.image.reference import Registry
from mirror.options import Options
from mirror.wire.known_limits import limit_at

# In flight at first, and what latency alone never takes a host below: fewer bring nothing
# near by, where the processor is what is waited for.
_START, _STEADY = 8, 32
# Of the answers of a round, this share is faster than the one that speaks for the round:
# the slower ones were larger, or met a worker that was busy.
_FASTER = 0.25
# Doubling ends when answers take so many times the best; in the long run they may take this many.
_QUICK, _TOLERANCE = 2.0, 4.0
# Answers that take so many seconds, and so many times the best, are too slow even for _STEADY.
_SLOW, _SLOWER = 1.0, 10.0
# In flight even then.
_BUSY = 4
# Seconds for which a best time is believed; then this share is in flight for one round, to see it
# anew: less than 1 / _TOLERANCE, or our own queue would be in it, and the limit creep up.
_BELIEVED, _PROBE = 10.0, 1 / 8
# Seconds in which several refusals count as one: these requests were in flight together.
_TOGETHER = 1.0
# Seconds for which a host is believed to take no more than it took; doubled with every refusal.
_REMEMBERED, _LONGEST = 60.0, 960.0
# Of those that a host took when it pushed back, this share is in flight from then on.
_BELOW = 0.95
# Bodies in flight at first: a number that two, three and four destinations divide evenly, so that
# a blob starts to all of them at once and is read once (docs/decisions/0008-one-reading.md).
_BODIES = 12
# Small requests to folders at once: as many as may have a file open.
_LOCAL = 64
# Slots that bodies leave to small requests.
_RESERVED = 8
# Of the growth that one more body could bring, so much must be seen for it to stay.
_WORTH = 0.5
# Seconds until one more body is tried again after it brought nothing.
_TRIED_AGAIN = 30.0


class Reason(StrEnum):
    """Why a limit is where it is."""

    DEMAND = "nothing waited"
    LIMIT = "the limit"
    LATENCY = "more made answers slower"
    THROUGHPUT = "more moved no more bytes"
    REFUSED = "the registry pushed back"


class _Ceiling:
    """What a host has shown to be too many, remembered for a while."""

    __slots__ = ("_in_flight", "_lasts", "_refused", "_refused_at", "_seconds", "value")

    def __init__(self) -> None:
        self.value = math.inf
        self._in_flight = 0.0
        self._refused = 0
        self._refused_at = -math.inf
        self._lasts = -math.inf
        self._seconds = _REMEMBERED

    def refuse(self, in_flight: float, now: float, *, together: bool = False) -> bool:
        """Note a refusal; return whether it is the first of those that belong together.

        Those within a second do, and those of which it is known.
        Of those that were in flight together, the refused ones were too many.
        """
        together = together or now - self._refused_at < _TOGETHER
        if together:
            self._refused += 1
        else:
            again = now < self._lasts
            self._seconds = min(_LONGEST, self._seconds * 2) if again else _REMEMBERED
            self._in_flight, self._refused = in_flight, 1
            self._refused_at, self._lasts = now, now + self._seconds
        taken = max(self._in_flight / 2, self._in_flight - self._refused)
        self.value = max(1.0, taken * _BELOW)
        return not together

    def holds(self, now: float) -> bool:
        """Whether the host has pushed back lately."""
        return now < self._lasts

    def bound(self, size: float, now: float) -> float:
        """Return a size that is not above the ceiling, if that still holds."""
        if not self.holds(now):
            self.value = math.inf
        return min(size, self.value)


class RequestLimit:
    """The small requests in flight to a host, by latency; at most ``most`` and at least one."""

    __slots__ = (
        "_before_probe", "_best", "_best_before", "_ceiling", "_doubling", "_in_flight_before",
        "_most", "_next_probe", "_ratios", "_size", "_waited", "reason",
    )  # fmt: skip

    def __init__(self, most: int, start: int = _START) -> None:
        self.reason = Reason.DEMAND
        self._most = most
        self._size = float(min(start, most))
        self._doubling = True
        self._ceiling = _Ceiling()
        self._best: dict[Hashable, float] = {}
        self._best_before: dict[Hashable, float] = {}
        self._next_probe = math.inf
        self._before_probe: float | None = None
        self._in_flight_before = 0
        """Answers that are still to come to what was sent before the limit was lowered."""
        self._ratios: list[float] = []
        self._waited = False

    @property
    def size(self) -> int:
        """How many may be in flight now."""
        return max(1, int(self._size))

    def refuse(self, now: float) -> None:
        """Halve the limit after the host pushed back, once for all requests that were in flight."""
        before, still = self._before_probe or self._size, self._in_flight_before > 0
        self._in_flight_before = max(0, self._in_flight_before - 1)
        if self._ceiling.refuse(before, now, together=still):
            self._in_flight_before = int(before) - 1
            self._size, self._before_probe = max(1.0, self._size / 2), None
            self._doubling, self.reason = False, Reason.REFUSED
            self._begin_round()

    def answer(self, kind: Hashable, seconds: float, now: float, *, waited: bool) -> None:
        """Note an answer to a ``kind`` of request, and whether another request waited for a slot.

        Kinds are compared with themselves only: what a registry writes takes longer than
        what it reads.
        """
        if self._in_flight_before:
            self._in_flight_before -= 1
            return  # it was sent while more were in flight, and has queued behind them
        if self._next_probe == math.inf:
            self._next_probe = now + _BELIEVED
        best = self._best[kind] = min(seconds, self._best.get(kind, math.inf))
        best = min(best, self._best_before.get(kind, math.inf))
        self._ratios.append(seconds / best if best > 0 else 1.0)
        self._waited = self._waited or waited
        if len(self._ratios) >= self.size:
            self._end_round(seconds, now)

    def _end_round(self, seconds: float, now: float) -> None:
        ratio = sorted(self._ratios)[int(len(self._ratios) * _FASTER)]
        waited = self._waited
        self._begin_round()
        if self._before_probe is not None:
            self._size, self._before_probe = self._before_probe, None
        elif now >= self._next_probe:
            self._next_probe = now + _BELIEVED
            self._best_before, self._best = self._best, {}
            self._in_flight_before = self.size
            self._before_probe, self._size = self._size, max(1.0, self._size * _PROBE)
        else:
            self._adjust(ratio, seconds, now, waited=waited)

    def _begin_round(self) -> None:
        self._ratios, self._waited = [], False

    def _adjust(self, ratio: float, seconds: float, now: float, *, waited: bool) -> None:
        size = self._size
        self._doubling = self._doubling and ratio < _QUICK
        if self._doubling:
            wanted = size * 2
        else:
            # A queue of the square root is what keeps a host busy while answers travel.
            wanted = size * max(0.5, min(1.0, _TOLERANCE / ratio)) + math.sqrt(size)
            least = _BUSY if ratio > _SLOWER and seconds > _SLOW else min(size + 1, _STEADY)
            wanted = max(wanted, least)
        if wanted > size and not waited:
            self.reason = Reason.REFUSED if self._ceiling.holds(now) else Reason.DEMAND
            return
        bounded = self._ceiling.bound(wanted, now)
        if wanted < size + 1 or ratio > _TOLERANCE:
            self.reason = Reason.LATENCY
        if bounded < wanted:
            self.reason = Reason.REFUSED
        if bounded >= self._most:
            bounded, self.reason = float(self._most), Reason.LIMIT
        self._size = max(1.0, bounded)


class BodyLimit:
    """The bodies in flight to or from a host, by throughput; at most ``most`` and at least one."""

    __slots__ = (
        "_bytes", "_ceiling", "_count", "_most", "_rate", "_seconds", "_size", "_step",
        "_try_at", "_waited", "reason",
    )  # fmt: skip

    def __init__(self, most: int, start: int = _START) -> None:
        self.reason = Reason.DEMAND
        self._most = most
        self._size = min(start, most)
        self._ceiling = _Ceiling()
        self._rate = 0.0
        """Bytes per second before the last step."""
        self._step = 0
        self._try_at = -math.inf
        self._waited = False
        self._begin_round()

    @property
    def size(self) -> int:
        """How many may be in flight now."""
        return self._size

    def refuse(self, now: float) -> None:
        """Halve the limit after the host pushed back, once for all bodies that were in flight."""
        if self._ceiling.refuse(self._size, now):
            self._size, self._step = max(1, self._size // 2), 0
            self._try_at, self.reason = now + _TOGETHER, Reason.REFUSED
            self._begin_round()

    def move(self, count: int, seconds: float, now: float, *, waited: bool) -> None:
        """Note so many bytes that one body moved, and whether another waited for a slot."""
        self._bytes += count
        self._seconds += seconds
        self._count += 1
        self._waited = self._waited or waited
        if self._count >= self._size and self._seconds > 0:
            # What each moves, times all that move: idle slots are not held against the host.
            rate, waited = self._bytes / self._seconds * self._size, self._waited
            self._begin_round()
            self._adjust(rate, now, waited=waited)

    def _begin_round(self) -> None:
        self._bytes, self._count, self._seconds, self._waited = 0, 0, 0.0, False

    def _adjust(self, rate: float, now: float, *, waited: bool) -> None:
        step, self._step = self._step, 0
        if step:
            before = self._size - step
            if rate < self._rate * (1 + _WORTH * step / before):
                self._size, self._try_at = before, now + _TRIED_AGAIN
                self.reason = Reason.THROUGHPUT
                return
        if not waited:
            self.reason = Reason.REFUSED if self._ceiling.holds(now) else Reason.DEMAND
        elif self._size >= self._most:
            self.reason = Reason.LIMIT
        elif now >= self._try_at:
            wanted = min(self._most, self._size + max(1, self._size // 4))
            bounded = int(self._ceiling.bound(wanted, now))
            if bounded <= self._size:
                self.reason = Reason.REFUSED
                return
            self._rate, self._step = rate, bounded - self._size
            self._size = bounded


class HostLimit:
    """What may be in flight to one host, small requests and bodies together at most ``most``."""

    __slots__ = ("bodies", "most", "requests")

    def __init__(self, most: int, start: int = _START, *, bodies: int | None = None) -> None:
        """``start`` is how many of each kind are in flight at first, but for ``bodies``."""
        self.most = most
        self.requests = RequestLimit(most, start)
        # Bodies leave a quarter of all slots to small requests, which would starve behind them.
        reserved = min(_RESERVED, max(1, most // 4))
        self.bodies = BodyLimit(max(1, most - reserved), start if bodies is None else bodies)

    @classmethod
    def of(cls, registry: Registry, options: Options) -> Self:
        """Return that of a registry, as it is before anything was sent there."""
        found = limit_at(registry.host, options)
        bodies = min(found.most, _BODIES) if found.start >= _START else found.start
        if registry.is_local:  # folders send no answers that could be timed
            return cls(found.most, min(found.most, _LOCAL), bodies=bodies)
        return cls(found.most, found.start, bodies=bodies)

    @property
    def size(self) -> int:
        """How much may be in flight now, of both kinds together."""
        return min(self.most, self.requests.size + self.bodies.size)

    def refuse(self, now: float) -> None:
        """Allow half as much for a while: the host pushed back."""
        self.requests.refuse(now)
        self.bodies.refuse(now)
