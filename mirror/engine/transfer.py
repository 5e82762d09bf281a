"""One blob from source to destination: mount it, or stream it and check it on the way."""

from collections.abc import AsyncIterable, AsyncIterator
from functools import partial

import anyio

from mirror.engine.grace import finish_soon
from mirror.errors import MirrorError, StaleLogin, WrongWay
from mirror.events import Landing, Traffic
from mirror.image.digest import Verifier
from mirror.image.manifest import Descriptor
from mirror.plan.task import CopyBlob, Landed
from mirror.registry.client import Client
from mirror.wire.upload import State, Upload

# Seconds in which a destination must take another chunk, longer than a source
# has to give one; and in which it must have hashed and stored a whole blob.
_STALL_TIMEOUT = 90.0
_COMMIT_TIMEOUT = 900.0
# Seconds in which a session whose opening was cancelled may still be opened, to
# be closed again; an interrupted run has five.
_OPEN_GRACE = 2.0


# A login that ran out, and each step towards chunks that are small enough.
_ATTEMPTS = 8


class Checked:
    """The chunks of a blob on their way through, held to their digest and counted.

    This is the hot path: one generator and one hash update per chunk
    (`benchmarks/one_blob.py`).  A mismatch is raised in place of the last chunk, so
    the upload that reads from here is torn down and can never be committed;
    ``error`` then says why, whatever the upload makes of it.  Each chunk puts off
    the deadline of ``scope``, which ends an upload that nobody takes chunks from.
    """

    def __init__(
        self,
        chunks: AsyncIterable[bytes],
        blob: Descriptor,
        traffic: Traffic,
        scope: anyio.CancelScope,
    ) -> None:
        self.error: Exception | None = None
        self._chunks = chunks
        self._verifier = Verifier(blob.digest, blob.size)
        self._traffic = traffic
        self._scope = scope
        self._size = blob.size
        self._uncut: AsyncIterator[bytes] | None = None
        self._rest = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        update, traffic, scope = self._verifier.update, self._traffic, self._scope
        try:
            async for chunk in self._chunks:
                update(chunk)
                traffic.moved += len(chunk)
                scope.deadline = anyio.current_time() + _STALL_TIMEOUT
                yield chunk
            self._verifier.finish()
        except Exception as error:
            self.error = error
            raise
        scope.deadline = anyio.current_time() + _COMMIT_TIMEOUT

    def take(self, length: int) -> AsyncIterable[bytes]:
        """Give the next so many bytes; all of them are this stream itself."""
        return self if length == self._size else self._piece(length)

    async def _piece(self, length: int) -> AsyncIterator[bytes]:
        """Cut the stream; what a chunk has too much is kept for the next piece."""
        if self._uncut is None:
            self._uncut = aiter(self)
        while length:
            chunk = self._rest or await anext(self._uncut)
            part, self._rest = chunk[:length], chunk[length:]
            length -= len(part)
            yield part


async def copy_blob(
    source: Client, destination: Client, task: CopyBlob, traffic: Traffic
) -> Landed:
    """Bring a blob to its destination; afterwards it is there, whole and verified.

    However this is left, a session that was opened and not committed is
    cancelled, as far as the registry lets us.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _copy_once(source, destination, task, traffic)
        except (StaleLogin, WrongWay):
            # A new login is at hand, or another way is known: a new session uses it.
            continue
    return await _copy_once(source, destination, task, traffic)


async def _copy_once(
    source: Client, destination: Client, task: CopyBlob, traffic: Traffic
) -> Landed:
    upload = destination.upload(task.blob, task.mount_from)
    try:
        await finish_soon(partial(destination.open, upload), _OPEN_GRACE)
        if upload.state is State.SENDING:
            await _send(source, destination, upload, task.blob, traffic)
    finally:
        await destination.cancel(upload)
    if upload.state is State.MOUNTED:
        found = task.mount_from == task.destination
        return Landed(Landing.PRESENT if found else Landing.MOUNTED)
    return Landed(Landing.COPIED, upload.refused)


async def _send(
    source: Client, destination: Client, upload: Upload, blob: Descriptor, traffic: Traffic
) -> None:
    if not blob.size:
        source.check_empty(blob)
        await destination.write(upload, lambda _: b"")
        return
    async with source.read(blob) as chunks:
        with anyio.CancelScope() as scope:
            body = Checked(chunks, blob, traffic, scope)
            try:
                await destination.write(upload, body.take)
            except MirrorError as error:
                # The upload broke off because the source did: that is the news.
                if body.error is not None:
                    raise body.error from error
                raise
    if scope.cancelled_caught:
        destination.stalled(upload)
