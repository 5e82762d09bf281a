"""One blob from source to destination: mount it, or stream it and check it on the way."""

from collections.abc import AsyncIterable, AsyncIterator
from functools import partial

import anyio

from mirror.engine.grace import finish_soon
from mirror.errors import MirrorError, StaleLogin
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


async def copy_blob(
    source: Client, destination: Client, task: CopyBlob, traffic: Traffic
) -> Landed:
    """Bring a blob to its destination; afterwards it is there, whole and verified.

    However this is left, a session that was opened and not committed is
    cancelled, as far as the registry lets us.
    """
    try:
        return await _copy_once(source, destination, task, traffic)
    except StaleLogin:
        # The new login is at hand, and a session opened with it starts afresh.
        return await _copy_once(source, destination, task, traffic)


async def _copy_once(
    source: Client, destination: Client, task: CopyBlob, traffic: Traffic
) -> Landed:
    upload = Upload(task.destination, task.blob.digest, task.mount_from)
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
        await destination.write(upload, b"", 0)
        return
    async with source.read(blob) as chunks:
        with anyio.CancelScope() as scope:
            body = Checked(chunks, blob, traffic, scope)
            try:
                await destination.write(upload, body, blob.size)
            except MirrorError as error:
                # The upload broke off because the source did: that is the news.
                if body.error is not None:
                    raise body.error from error
                raise
    if scope.cancelled_caught:
        destination.stalled(upload)
