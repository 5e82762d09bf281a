"""A Send around a Send: wait as told, try again, give up as told.

One for each registry host.  A host that pushes back is left alone by all
requests until its time is over, not only by the one that was told; a host that is
dead is not waited for by each request in turn.
"""

import time
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import TracebackType
from typing import Protocol

from msgspec.structs import replace

from mirror.errors import Dropped, NetworkError, Unreachable
from mirror.registry.backoff import Backoff
from mirror.wire.circuit_breaker import CircuitBreaker
from mirror.wire.message import Reply, Request, Send
from mirror.wire.rate_limit import TokenBucket
from mirror.wire.retry_policy import concerns_host, is_transient

# Kept connections that one request may find closed: there can be several of them.
_DROPPED_LIMIT = 3


class HostObserver(Protocol):
    """Sees how a host takes what is sent to it."""

    def answered(self, request: Request, status: int, seconds: float) -> None:
        """Note that a request was answered with a status, after so many seconds.

        Refusals are not told: a front gives them at once, and says nothing of the host.
        """
        ...

    def throttled(self, seconds: float, status: int) -> None:
        """Note that the host had too much.

        It is left alone for so many seconds, and said so with this status, 0 for a
        connection that it broke.
        """
        ...


class Retrying:
    """Tries requests that can be repeated as often as ``backoff`` allows."""

    def __init__(
        self,
        send: Send,
        backoff: Backoff,
        observer: HostObserver | None = None,
        rate: float | None = None,
    ) -> None:
        """``rate`` is how many requests are begun in a second, at most."""
        self._bucket = TokenBucket(rate) if rate is not None else None
        self._send = send
        self._backoff = backoff
        self._observer = observer
        self._health = CircuitBreaker()
        self._loss = ""

    def send(self, request: Request) -> "_Retried":
        """Send a request until it is answered for good; see `mirror.wire.message.Send`.

        The last reply or error is the one that counts.  Errors of repeatable requests are
        raised as not retryable: their retries were spent here.  Other requests are sent
        once; the caller starts the upload again.  Raises Unreachable at once while the
        host is dead.
        """
        return _Retried(self, request)

    async def open(self, request: Request) -> tuple[AbstractAsyncContextManager[Reply], Reply]:
        """Send a request until it is answered for good; return the answer, and how to leave it."""
        attempt = _Attempt(self._backoff.retries if request.repeatable else 0)
        while True:
            if self._bucket is not None or not self._health.well:
                await self._take_turn(request)
            exchange, began = self._send(request), time.monotonic()
            try:
                reply = await exchange.__aenter__()
            except NetworkError as error:
                if (seconds := self._wait_after_loss(error, request, attempt)) is None:
                    # Here a request that can be repeated was tried as often as it may be.
                    retryable = error.retryable and not request.repeatable
                    final = error.but(attempts=attempt.number, retryable=retryable)
                    raise final from error.__cause__
            else:
                self._health.answered()
                if self._observer is not None and _is_of_host(request, reply):
                    self._observer.answered(request, reply.status, time.monotonic() - began)
                if reply.status < 400 or (seconds := self._wait_after(reply, attempt)) is None:
                    if attempt.number > 1:
                        reply = replace(reply, attempts=attempt.number)
                    return exchange, reply
                await exchange.__aexit__(None, None, None)
            attempt.number = 1 + attempt.failures
            await self._backoff.sleep(seconds)

    async def _take_turn(self, request: Request) -> None:
        """Wait until the host is not left alone, and for room within its rate."""
        while True:
            if not request.urgent:
                await self._admit()
            if self._bucket is None:
                return
            await self._backoff.sleep(self._bucket.turn(self._backoff.clock()))
            # Meanwhile it may have asked to be left alone.
            if request.urgent or self._health.wait(self._backoff.clock()) <= 0:
                return

    async def _admit(self) -> None:
        while (seconds := self._health.wait(self._backoff.clock())) > 0:
            await self._backoff.sleep(seconds)
        if not self._health.admit(self._backoff.clock()):
            raise Unreachable(f"left alone, since it has not answered for a while: {self._loss}")

    def _wait_after(self, reply: Reply, attempt: "_Attempt") -> float | None:
        """Return how long to wait after a reply; None if it is the one that counts."""
        if not is_transient(reply.status):
            return None
        seconds = self._backoff.wait_after(attempt.failures, reply)
        # What another host says, where a redirect led, is nothing about this one.
        if concerns_host(reply.status) and self._backoff.retries and not reply.redirected:
            self._health.pause(seconds, self._backoff.clock())
            if self._observer is not None:
                self._observer.throttled(seconds, reply.status)
        return seconds if self._spend_attempt(attempt) else None

    def _wait_after_loss(
        self, error: NetworkError, request: Request, attempt: "_Attempt"
    ) -> float | None:
        """Return how long to wait after a request got no answer; None to give up."""
        if isinstance(error, Dropped) and request.repeatable and attempt.dropped < _DROPPED_LIMIT:
            attempt.dropped += 1
            return 0.0
        if not error.redirected:
            self._health.unheard(self._backoff.clock())
            self._loss = error.message
            if self._observer is not None:
                self._observer.throttled(0.0, 0)
        if error.retryable and self._spend_attempt(attempt):
            return self._backoff.wait_after(attempt.failures - 1)
        return None

    def _spend_attempt(self, attempt: "_Attempt") -> bool:
        """Count a failed attempt; return whether there may be another."""
        # Every request may be repeated once; more repeats come out of the host's budget.
        first = not attempt.failures
        if attempt.failures >= attempt.limit or not (self._health.spend_repeat() or first):
            return False
        attempt.failures += 1
        return True


def _is_of_host(request: Request, reply: Reply) -> bool:
    """Whether the time that an answer took says how busy the host is."""
    answered = reply.status < HTTPStatus.BAD_REQUEST or reply.status == HTTPStatus.NOT_FOUND
    return answered and not (request.blob or reply.redirected)


class _Retried:
    """A request that is sent as often as it takes; the last answer can be read in the block."""

    __slots__ = ("_exchange", "_request", "_retrying")

    def __init__(self, retrying: Retrying, request: Request) -> None:
        self._retrying = retrying
        self._request = request
        self._exchange: AbstractAsyncContextManager[Reply]

    async def __aenter__(self) -> Reply:
        self._exchange, reply = await self._retrying.open(self._request)
        return reply

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exchange.__aexit__(kind, error, trace)


class _Attempt:
    """How far one request has got with being sent."""

    __slots__ = ("dropped", "failures", "limit", "number")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.number = 1
        self.failures = 0
        self.dropped = 0
