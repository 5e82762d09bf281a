"""A Send over aiohttp: connections, TLS, redirects.

The one module that knows the HTTP library.  It sends what it is given to where
it is told, follows redirects by the rules of `mirror.wire.redirect`, and turns
every way in which a connection can fail into a NetworkError.
"""

import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import anyio
from yarl import URL

from mirror import __version__
from mirror.errors import (
    DeadlinePassed,
    Dropped,
    MirrorError,
    NetworkError,
    RegistryError,
    TooSlow,
    Truncated,
    Untrusted,
)
from mirror.events import RequestSent, Tell
from mirror.options import Timeouts
from mirror.registry.connector import Connector, Lost, Opened
from mirror.registry.trust import Trust
from mirror.wire.message import Reply, Request
from mirror.wire.proxy import Proxies
from mirror.wire.redirect import LIMIT, STATUSES, follow

# Larger reads mean fewer wake-ups: see docs/decisions/0004-buffers.md.
_READ_BUFFER = 512 * 1024
# Header lines: Artifact Registry's upload addresses pass aiohttp's 8190 bytes.
_HEADER_LIMIT = 64 * 1024
# Seconds an idle connection is kept; proxies commonly close theirs after 60.
_KEEPALIVE = 15.0


class Transport:
    """Connections to any number of hosts; an async context manager that owns them.

    ``verify`` is whether certificates are checked.
    """

    def __init__(
        self,
        tell: Tell,
        trust: Trust,
        proxies: Proxies,
        timeouts: Timeouts | None = None,
        *,
        verify: bool = True,
    ) -> None:
        self._tell = tell
        self._trust = trust
        self._proxies = proxies
        limits = timeouts or Timeouts()
        self._quick = _timeout(limits, limits.stall)
        self._patient = _timeout(limits, limits.commit)
        self._answers = _AnswerTime(limits)
        self._verify = verify
        self._connect = limits.connect
        self._session: aiohttp.ClientSession | None = None
        self._opening: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        # The schedule bounds how many requests are in flight, so the pool does not.
        self._connector = connector = Connector(
            limit=0, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=300
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            middlewares=(connector.once,),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"oci-mirror/{__version__}"},
            skip_auto_headers=("Content-Type", "Accept", "Accept-Encoding"),
            read_bufsize=_READ_BUFFER,
            max_line_size=_HEADER_LIMIT,
            max_field_size=_HEADER_LIMIT,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def open_ahead(self, url: str, count: int) -> None:
        """Open a connection to an origin, unless so many stand, those in use included.

        Nothing is sent.  Why it could not be opened is told to whoever needs it.
        """
        assert self._session is not None, "a transport is entered before it is used"
        origin = URL(url, encoded=True)
        place = origin.raw_authority
        if self._connector.open_to(place) + self._opening[place] >= count:
            return
        self._opening[place] += 1
        try:
            with anyio.move_on_after(self._connect):
                await self._session.get(
                    origin,
                    middlewares=(self._connector.ahead,),
                    proxy=self._proxies.proxy_for(url),
                    ssl=self._tls(origin.scheme, place),
                )
        except (Opened, aiohttp.ClientError, OSError, MirrorError):
            pass
        finally:
            self._opening[place] -= 1

    def hasten(self) -> None:
        """Give up every answer, but those that carry blobs, that is not complete soon.

        Those that are waited for now, and later ones, may take as long as a silence may
        last, and raise DeadlinePassed then.
        """
        self._answers.hasten()

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        """Send a request to its absolute address; see `mirror.wire.message.Send`.

        Raises NetworkError, also out of the reply's chunks, and RegistryError
        for a redirect that must not be followed.
        """
        if request.blob:
            async with self._follow(request) as reply:
                yield reply
            return
        with self._answers.bound(request) as scope:
            async with self._follow(request) as reply:
                self._answers.begun(request, scope)
                yield reply

    @asynccontextmanager
    async def _follow(self, request: Request) -> AsyncIterator[Reply]:
        """Send a request to where it leads in the end."""
        begun = False
        try:
            for hops in range(LIMIT):
                async with self._ask(request) as response:
                    begun = True
                    reply = _reply(response, redirected=hops > 0)
                    if response.status not in STATUSES:
                        yield reply
                        return
                    request = follow(request, reply)
                begun = False
        except (aiohttp.ClientError, OSError) as error:
            place, streamed = urlsplit(request.url).netloc, not request.repeatable
            failure = _network_error(error, place, begun=begun, streamed=streamed)
            failure.redirected = hops > 0
            raise failure from error
        raise RegistryError(f"redirected more than {LIMIT} times")

    def _ask(self, request: Request) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        assert self._session is not None, "a transport is entered before it is used"
        url = URL(request.url, encoded=True)
        headers = request.headers
        if request.length is not None:
            headers = {**headers, "Content-Length": str(request.length)}
        place = url.raw_authority
        self._tell(RequestSent(place, request.method))
        return self._session.request(
            request.method,
            url,
            headers=headers,
            data=request.body if request.length else None,
            allow_redirects=False,
            proxy=self._proxies.proxy_for(request.url),
            ssl=self._tls(url.scheme, place),
            timeout=self._patient if _begins_late(request) else self._quick,
        )

    def _tls(self, scheme: str, place: str) -> ssl.SSLContext | bool:
        return self._trust.context(place, verify=self._verify) if scheme == "https" else True


