"""How long an answer may take in all, unless it carries a blob.

A limit on silence alone would wait for ever on a server that sends a byte now and then.  One
timer looks over all answers that are waited for, since one for each costs more than all
else that is done about a small request.
"""

import asyncio
from typing import Protocol

from mirror.errors import DeadlinePassed, NetworkError, TooSlow
from mirror.options import Timeouts

# Looks within the shortest limit, and the seconds between two of them.
_LOOKS = 8
_MOST_OFTEN, _LEAST_OFTEN = 0.02, 1.0


class PendingAnswer(Protocol):
    """An answer that is waited for."""

    def give_up(self) -> None:
        """Close its connection, so that its reader gets an error."""
        ...


class AnswerTime:
    """The answers of one transport that are waited for, and until when."""

    def __init__(self, limits: Timeouts) -> None:
        self._limits = limits
        # A limit that allows longer silences allows longer answers too.
        self._seconds = max(limits.answer, limits.stall)
        self._until: dict[PendingAnswer, float] = {}
        self._late: set[PendingAnswer] = set()
        self._shortened = False
        self._timer: asyncio.TimerHandle | None = None
        often = min(self._seconds, limits.stall, limits.commit) / _LOOKS
        self._often = min(max(often, _MOST_OFTEN), _LEAST_OFTEN)

    def begin(self, waiting: PendingAnswer, *, begins_late: bool) -> None:
        """Start the deadline of an answer; one that ``begins_late`` has the commit timeout."""
        loop = asyncio.get_running_loop()
        seconds = self._limits.commit if begins_late else self._seconds
        self._until[waiting] = loop.time() + (self._limits.stall if self._shortened else seconds)
        if self._timer is None:
            self._timer = loop.call_later(self._often, self._look)

    def answered(self, waiting: PendingAnswer) -> None:
        """Bound what is left of an answer that was allowed to begin late."""
        if not self._shortened:
            self._until[waiting] = asyncio.get_running_loop().time() + self._seconds

    def end(self, waiting: PendingAnswer) -> None:
        """Wait no longer: the answer was read, or there is none."""
        self._until.pop(waiting, None)

    def judged(
        self, waiting: PendingAnswer, error: NetworkError, place: str, *, silent: bool
    ) -> NetworkError:
        """Return what the failure of an answer amounts to: one that took too long, perhaps.

        ``silent`` says that it failed since nothing came.
        """
        late = waiting in self._late
        self._late.discard(waiting)
        if self._shortened and (late or silent):
            # Another attempt would only be silent as long.
            return DeadlinePassed(f"{place} had not answered in full when the deadline came")
        if late:
            return TooSlow(f"{place} did not answer in full within {self._seconds:g} s")
        return error

    def shorten_deadlines(self) -> None:
        """Wait for no answer longer than for a silence, from now on."""
        self._shortened = True
        if not self._until:
            return
        soon = asyncio.get_running_loop().time() + self._limits.stall
        for waiting, until in self._until.items():
            self._until[waiting] = min(until, soon)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for waiting in [one for one, until in self._until.items() if until <= now]:
            del self._until[waiting]
            self._late.add(waiting)
            waiting.give_up()
        self._timer = loop.call_later(self._often, self._look) if self._until else None
