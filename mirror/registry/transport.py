"""A Send over aiohttp: connections, TLS, redirects.

Only this module and `mirror.registry.connector` know the HTTP library.  It sends what it is
given to where it is told, follows redirects by the rules of `mirror.wire.redirect`, and turns
every way in which a connection can fail into a NetworkError.
"""

import asyncio
import socket
import ssl
from collections import Counter
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import anyio
from yarl import URL

from mirror import __version__
from mirror.errors import Dropped, MirrorError, NetworkError, RegistryError, Truncated, Untrusted
from mirror.events import Emit, RequestSent
from mirror.options import Timeouts
from mirror.registry.connector import GONE, Connector, Opened, session
from mirror.registry.response_deadlines import AnswerTime
from mirror.registry.tls import TlsContexts
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
        emit: Emit,
        trust: TlsContexts,
        proxies: Proxies,
        timeouts: Timeouts | None = None,
        *,
        verify: bool = True,
    ) -> None:
        self._emit = emit
        self._trust = trust
        self._proxies = proxies
        limits = timeouts or Timeouts()
        self._quick = _timeout(limits, limits.stall)
        self._patient = _timeout(limits, limits.commit)
        self.answers = AnswerTime(limits)
        self._verify = verify
        self._connect = limits.connect
        self._session: aiohttp.ClientSession | None = None
        self._ways: dict[tuple[str, str], tuple[str | None, ssl.SSLContext | bool]] = {}
        """The proxy to each host, and whom to trust there."""
        self._opening: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        # The schedule bounds how many requests are in flight, so the pool does not.
        self._connector = connector = Connector(
            limit=0, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=300
        )
        self._session = session(
            connector,
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
        self.answers.close()
        if self._session is not None:
            await self._session.close()

    def lacks(self, url: str, count: int) -> int:
        """How many connections to an origin are missing of so many, those under way not counted."""
        place = URL(url, encoded=True).raw_authority
        wanted = count - self._opening[place]
        return max(0, wanted - self._connector.open_to(place, max(0, wanted)))

    async def open_ahead(self, url: str, count: int) -> None:
        """Open a connection to an origin, unless so many stand, those in use included.

        Nothing is sent.  If it cannot be opened, the request that needs it fails.
        """
        assert self._session is not None, "a transport is entered before it is used"
        origin = URL(url, encoded=True)
        place = origin.raw_authority
        if not self.lacks(url, count):
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

    def shorten_deadlines(self) -> None:
        """Give up every answer, but those that carry blobs, that is not complete soon.

        Those that are waited for now, and later ones, may take as long as a silence may
        last, and raise DeadlinePassed then.
        """
        self.answers.shorten_deadlines()

    def send(self, request: Request) -> "Exchange":
        """Send a request to its absolute address; see `mirror.wire.message.Send`.

        Raises NetworkError, also out of the reply's chunks, and RegistryError
        for a redirect that must not be followed.
        """
        return Exchange(self, request)

    def reused(self) -> bool:
        """Whether the last connection of the task that runs had been used before."""
        return self._connector.reused()

    def drop_connection(self, task: "asyncio.Task[object]") -> None:
        """Close the connection over which a task waits for an answer."""
        self._connector.drop(task)

    async def ask(self, request: Request) -> aiohttp.ClientResponse:
        """Send a request to its address, and wait for the beginning of the answer."""
        assert self._session is not None, "a transport is entered before it is used"
        url = URL(request.url, encoded=True)
        headers = request.headers
        if request.length is not None:
            headers = {**headers, "Content-Length": str(request.length)}
        place = url.raw_authority
        if (way := self._ways.get((url.scheme, place))) is None:
            tls = self._tls(url.scheme, place)
            way = self._ways[url.scheme, place] = self._proxies.proxy_for(request.url), tls
        self._emit(RequestSent(place, request.method))
        return await self._session.request(
            request.method,
            url,
            headers=headers,
            data=request.body if request.length else None,
            allow_redirects=False,
            proxy=way[0],
            ssl=way[1],
            timeout=self._patient if _begins_late(request) else self._quick,
        )

    def _tls(self, scheme: str, place: str) -> ssl.SSLContext | bool:
        return self._trust.context(place, verify=self._verify) if scheme == "https" else True


class Exchange:
    """A request and its answer, which can be read as long as the block lasts."""

    __slots__ = ("_bounded", "_hops", "_request", "_response", "_task", "_transport")

    def __init__(self, transport: Transport, request: Request) -> None:
        self._transport = transport
        self._request = request
        self._bounded = not request.blob
        self._response: aiohttp.ClientResponse | None = None
        self._task: asyncio.Task[object] | None = None
        self._hops = 0

    async def __aenter__(self) -> Reply:
        answers, late = self._transport.answers, _begins_late(self._request)
        if self._bounded:
            self._task = asyncio.current_task()
            answers.begin(self, begins_late=late)
        try:
            reply = await self._follow()
        except BaseException as error:
            self._end(error)
            raise
        if late and self._bounded:
            answers.answered(self)
        return reply

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            assert self._response is not None, "what was entered was answered"
            await self._response.__aexit__(kind, error, trace)
        except BaseException as failure:
            error = error or failure
            raise
        finally:
            self._end(error)

    def give_up(self) -> None:
        """See `mirror.registry.response_deadlines.PendingAnswer`."""
        if self._response is not None:
            self._response.close()
        elif self._task is not None:
            self._transport.drop_connection(self._task)

    async def _follow(self) -> Reply:
        """Send the request to where it leads in the end."""
        while True:
            self._response = None
            response = self._response = await self._transport.ask(self._request)
            reply = _reply(response, self._request.url, redirected=self._hops > 0)
            if response.status not in STATUSES:
                return reply
            async with response:
                self._request = follow(self._request, reply)
            self._hops += 1
            if self._hops == LIMIT:
                raise RegistryError(f"redirected more than {LIMIT} times")

    def _end(self, error: BaseException | None) -> None:
        """End the exchange; raise what an error of the library amounts to."""
        answers = self._transport.answers
        if self._bounded:
            answers.end(self)
        if isinstance(error, (aiohttp.ClientError, OSError)):
            place = urlsplit(self._request.url).netloc
            reused = self._request.repeatable and self._transport.reused()
            begun = self._response is not None
            failure = _failure(error, place, begun=begun, reused=reused)
            if self._bounded:
                silent = isinstance(error, TimeoutError)
                failure = answers.judged(self, failure, place, silent=silent)
            raise failure.but(redirected=self._hops > 0) from error


def _timeout(limits: Timeouts, silence: float) -> aiohttp.ClientTimeout:
    # The way through a proxy, which the library does not bound by itself, is in ``connect``.
    return aiohttp.ClientTimeout(
        total=None,
        connect=limits.connect + limits.stall,
        sock_connect=limits.connect,
        sock_read=silence,
    )


def _reply(response: aiohttp.ClientResponse, url: str, *, redirected: bool) -> Reply:
    headers = response.headers
    return Reply(
        response.status,
        url,
        headers,
        response.content.iter_any(),
        response.reason or "",
        ", ".join(headers.getall("WWW-Authenticate", ())),
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


def _failure(error: Exception, place: str, *, begun: bool, reused: bool) -> NetworkError:
    """Say what became of a request; ``reused`` is whether its connection had been used before."""
    if begun:
        return Truncated(f"{_broken(error, place)} before the body was complete")
    if reused and isinstance(error, GONE) and not isinstance(error, aiohttp.ClientConnectorError):
        return Dropped(f"{place} had closed the connection")
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or error
            return Untrusted(f"{place} has a certificate that is not trusted: {reason}")
        case aiohttp.ClientConnectorSSLError():
            return NetworkError(
                f"{place} does not speak TLS as it should: {error.strerror or error.os_error}",
                hint="If it is a registry with plain http, --insecure allows that.",
            )
        case aiohttp.ClientConnectorDNSError():
            return NetworkError(
                f"{place} is not a known host",
                hint="Check the host's name, or the name server.",
                retryable=error.os_error.errno == socket.EAI_AGAIN,
            )
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