def _timeout(limits: Timeouts, silence: float) -> aiohttp.ClientTimeout:
    # The way through a proxy, which the library does not bound by itself, is in ``connect``.
    return aiohttp.ClientTimeout(
        total=None,
        connect=limits.connect + limits.stall,
        sock_connect=limits.connect,
        sock_read=silence,
    )


def _reply(response: aiohttp.ClientResponse, *, redirected: bool) -> Reply:
    headers = response.headers
    challenges = headers.getall("WWW-Authenticate", ())
    return Reply(
        response.status,
        str(response.url),
        headers,
        response.content.iter_any(),
        response.reason or "",
        ", ".join(challenges),
        ", ".join(headers.getall("Link", ())),
        redirected,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP as it should be"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _network_error(error: Exception, place: str, *, begun: bool, streamed: bool) -> NetworkError:
    if begun:
        return Truncated(f"{_broken(error, place)} before the body was complete")
    match error:
        case Lost(used=True) if not streamed:
            return Dropped(f"{place} had closed the connection")
        case Lost():
            return _network_error(error.error, place, begun=False, streamed=streamed)
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or error
            return Untrusted(f"{place} has a certificate that is not trusted: {reason}")
        case aiohttp.ClientConnectorSSLError():
            return NetworkError(
                f"{place} does not speak TLS as it should: {error.strerror or error.os_error}",
                hint="If it is a registry with plain http, --insecure allows that.",
            )
        case aiohttp.ClientConnectorDNSError():
            unknown = NetworkError(
                f"{place} is not a known host", hint="Check the host's name, or the name server."
            )
            unknown.retryable = error.os_error.errno == socket.EAI_AGAIN
            return unknown
        case aiohttp.ClientConnectorError():
            return NetworkError(f"no connection to {place}: {error.strerror or error.os_error}")
        case aiohttp.ConnectionTimeoutError():
            return NetworkError(f"no connection to {place} in time")
        case aiohttp.ServerDisconnectedError():
            return NetworkError(f"{place} closed the connection before it answered")
    return NetworkError(_broken(error, place))


def _broken(error: Exception, place: str) -> str:
    if isinstance(error, TimeoutError):
        return f"{place} went silent"
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"{place} closed the connection"
    # What the library says in full may hold an address with a login or a signature.
    return f"the connection to {place} broke: {_reason(error)}"


def _begins_late(request: Request) -> bool:
    """Whether an answer may begin as late as one to the last byte of a blob."""
    return request.slow or not request.repeatable


class _AnswerTime:
    """How long an answer may take in all, unless it carries a blob.

    A limit on silence alone would wait for ever on a server that sends a byte now and then.
    """

    def __init__(self, limits: Timeouts) -> None:
        self._limits = limits
        # Who allows for longer silences allows for longer answers.
        self._seconds = max(limits.answer, limits.stall)
        self._open: set[anyio.CancelScope] = set()
        self._hastened = False

    @contextmanager
    def bound(self, request: Request) -> Iterator[anyio.CancelScope]:
        """Raise TooSlow, or DeadlinePassed, unless the block is left in time."""
        seconds = self._limits.commit if _begins_late(request) else self._seconds
        place = urlsplit(request.url).netloc
        late = DeadlinePassed(f"{place} had not answered in full when the deadline came")
        with anyio.move_on_after(self._limits.stall if self._hastened else seconds) as scope:
            self._open.add(scope)
            try:
                yield scope
            except NetworkError as error:
                if self._hastened and isinstance(error.__cause__, TimeoutError):
                    raise late from error  # another attempt would only be silent as long
                raise
            finally:
                self._open.discard(scope)
        if scope.cancelled_caught:
            if self._hastened:
                raise late
            raise TooSlow(f"{place} did not answer in full within {self._seconds:g} s")

    def begun(self, request: Request, scope: anyio.CancelScope) -> None:
        """Bound what is left of an answer that was allowed to begin late."""
        if _begins_late(request) and not self._hastened:
            scope.deadline = anyio.current_time() + self._seconds

    def hasten(self) -> None:
        """Bound all answers by the longest silence, from now on."""
        self._hastened = True
        soon = anyio.current_time() + self._limits.stall
        for scope in self._open:
            scope.deadline = min(scope.deadline, soon)
