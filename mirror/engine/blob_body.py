"""A blob on its way through: read, held to its digest, counted, cut into pieces."""

import math
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Self

import anyio

from mirror.errors import DigestMismatch, MirrorError, SizeMismatch
from mirror.events import Traffic
from mirror.image.digest import Verifier
from mirror.image.manifest import Descriptor
from mirror.options import Timeouts
from mirror.registry.client import Client

Throttle = Callable[[int], Awaitable[None]]
"""Waits until so many bytes may go on."""

# A blob is kept in memory for another upload while no more of it than this was read, as
# most refusals come early: 1.24 -> 1.01 times the bytes, docs/decisions/0006.
_KEPT_LIMIT = 1024 * 1024
# Bytes after which the hash is noted down, so that an upload can go on from near there.
_STEP = 1024 * 1024
# Notes of one piece, at most, so that a piece of gigabytes keeps no thousands of them.
_NOTES = 64


# Bytes of a blob that is read whole before it is sent: most configurations and many layers.
WHOLE_LIMIT = 64 * 1024


class WholeBody:
    """The bytes of a small blob for an upload, read and checked before they are sent.

    It has the interface of `StreamedBody`, without a stream, notes for resuming, or a time limit.
    """

    def __init__(
        self, source: Client, blob: Descriptor, traffic: Traffic, throttle: Throttle | None
    ) -> None:
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()
        self._source = source
        self._blob = blob
        self._traffic = traffic
        self._throttle = throttle
        self._content: bytes | None = None
        self._given = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    async def begin(self) -> None:
        """Read it; why that failed is raised where the bytes are taken."""
        if self._content is not None:
            return
        try:
            self._content = await self._read()
        except MirrorError as error:
            self.error = error

    async def begin_again(self) -> None:
        """Go back to the first byte; what was read is not read again."""
        self._given = 0
        self.error = None

    @property
    def given_out(self) -> bool:
        """Whether all bytes that were asked for have been given: each is when it is asked for."""
        return True

    def take(self, length: int) -> bytes:
        """Give the next so many bytes; raise what went wrong with reading them."""
        if self.error is not None:
            raise self.error
        assert self._content is not None, "it is read before it is taken"
        part = self._content[self._given : self._given + length]
        self._given += length
        return part

    async def rewind(self, position: int) -> bool:
        """Go on from a byte; that is always possible."""
        self._given = position
        return True

    async def _read(self) -> bytes:
        verifier, parts = Verifier(self._blob.digest, self._blob.size), list[bytes]()
        reading = self._source.read(self._blob)
        try:
            with self._source.reading(self._blob):
                async for chunk in reading:
                    if self._throttle is not None:
                        await self._throttle(len(chunk))
                    verifier.update(chunk)
                    self._traffic.moved += len(chunk)
                    parts.append(chunk)
                verifier.finish()
        finally:
            await reading.aclose()
        return b"".join(parts)


