"""How failures are waited out: how often to try again, and whose clock it is."""

import time
from collections.abc import Awaitable, Callable
from random import Random

import anyio
from msgspec import Struct, field

from mirror.wire import retry_policy
from mirror.wire.message import Reply
from mirror.wire.retry_policy import ResumeBudget


class Backoff(Struct, frozen=True):
    """Clock, chance and number of retries; the rules are in `mirror.wire.retry_policy`."""

    retries: int = 0
    """Attempts beyond the first."""
    chance: Random = field(default_factory=Random)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    def wait_after(self, attempt: int, reply: Reply | None = None) -> float:
        """Return the seconds to wait after an attempt, the first being 0, that got this reply."""
        return retry_policy.wait(attempt, self.chance, reply)

    def resume_budget(self) -> ResumeBudget:
        """Return the patience with something long that may break off and go on."""
        return ResumeBudget(self.retries, self.chance)
