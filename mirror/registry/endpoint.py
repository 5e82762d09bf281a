"""Where a registry's API is: found once, by a ping, and shared by all who ask.

Plain http is tried only after https was refused, and only for loopback or where
it was asked for.  Distribution specification, "Determining support".
"""

import math
from collections.abc import Callable
from http import HTTPStatus

import anyio

from mirror.auth.challenge import Challenge, choose, parse
from mirror.errors import MirrorError, NetworkError, Untrusted
from mirror.image.reference import Registry
from mirror.registry.backoff import Backoff
from mirror.registry.retrying import HostObserver, Retrying
from mirror.wire.message import Reply, Request, Send
from mirror.wire.redirect import origin
from mirror.wire.retry_policy import is_transient

OpenAhead = Callable[[str, int], None]
"""Has so many connections to an address stand ready, without waiting for them."""

# Seconds until a registry that could not be reached is looked for once more.
_ASK_AGAIN = 15.0


class Endpoint:
    """One registry host: its address, and the Send that all who ask it share."""

    def __init__(
        self,
        registry: Registry,
        send: Send,
        *,
        insecure: bool,
        backoff: Backoff | None = None,
        observer: HostObserver | None = None,
        open_ahead: OpenAhead | None = None,
        rate: float | None = None,
    ) -> None:
        """``rate`` is how many requests are begun there in a second, at most."""
        self.challenge: Challenge | None = None
        """How the registry wants to be logged in to, as it said when it was first asked."""
        self._registry = registry
        self._ping_send = send
        self._backoff = backoff or Backoff()
        retrying = Retrying(send, self._backoff, observer, rate)
        self.ask = retrying.send
        """Send to an absolute address, in turn with all who ask this host."""
        self.open = retrying.open
        """The same; gives the answer, and how to leave it."""
        self._plain = insecure or registry.is_loopback
        self._open_ahead = open_ahead
        self._base = ""
        self._foreseen = 0
        self._unreachable: MirrorError | None = None
        self._ask_again_at = 0.0
        self._first = anyio.Lock()

    def prepare_connections(self, count: int) -> None:
        """Have so many connections stand ready, as soon as it is known where the registry is."""
        self._foreseen = max(self._foreseen, count)
        if self._base and self._open_ahead is not None:
            self._open_ahead(self._base, self._foreseen)

    async def address(self) -> str:
        """Return scheme and authority of the API, found once.

        A registry that could not be found fails with the reason at once, and is
        asked again only after a while, if that may help.
        """
        if self._base:
            return self._base
        async with self._first:
            if self._unreachable is not None and self._backoff.clock() < self._ask_again_at:
                raise self._unreachable.with_traceback(None)
            if not self._base:
                try:
                    self._base = await self._discover()
                    self.prepare_connections(0)
                except MirrorError as error:
                    self._unreachable = error.but(retryable=False)
                    later = _ASK_AGAIN if error.retryable else math.inf
                    self._ask_again_at = self._backoff.clock() + later
                    raise self._unreachable from error.__cause__
        return self._base

    async def _discover(self) -> str:
        """Find the scheme that answers, as often as a request is tried."""
        for attempt in range(self._backoff.retries):
            try:
                base, reply = await self._try_schemes()
            except NetworkError as error:
                if not error.retryable:
                    raise
                seconds = self._backoff.wait_after(attempt)
            else:
                if not is_transient(reply.status):
                    return base
                seconds = self._backoff.wait_after(attempt, reply)
            await self._backoff.sleep(seconds)
        return (await self._try_schemes())[0]

    async def _try_schemes(self) -> tuple[str, Reply]:
        if self._registry.is_loopback and self._open_ahead is not None:
            # Through a tunnel it may be far away all the same.
            self._open_ahead(f"http://{self._registry.authority}", 1)
        try:
            return await self._ping(f"https://{self._registry.authority}")
        except Untrusted:
            raise  # there is https, and plain http would be no better
        except NetworkError as refused:
            if not self._plain:
                raise
            try:
                return await self._ping(f"http://{self._registry.authority}")
            except NetworkError as error:
                # What https said is about the certificate or the port; both matter.
                both = f"{error.message} (and over https: {refused.message})"
                raise error.but(message=both) from error.__cause__

    async def _ping(self, base: str) -> tuple[str, Reply]:
        """Return the address, and what answers there: what it means shows in the first request."""
        async with self._ping_send(Request("GET", f"{base}/v2/")) as reply:
            own = origin(reply.url) == origin(base)
            if reply.status == HTTPStatus.UNAUTHORIZED and own:
                self.challenge = choose(parse(reply.challenge))
            return base, reply