class StreamedBody:
    """The bytes of a blob for an upload; an async context manager that owns the reading.

    This is the hot path: one generator here, one in `mirror.registry.blob_reader`, and one
    hash update per chunk (`benchmarks/single.py`).  A mismatch is raised in place of the last
    chunk, so the upload that reads from here is torn down and can never be committed;
    ``error`` then says why, whatever the upload makes of it.

    ``scope`` is set for each write: it is cancelled when a chunk that was given is
    not taken in time, and never while the source is waited for.
    """

    def __init__(
        self,
        source: Client,
        blob: Descriptor,
        traffic: Traffic,
        timeouts: Timeouts,
        throttle: Throttle | None = None,
    ) -> None:
        self.error: Exception | None = None
        self.scope = anyio.CancelScope()
        self._source = source
        self._blob = blob
        self._traffic = traffic
        self._timeouts = timeouts
        self._throttle = throttle
        self._given = 0
        self._promised = 0
        self._kept: list[bytes] | None = []
        self._head: list[bytes] = []
        self._verifier: Verifier
        self._first: bytes | MirrorError
        self._begin(Verifier(blob.digest, blob.size), 0, [])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._reading.aclose()

    async def begin(self) -> None:
        """Wait for the first bytes; `take` returns them later, or raises why there are none."""
        # This is only waited for to take the bytes, so whatever goes wrong is raised there:
        # as an error of the reading, told as such, and not of the session that is being opened.
        try:
            self._first = await anext(self._reading, b"")
        except MirrorError as error:
            self._first = error

    async def begin_again(self) -> None:
        """Go back to the first byte; what is still kept is not read again."""
        await self._reading.aclose()
        if self._kept is None or self.error is not None:
            self._begin(Verifier(self._blob.digest, self._blob.size), 0, [])
            self._kept = []
        else:
            self._head = [*self._kept]
            self._open(self._verifier.received)
            self._hash_checkpoints = [Verifier(self._blob.digest, self._blob.size)]
        self._given = self._promised = 0
        self.error = None

    @property
    def given_out(self) -> bool:
        """Whether all bytes that were asked for have been given, so that an answer can be true."""
        return self._given == self._promised

    def take(self, length: int) -> AsyncIterable[bytes] | bytes:
        """Give the next so many bytes; all of them at once are one stream without cuts."""
        self._promised += length
        if not length:
            return b""
        return self._stream() if length == self._blob.size else self._piece(length)

    async def rewind(self, position: int) -> bool:
        """Go on from a byte of the last piece; return whether that is possible.

        What lies between the last note of the hash and that byte is read again.
        """
        notes = [note for note in self._hash_checkpoints if note.received <= position]
        if not notes or position > self._given:
            return False
        await self._reading.aclose()
        # What is read again must be what was read and sent before, or the hash would
        # vouch for bytes that the registry does not have.
        seen = [mark for mark in self._expected_hashes if mark.received > self._verifier.received]
        self._begin(notes[-1], position - notes[-1].received, [self._verifier, *seen])
        self._given = self._promised = position
        self._kept = None
        return True

    def _begin(self, verifier: Verifier, skip: int, marks: list[Verifier]) -> None:
        self._expected_hashes = marks
        self._hash_checkpoints = [verifier.copy()]
        self._verifier = verifier
        self._head = []
        self._open(verifier.received)
        self._skip = skip

    def _open(self, first: int) -> None:
        self._reading = self._source.read(self._blob, first)
        self._uncut: AsyncIterator[bytes] | None = None
        self._first = b""
        self._rest = b""
        self._skip = 0

    def _take_first(self) -> bytes:
        first, self._first = self._first, b""
        if isinstance(first, MirrorError):
            raise first
        return first

    async def _stream(self, *, cut: bool = False) -> AsyncIterator[bytes]:
        verifier, reading = self._verifier, self._reading
        update = (
            partial(_update, verifier, self._expected_hashes)
            if self._expected_hashes
            else verifier.update
        )
        traffic, scope, kept = self._traffic, self.scope, self._kept
        stall = self._timeouts.stall
        try:
            with self._source.reading(self._blob):
                for chunk in self._head:
                    self._given += 0 if cut else len(chunk)
                    scope.deadline = anyio.current_time() + stall
                    yield chunk
                scope.deadline = math.inf
                chunk = self._take_first() or await anext(reading, b"")
                while chunk:
                    # An upload that breaks off cancels this wait, and the chunk is lost with
                    # it: only afterwards it is counted, and at once kept.
                    if self._throttle is not None:
                        await self._throttle(len(chunk))
                    update(chunk)
                    traffic.moved += len(chunk)
                    if kept is not None:
                        kept.append(chunk)
                        if verifier.received > _KEPT_LIMIT:
                            kept = self._kept = None
                    self._given += 0 if cut else len(chunk)
                    scope.deadline = anyio.current_time() + stall
                    yield chunk
                    scope.deadline = math.inf
                    chunk = await anext(reading, b"")
                verifier.finish()
                self._check_promise(cut=cut)
        except Exception as error:
            if reading is self._reading:  # and not one that was given up meanwhile
                self.error = error
            raise
        scope.deadline = anyio.current_time() + self._timeouts.commit

    def _check_promise(self, *, cut: bool) -> None:
        """Raise SizeMismatch rather than let a registry wait for bytes that do not come."""
        if not cut and self._given != self._promised:
            raise SizeMismatch(expected=self._promised, actual=self._given)

    async def _piece(self, length: int) -> AsyncIterator[bytes]:
        """Cut the stream; what a chunk has too much is kept for the next piece."""
        self._forget_notes()
        if self._uncut is None:
            self._uncut = self._stream(cut=True)
        step = max(_STEP, length // _NOTES)
        while length:
            chunk = self._rest or await self._next(step)
            part, self._rest = chunk[:length], chunk[length:]
            length -= len(part)
            self._given += len(part)
            self.scope.deadline = anyio.current_time() + self._timeouts.stall
            yield part
        self.scope.deadline = anyio.current_time() + self._timeouts.commit

    async def _next(self, step: int) -> bytes:
        """Return the next chunk of the stream, and note the hash down now and then."""
        assert self._uncut is not None, "a piece is cut from a stream"
        self.scope.deadline = math.inf
        chunk = await anext(self._uncut)
        if self._verifier.received - self._hash_checkpoints[-1].received >= step:
            self._hash_checkpoints.append(self._verifier.copy())
        if self._skip:
            chunk, self._skip = chunk[self._skip :], max(0, self._skip - len(chunk))
        return chunk

    def _forget_notes(self) -> None:
        """Drop the notes that no rewinding needs: an upload stands where the last piece began."""
        before = [note for note in self._hash_checkpoints if note.received <= self._given]
        self._hash_checkpoints = before[-1:] + [
            n for n in self._hash_checkpoints if n.received > self._given
        ]


def _update(verifier: Verifier, marks: list[Verifier], chunk: bytes) -> None:
    """Take a chunk, and hold the hash to what it was when these bytes passed before."""
    while marks and verifier.received + len(chunk) >= marks[0].received:
        left = marks[0].received - verifier.received
        verifier.update(chunk[:left])
        chunk = chunk[left:]
        mark = marks.pop(0)
        if verifier.so_far != mark.so_far:
            raise DigestMismatch(expected=mark.so_far, actual=verifier.so_far)
    if chunk:
        verifier.update(chunk)
