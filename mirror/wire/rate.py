"""A rate that is not passed, however many bodies share it."""

# Seconds of the rate that may go out at once, after a pause.
_BURST = 0.1


class Bucket:
    """A token bucket that lets through so many bytes in a second; times are given."""

    def __init__(self, rate: float) -> None:
        """``rate`` is bytes per second."""
        self._rate = rate
        self._free_at = 0.0

    def take(self, count: int, now: float) -> float:
        """Take room for so many bytes; return the seconds to wait before they go on."""
        self._free_at = max(self._free_at, now - _BURST) + count / self._rate
        return max(0.0, self._free_at - now)
