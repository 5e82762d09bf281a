"""Kept connections: which were used before, and how many stand ready.

The one module that uses private names of aiohttp, since there are no public ones: to tell a
connection that the other side had closed meanwhile from one that broke, to use the newest
connection first, to open one without sending anything, and to send nothing twice.
`make compat` runs its tests with the oldest and the newest version that are admitted.
"""

import asyncio
from collections import defaultdict
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import aiohttp

# What it means that a connection is gone, to the library.
GONE = (
    aiohttp.ClientOSError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientConnectionResetError,
)


class Opened(Exception):
    """A connection stands ready; nothing was sent on it."""


_Last = tuple[bool, aiohttp.client_proto.ResponseHandler]
"""Whether a connection had been used before, and what reads from it."""


def session(connector: "Connector", **options: Any) -> aiohttp.ClientSession:
    """Return a session over a connector that sends nothing twice.

    The library itself would send some requests again when a connection breaks,
    an upload's commit among them, uncounted and unseen.
    """
    made = aiohttp.ClientSession(connector=connector, **options)
    # What the library's own test client turns off, for want of a public switch.
    made._retry_connection = False  # noqa: SLF001
    return made


class Connector(aiohttp.TCPConnector):
    """Tells a kept connection that the server had closed from one that broke in use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: defaultdict[str, WeakSet[aiohttp.client_proto.ResponseHandler]]
        self._known = defaultdict(WeakSet)
        self._last: WeakKeyDictionary[asyncio.Task[Any], _Last] = WeakKeyDictionary()

    async def connect(
        self, req: aiohttp.ClientRequest, *args: Any, **options: Any
    ) -> aiohttp.connector.Connection:
        """Return a connection, and remember whether it has been used before."""
        connection = await super().connect(req, *args, **options)
        assert connection.protocol is not None, "a new connection is open"
        known = self._known[req.url.raw_authority]
        reused = connection.protocol in known
        known.add(connection.protocol)
        if (task := asyncio.current_task()) is not None:
            self._last[task] = reused, connection.protocol
        return connection

    async def _get(self, key: Any, traces: Any) -> aiohttp.connector.Connection | None:
        # The library takes the one that has waited longest; the one that was used last is
        # the fastest still, and the least likely to be closed by the other side.
        if waiting := self._conns.get(key):
            waiting.rotate(1)
        return await super()._get(key, traces)

    def open_to(self, authority: str, most: int) -> int:
        """How many connections to a host stand, in use or not; ``most`` if there are more."""
        standing = (1 for one in self._known.get(authority, ()) if one.is_connected())
        return sum(islice(standing, most))

    def reused(self) -> bool:
        """Whether the last connection of the task that runs had been used before."""
        task = asyncio.current_task()
        last = self._last.get(task) if task is not None else None
        return last is not None and last[0]

    def drop(self, task: "asyncio.Task[Any]") -> None:
        """Close the last connection of a task, if it has one by now."""
        if (last := self._last.get(task)) is not None:
            last[1].close()

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
