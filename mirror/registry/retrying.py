"""A Send around a Send: wait as told, try again, give up as told.

One for each registry host.  A host that pushes back is left alone by everybody
until its time is over, not only by the request that was told.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

import anyio

from mirror.errors import NetworkError, Untrusted
from mirror.wire.message import Reply, Request, Send
from mirror.wire.patience import concerns_host, passes, wait


class Retrying:
    """Tries requests that can be repeated up to ``retries`` times more."""

    def __init__(
        self,
        send: Send,
        retries: int,
        *,
        chance: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._send = send
        self._retries = retries
        self._chance = chance or Random()  # noqa: S311 - spreads requests, hides nothing
        self._clock = clock
        self._sleep = sleep
        self._paused_until = 0.0

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        """Send a request until it is answered for good; see `mirror.wire.message.Send`.

        The last reply or error is the one that counts.  What is not repeatable is
        sent once: its upload starts again higher up.
        """
        attempts = self._retries if request.repeatable else 0
        for attempt in range(attempts):
            await self._pause()
            begun = False
            try:
                async with self._send(request) as reply:
                    begun = not passes(reply.status)
                    if begun:
                        yield reply
                        return
                    seconds = self._note(attempt, reply)
            except NetworkError as error:
                # What broke while the reply was read is the reader's; a certificate stays wrong.
                if begun or isinstance(error, Untrusted):
                    raise
                seconds = wait(attempt, self._chance)
            await self._sleep(seconds)
        await self._pause()
        async with self._send(request) as reply:
            if attempts and concerns_host(reply.status):
                self._note(attempts, reply)
            yield reply

    def _note(self, attempt: int, reply: Reply) -> float:
        """Return how long to wait after a reply, and let others wait too if it is about all."""
        seconds = wait(attempt, self._chance, reply)
        if concerns_host(reply.status):
            self._paused_until = max(self._paused_until, self._clock() + seconds)
        return seconds

    async def _pause(self) -> None:
        while (seconds := self._paused_until - self._clock()) > 0:
            await self._sleep(seconds)
