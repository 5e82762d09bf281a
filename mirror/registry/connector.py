"""Kept connections: which were used before, and how many stand ready."""

from collections import defaultdict
from typing import Any
from weakref import WeakSet

import aiohttp

# What it means that a connection is gone, to the library.
_GONE = (
    aiohttp.ClientOSError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientConnectionResetError,
)


class Lost(aiohttp.ClientConnectionError):
    """The connection was gone before anything was heard on it, and had been ``used`` before."""

    def __init__(self, error: Exception, *, used: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.used = used


class Opened(Exception):
    """A connection stands ready; nothing was sent on it."""


class Connector(aiohttp.TCPConnector):
    """Tells a kept connection that was gone from one that broke, and lets nothing be sent twice.

    The library itself would send some requests again when a connection breaks,
    an upload's commit among them, uncounted and unseen.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: defaultdict[str, WeakSet[aiohttp.client_proto.ResponseHandler]]
        self._known = defaultdict(WeakSet)
        self._reusing: set[aiohttp.ClientRequest] = set()

    async def connect(
        self, req: aiohttp.ClientRequest, *args: Any, **options: Any
    ) -> aiohttp.connector.Connection:
        """Return a connection, and remember whether it has been used before."""
        connection = await super().connect(req, *args, **options)
        assert connection.protocol is not None, "a new connection is open"
        known = self._known[req.url.raw_authority]
        if connection.protocol in known:
            self._reusing.add(req)
        else:
            known.add(connection.protocol)
        return connection

    async def _get(self, key: Any, traces: Any) -> aiohttp.connector.Connection | None:
        # The library takes the one that has waited longest; the one that was used last is
        # the fastest still, and the least likely to be closed by the other side.
        if waiting := self._conns.get(key):
            waiting.rotate(1)
        return await super()._get(key, traces)

    def open_to(self, authority: str) -> int:
        """How many connections to a host stand, in use or not."""
        return sum(one.is_connected() for one in self._known.get(authority, ()))

    async def once(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a request; what this middleware raises is not tried again by the library."""
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:
            raise
        except _GONE as error:
            raise Lost(error, used=request in self._reusing) from error
        finally:
            self._reusing.discard(request)

    async def ahead(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Open a connection for a request that is not sent, and keep it; raise Opened.

        One more is opened whatever is there, as `connect` would not do.
        """
        protocol = await self._create_connection(request, [], aiohttp.ClientTimeout())
        if self.closed:
            protocol.close()
        else:
            # It may have been closed by the other side before it is used for the first time.
            self._known[request.url.raw_authority].add(protocol)
            self._release(request.connection_key, protocol)
            self._conns[request.connection_key].rotate(1)  # after all that were used
        raise Opened
