"""How many requests may be in flight to one host: fewer when it pushes back, more when it is well.

Additive increase, multiplicative decrease, as in TCP; pure, times are given.
"""

# Seconds in which several who were pushed back count as one: they were in flight together.
_TOGETHER = 1.0
# What one answer adds to the window, and takes from it while answers are slow.
_STEP = 1 / 50
# Answers are slow when they take so many times the best that was seen, and so many seconds.
_SLOWER, _SLOW = 10.0, 1.0
# Slots that small requests need to be answered soon: they are short.
_SMALL = 8
# The weight of one answer in what is usual.
_WEIGHT = 0.1


class AdaptiveLimit:
    """The requests in flight to one host, at most ``limit`` and at least one."""

    __slots__ = ("_best", "_limit", "_pushed_at", "_size", "_usual")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = float(limit)
        self._pushed_at = float("-inf")
        self._best = float("inf")
        self._usual = 0.0

    @property
    def size(self) -> int:
        """How many may be in flight now."""
        return max(1, int(self._size))

    @property
    def bulk(self) -> int:
        """How many of them may move bodies: a quarter, or eight, are left to small requests."""
        return max(1, self.size - min(_SMALL, max(1, self.size // 4)))

    def push_back(self, now: float) -> None:
        """Halve the limit after the host pushed back, once for all requests that were in flight."""
        if now - self._pushed_at >= _TOGETHER:
            self._pushed_at = now
            self._size = max(1.0, self._size / 2)

    def answered(self, seconds: float | None) -> None:
        """Note a success, and how long it took if it was a small request."""
        if seconds is not None:
            self._best = min(self._best, seconds)
            self._usual += _WEIGHT * (seconds - self._usual)
        if self._usual > max(_SLOW, _SLOWER * self._best):
            # It queues what we send; a quarter of what was allowed keeps it busy.
            self._size = max(self._limit / 4, self._size - _STEP)
        else:
            self._size = min(float(self._limit), self._size + _STEP)
