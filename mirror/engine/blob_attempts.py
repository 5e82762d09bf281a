"""What was tried for one blob, and whether it may be begun again."""

from mirror.errors import (
    IntegrityError,
    MirrorError,
    NetworkError,
    StaleLogin,
    UploadCorrupted,
    WrongWay,
)
from mirror.place import Side
from mirror.registry.backoff import Backoff

# Times one blob is begun again with a new login, and steps towards chunks that are
# small enough.
_LOGINS = 2
_OTHER_WAYS_LIMIT = 6


class BlobAttempts:
    """What was tried for one blob so far, and whether it may be begun again."""

    def __init__(self, backoff: Backoff) -> None:
        self.number = 1
        """How often it was tried so far."""
        self.uncertain = False
        """Whether the last upload may have been committed although its answer was lost."""
        self.broken = False
        """Whether an upload broke off."""
        self.corrupted = False
        """Whether an upload arrived as something else."""
        self._backoff = backoff
        self._failures = 0
        self._logins = 0
        self._turns = 0
        self._mismatches = 0

    def more(self) -> int:
        """Count one more attempt, and return how many that makes."""
        self.number += 1
        return self.number

    def wait_after(self, error: MirrorError) -> float | None:
        """Return the seconds to wait before another attempt; None to give up."""
        seconds = self._wait_after(error)
        if seconds is not None:
            self.more()
        return seconds

    def _wait_after(self, error: MirrorError) -> float | None:
        self.uncertain = False
        if isinstance(error, StaleLogin):
            self._logins += 1  # a new one is at hand: a new session uses it
            return 0.0 if self._logins <= _LOGINS else None
        if isinstance(error, WrongWay):
            self._turns += 1
            return 0.0 if self._turns <= _OTHER_WAYS_LIMIT else None
        if isinstance(error, IntegrityError):
            self.corrupted = self.corrupted or isinstance(error, UploadCorrupted)
            self._mismatches += 1
            return 0.0 if self._mismatches <= min(1, self._backoff.retries) else None
        if not error.retryable or self._failures >= self._backoff.retries:
            return None
        at_destination = error.place is not None and error.place.side is Side.DESTINATION
        lost = isinstance(error, NetworkError) and at_destination
        self.uncertain = lost
        self.broken = self.broken or lost
        self._failures += 1
        return self._backoff.wait_after(self._failures - 1)
