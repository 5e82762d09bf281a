"""A rate that is not passed, however many share it: bytes of bodies, or requests."""

# Seconds of the rate that may go out at once, after a pause.
_BURST = 0.1


class TokenBucket:
    """A token bucket that lets through so much in a second; times are given."""

    def __init__(self, rate: float) -> None:
        """``rate`` is bytes, or requests, per second."""
        self._rate = rate
        self._free_at = 0.0

    def take(self, count: int, now: float) -> float:
        """Take room for so many bytes; return the seconds to wait before they go on."""
        self._free_at = max(self._free_at, now - _BURST) + count / self._rate
        return max(0.0, self._free_at - now)

    def turn(self, now: float) -> float:
        """Take room for one request; return the seconds to wait before it goes out."""
        start = max(self._free_at, now - _BURST)
        self._free_at = start + 1 / self._rate
        return max(0.0, start - now)
