"""A long way to a registry: a proxy that adds round trips, slow openings, a rate per connection.

    python -m benchmarks.way TARGET_PORT ROUND_TRIP OPENING RATE

Seconds, and bytes per second, 0 for no limit.  Prints the port where it listens.
"""

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import uvloop

# Bytes on their way on one connection, at most, before the sender is held back: as much
# as 1 GB/s needs over 20 ms.
_WINDOW = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Distance:
    """How far away a registry is."""

    round_trip: float = 0.0
    """Seconds from a request to its answer, at least."""
    opening: float = 0.0
    """Seconds until a new connection carries anything, besides."""
    rate: int = 0
    """Bytes per second that each connection brings down; 0 for no limit."""


@contextmanager
def away(port: int, distance: Distance) -> Iterator[int]:
    """Put a registry at a distance while the block lasts; give the port to connect to."""
    words = [str(port), str(distance.round_trip), str(distance.opening), str(distance.rate)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.way", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None, "its standard output is a pipe"
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=10)


class _Lane(asyncio.Protocol):
    """One end of a connection: what it hears goes to the other end, later and in order."""

    def __init__(self, distance: Distance, rate: int, opened_at: float) -> None:
        self._delay = distance.round_trip / 2
        self._rate = rate
        self._limit = min(_WINDOW, rate // 4) if rate else _WINDOW
        self._free_at = opened_at
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._on_its_way = 0
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._other: asyncio.Transport | None = None

    def join(self, other: asyncio.Transport) -> None:
        """Learn where the other end is; what was heard before goes there now."""
        self._other = other
        self._arrive()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        # The bytes leave one after another at the rate, and travel after that.
        begin = max(self._free_at, self._loop.time())
        self._free_at = begin + (len(data) / self._rate if self._rate else 0.0)
        self._on_its_way += len(data)
        if self._on_its_way > self._limit and self._transport is not None:
            self._transport.pause_reading()
        self._send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._free_at = max(self._free_at, self._loop.time())
        self._send(b"")

    def _send(self, data: bytes) -> None:
        self._waiting.append((self._free_at + self._delay, data))
        if len(self._waiting) == 1 and self._other is not None:
            self._loop.call_at(self._waiting[0][0], self._arrive)

    def _arrive(self) -> None:
        assert self._other is not None, "it goes nowhere before the other end is there"
        # Timers have milliseconds: what is due within the same one arrives as well.
        while self._waiting and self._waiting[0][0] <= self._loop.time() + 0.001:
            self._deliver(self._other, self._waiting.popleft()[1])
        if self._waiting:
            self._loop.call_at(self._waiting[0][0], self._arrive)

    def _deliver(self, other: asyncio.Transport, data: bytes) -> None:
        self._on_its_way -= len(data)
        if not data:
            other.close()
        elif not other.is_closing():
            other.write(data)
        if self._on_its_way <= self._limit and self._transport is not None:
            self._transport.resume_reading()


class _Near(_Lane):
    """The end where the client is; it hears nothing before the other end is there."""

    def __init__(self, port: int, distance: Distance) -> None:
        opened_at = asyncio.get_running_loop().time() + distance.opening
        super().__init__(distance, 0, opened_at)
        self._port = port
        self._far = _Lane(distance, distance.rate, opened_at)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        here = cast("asyncio.Transport", transport)
        self._far.join(here)
        self._connecting = self._loop.create_task(self._connect(here))

    async def _connect(self, here: asyncio.Transport) -> None:
        try:
            there, _ = await self._loop.create_connection(
                lambda: self._far, "127.0.0.1", self._port
            )
        except OSError:
            here.close()
            return
        self.join(there)


async def _serve(port: int, distance: Distance) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Near(port, distance), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(
        _serve(int(sys.argv[1]), Distance(float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
    )
