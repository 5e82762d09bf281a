"""One blob over several connections: read in pieces side by side, given out in order.

It begins as one reading.  Where that is slow and more connections are to spare,
pieces further on are asked for by ranges; when the reading gets to the first of
them, it has done its part.  Whatever goes wrong with a piece, one reading goes on
from where the reader is.
"""

from collections import deque
from typing import Protocol, Self

import anyio

from mirror.errors import MirrorError, RegistryError
from mirror.registry.fanout import Chunks
from mirror.registry.spare_connections import ConnectionBudget

# Bytes of a piece: large enough that its request is small beside it, small enough to keep
# as many of them in memory as there are connections to a blob.
PIECE = 3 * 1024 * 1024
# Bytes left that are worth a look at all.
WORTHWHILE = 16 * 1024 * 1024


class Open(Protocol):
    """Begins a reading of a blob, from a byte on and up to another if there is one."""

    def __call__(self, first: int, last: int | None = None) -> Chunks:
        """Return its chunks."""
        ...


class ParallelDownload:
    """The chunks of a blob, over as many connections as make that faster."""

    def __init__(self, first: int, size: int, budget: ConnectionBudget, open_at: Open) -> None:
        self._position = first
        self._size = size
        self._budget = budget
        self._open_at = open_at
        self._reading: Chunks | None = open_at(first)
        self._pieces: deque[_Piece] = deque()
        self._assigned = 0
        self._parallelism = budget.parallelism
        self._closed = False
        self._bug: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._closed:
            self._budget.readings[self] = None
        began = self._budget.clock()
        chunk = await self._next()
        if not chunk:
            self._budget.readings.pop(self, None)
            raise StopAsyncIteration
        self._position += len(chunk)
        now = self._budget.clock()
        self._parallelism.waited(now - began)
        self._budget.look(now)
        if self._parallelism.wanted > 1 and not self._closed:
            self._assign()
        return chunk

    async def aclose(self) -> None:
        """Give all connections back."""
        self._closed = True
        self._budget.readings.pop(self, None)
        self._drop_pieces()
        if self._reading is not None:
            await self._reading.aclose()

    async def _next(self) -> bytes:
        while not self._closed:
            if self._bug is not None:
                raise self._bug
            if self._reading is None and not self._pieces:
                if self._position >= self._size:
                    return b""
                self._reading = self._open_at(self._position)
            if self._reading is not None:
                chunk = await self._read_on(self._reading)
            else:
                chunk = await self._pieces[0].next()
            if chunk:
                return chunk
            if self._reading is not None and not self._pieces:
                return b""
            await self._step()
        return b""

    async def _read_on(self, reading: Chunks) -> bytes:
        """Read up to the first piece; b"" once that is reached, or at the end of all."""
        if not self._pieces:
            chunk = await anext(reading, b"")
            self._parallelism.advance(len(chunk))
            return chunk
        if self._position >= self._pieces[0].first:
            return b""
        chunk = await anext(reading, b"")
        self._parallelism.advance(len(chunk))
        # The pieces may have been given up while this chunk was waited for.
        return chunk[: self._pieces[0].first - self._position] if self._pieces else chunk

    async def _step(self) -> None:
        """Go over from the reading to the first piece, from a piece to the next, or back."""
        if self._reading is not None:
            reading, self._reading = self._reading, None
            await reading.aclose()
        elif self._pieces:
            piece = self._pieces.popleft()
            piece.forget()
            if piece.missing:
                self._give_up()
        if self._pieces:
            # What is read from now on has the connection that is the task's own.
            self._pieces[0].release()

    def _assign(self) -> None:
        """Ask for as many more pieces as there are connections for."""
        if not self._pieces:
            if self._size - self._position < WORTHWHILE:
                return
            self._assigned = self._position + (PIECE if self._reading is not None else 0)
        while self._assigned < self._size and self.connections < self._parallelism.wanted:
            # Without a reading the first piece has the connection of the task itself.
            owned = self._reading is None and not self._pieces
            if not owned and not self._budget.take():
                return
            last = min(self._assigned + PIECE, self._size) - 1
            piece = _Piece(self._assigned, last, None if owned else self._budget)
            self._assigned = last + 1
            self._pieces.append(piece)
            self._budget.start(self._fetch, piece)

    @property
    def connections(self) -> int:
        """Those in use, or kept for bytes that wait to be given out."""
        return len(self._pieces) + (self._reading is not None)

    async def _fetch(self, piece: "_Piece") -> None:
        try:
            await self._fill(piece, self._open_at(piece.first, piece.last))
        except MirrorError:
            self._parallelism.fails()  # one reading goes on from there, and says what is wrong
        except Exception as error:  # noqa: BLE001 - raised again to the reader of the blob
            # Above this task there is only the whole run, which one blob's bug must not end:
            # it is handed to the blob's reader, whose image fails with it.
            self._bug = error
        finally:
            piece.end()
        if piece.missing and not piece.scope.cancel_called and self._reading is not None:
            self._give_up()

    async def _fill(self, piece: "_Piece", chunks: Chunks) -> None:
        try:
            with piece.scope:
                async for chunk in chunks:
                    piece.put(chunk)
                    self._parallelism.advance(len(chunk))
        finally:
            with anyio.CancelScope(shield=True):
                await chunks.aclose()

    def _give_up(self) -> None:
        """Have nothing more to do with pieces."""
        self._parallelism.fails()
        self._drop_pieces()

    def _drop_pieces(self) -> None:
        while self._pieces:
            self._pieces.popleft().drop()


class _Piece:
    """A part of a blob on its way, or here and not taken yet."""

    def __init__(self, first: int, last: int, lender: ConnectionBudget | None) -> None:
        self.first = first
        self.last = last
        self.missing = last + 1 - first
        """Bytes that have not come."""
        self.scope = anyio.CancelScope()
        self._lender = self._keeper = lender
        self._store: deque[bytes] = deque()
        self._news = anyio.Event()
        self._ended = False

    def put(self, chunk: bytes) -> None:
        """Take what has come; raises RegistryError if it is more than was asked for."""
        if len(chunk) > self.missing:
            raise RegistryError("more came than was asked for")
        self.missing -= len(chunk)
        self._store.append(chunk)
        self._news.set()

    def end(self) -> None:
        """Note that no more bytes will come, and give the connection back."""
        self._ended = True
        self._news.set()
        self.release()

    async def next(self) -> bytes:
        """Return the next chunk, b"" when no more will come."""
        while not self._store:
            if self._ended:
                return b""
            self._news = anyio.Event()
            await self._news.wait()
        return self._store.popleft()

    def release(self) -> None:
        """Give its connection back, once."""
        lender, self._lender = self._lender, None
        if lender is not None:
            lender.give_back()

    def forget(self) -> None:
        """Need no memory for it any more."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.forget()

    def drop(self) -> None:
        """Do without it; the connection is given back as soon as it is closed."""
        self.scope.cancel()
        self._store.clear()
        self.forget()
