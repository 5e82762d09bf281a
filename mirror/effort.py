"""How hard a piece of work was, and for whom it is done.

The effort of what runs now is known to everything that it calls, in whichever task, so that
no function has to hand it on: attempts are noted where requests are sent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Effort:
    """One piece of work, which several others may wait for."""

    __slots__ = ("_waiting", "attempts", "begun", "bytes_copied")

    def __init__(self) -> None:
        self.attempts = 1
        """The most attempts that any part of it took."""
        self.begun = False
        """Whether anything was moved for it."""
        self.bytes_copied = 0
        """Bytes of blobs that were moved on its behalf."""
        self._waiting: list[Effort] = []

    def join(self, waiting: "Effort") -> None:
        """Have another piece of work wait for this one; the first that does is charged for it."""
        self._waiting.append(waiting)
        if self.begun:
            waiting.begin()

    def leave(self, waiting: "Effort") -> None:
        """Note that another piece of work does not wait any more, and how hard this was so far."""
        waiting.note(self.attempts)
        if len(self._waiting) > 1:
            self._waiting.remove(waiting)

    def note(self, attempts: int) -> None:
        """Note how often some part of it was tried."""
        self.attempts = max(self.attempts, attempts)

    def begin(self) -> None:
        """Note that something is moved for it, and so for everything that waits for it."""
        if not self.begun:
            self.begun = True
            for waiting in self._waiting:
                waiting.begin()

    def charge(self, count: int) -> None:
        """Count bytes that were moved on its behalf."""
        if self._waiting:
            self._waiting[0].charge(count)
        else:
            self.bytes_copied += count


_current: ContextVar[Effort | None] = ContextVar("effort", default=None)


def current_effort() -> Effort:
    """Return the effort of what runs now; one of its own for what belongs to nothing."""
    return _current.get() or Effort()


def note_attempts(attempts: int) -> None:
    """Note how often a part of what runs now was tried."""
    if attempts > 1 and (effort := _current.get()) is not None:
        effort.note(attempts)


@contextmanager
def effort_of(effort: Effort) -> Iterator[None]:
    """Run the block, and the tasks that it starts, as this piece of work."""
    before = _current.set(effort)
    try:
        yield
    finally:
        _current.reset(before)
