"""A Send over aiohttp: connections, TLS, redirects.

The one module that knows the HTTP library.  It sends what it is given to where
it is told, follows redirects by the rules of `mirror.wire.redirect`, and turns
every way in which a connection can fail into a NetworkError.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from mirror import __version__
from mirror.errors import NetworkError, RegistryError, Truncated, Untrusted
from mirror.events import RequestSent, Tell
from mirror.registry.trust import Trust
from mirror.wire.message import Reply, Request
from mirror.wire.proxy import Proxies
from mirror.wire.redirect import LIMIT, STATUSES, follow

# Larger reads mean fewer wake-ups: see docs/decisions/0004-buffers.md.
_READ_BUFFER = 512 * 1024
# Header lines: Artifact Registry's upload addresses pass aiohttp's 8190 bytes.
_HEADER_LIMIT = 64 * 1024
# Seconds until a connection stands, until one on which nothing comes is given
# up, and the same after a large body, which a registry hashes before it answers.
_CONNECT_TIMEOUT = 10.0
_STALL_TIMEOUT = 60.0
_COMMIT_TIMEOUT = 900.0
# Seconds an idle connection is kept; proxies commonly close theirs after 60.
_KEEPALIVE = 15.0


class Transport:
    """Connections to any number of hosts; an async context manager that owns them.

    ``verify`` is whether certificates are checked.
    """

    def __init__(self, tell: Tell, trust: Trust, proxies: Proxies, *, verify: bool = True) -> None:
        self._tell = tell
        self._trust = trust
        self._proxies = proxies
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # The schedule bounds how many requests are in flight, so the pool does not.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=300)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"oci-mirror/{__version__}"},
            skip_auto_headers=("Content-Type", "Accept", "Accept-Encoding"),
            read_bufsize=_READ_BUFFER,
            max_line_size=_HEADER_LIMIT,
            max_field_size=_HEADER_LIMIT,
            timeout=_timeout(_STALL_TIMEOUT),
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

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        """Send a request to its absolute address; see `mirror.wire.message.Send`.

        Raises NetworkError, also out of the reply's chunks, and RegistryError
        for a redirect that must not be followed.
        """
        for _ in range(LIMIT):
            async with self._once(request) as reply:
                if reply.status not in STATUSES:
                    yield reply
                    return
                request = follow(request, reply)
        raise RegistryError(f"redirected more than {LIMIT} times")

    @asynccontextmanager
    async def _once(self, request: Request) -> AsyncIterator[Reply]:
        assert self._session is not None, "a transport is entered before it is used"
        url = URL(request.url, encoded=True)
        headers = dict(request.headers)
        if request.length is not None:
            headers["Content-Length"] = str(request.length)
        place = urlsplit(request.url).netloc
        self._tell(RequestSent(place, request.method))
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=request.body if request.length else None,
                allow_redirects=False,
                proxy=self._proxies.proxy_for(request.url),
                ssl=self._tls(url.scheme, place),
                timeout=_timeout(_STALL_TIMEOUT if request.repeatable else _COMMIT_TIMEOUT),
            ) as response:
                yield Reply(
                    response.status,
                    str(response.url),
                    response.headers,
                    response.content.iter_any(),
                    response.reason or "",
                    ", ".join(response.headers.getall("WWW-Authenticate", ())),
                )
        except (aiohttp.ClientError, OSError) as error:
            raise _network_error(error, place) from error

    def _tls(self, scheme: str, place: str) -> ssl.SSLContext | bool:
        return self._trust.context(place, verify=self._verify) if scheme == "https" else True


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP as it should be"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _timeout(silence: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=silence)


def _network_error(error: Exception, place: str) -> NetworkError:
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
                f"{place} is not a known host", hint="Check the host's name, or the name server."
            )
        case aiohttp.ClientConnectorError():
            return NetworkError(f"no connection to {place}: {error.strerror or error.os_error}")
        case TimeoutError():
            return NetworkError(f"{place} went silent")
        case aiohttp.ServerDisconnectedError():
            return NetworkError(f"{place} closed the connection before it answered")
        case aiohttp.ClientPayloadError():
            return Truncated(f"{place} closed the connection before the body was complete")
    # What the library says in full may hold an address with a login or a signature.
    return NetworkError(f"the connection to {place} broke: {_reason(error)}")
