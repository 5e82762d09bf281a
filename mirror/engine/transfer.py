"""One blob from source to destination: mount it, or stream it and check it on the way."""

from collections.abc import AsyncIterable, AsyncIterator
from functools import partial
from random import Random

import anyio

from mirror.engine.grace import finish_soon
from mirror.errors import (
    IntegrityError,
    MirrorError,
    NetworkError,
    RegistryError,
    Side,
    StaleLogin,
    WrongWay,
)
from mirror.events import Landing, Traffic
from mirror.image.digest import Verifier
from mirror.image.manifest import Descriptor
from mirror.plan.task import CopyBlob, Landed
from mirror.registry.client import Client
from mirror.wire.patience import wait
from mirror.wire.upload import State, Upload

# Seconds in which a destination must take another chunk, longer than a source
# has to give one; and in which it must have hashed and stored a whole blob.
_STALL_TIMEOUT = 90.0
_COMMIT_TIMEOUT = 900.0
# Seconds in which a session whose opening was cancelled may still be opened, to
# be closed again; an interrupted run has five.
_OPEN_GRACE = 2.0
# Times one blob is begun again with a new login, and steps towards chunks that are
# small enough.
_LOGINS = 2
_TURNS = 6


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
        self._scope.deadline = anyio.current_time() + _COMMIT_TIMEOUT


async def copy_blob(
    source: Client, destination: Client, task: CopyBlob, traffic: Traffic, retries: int
) -> Landed:
    """Bring a blob to its destination; afterwards it is there, whole and verified.

    What may pass is tried up to ``retries`` times more, wrong bytes once more, each
    time from the start.  However this is left, a session that was opened and not
    committed is cancelled, as far as the registry lets us.
    """
    attempts = _Attempts(retries)
    while True:
        try:
            return await _copy_once(source, destination, task, traffic)
        except MirrorError as error:
            if (seconds := attempts.wait_after(error)) is None:
                raise
            await anyio.sleep(seconds)
        # The answer to a commit may be all that was lost.
        if attempts.uncertain and await _arrived(destination, task.blob):
            return Landed(Landing.COPIED)


async def _arrived(destination: Client, blob: Descriptor) -> bool:
    try:
        return await destination.has(blob.digest)
    except RegistryError:
        return False  # some logins may push and not look


class _Attempts:
    """How often one blob may still be tried, by what went wrong."""

    def __init__(self, retries: int) -> None:
        self.uncertain = False
        """Whether the last attempt may have arrived unheard."""
        self._retries = retries
        self._failures = 0
        self._logins = 0
        self._turns = 0
        self._mismatches = 0
        self._chance = Random()  # noqa: S311 - spreads requests, hides nothing

    def wait_after(self, error: MirrorError) -> float | None:
        """Return the seconds to wait before another attempt; None to give up."""
        self.uncertain = False
        if isinstance(error, StaleLogin):
            self._logins += 1  # a new one is at hand: a new session uses it
            return 0.0 if self._logins <= _LOGINS else None
        if isinstance(error, WrongWay):
            self._turns += 1
            return 0.0 if self._turns <= _TURNS else None
        if isinstance(error, IntegrityError):
            self._mismatches += 1
            return 0.0 if self._mismatches <= min(1, self._retries) else None
        if not error.retryable or self._failures >= self._retries:
            return None
        at_destination = error.place is not None and error.place.side is Side.DESTINATION
        self.uncertain = isinstance(error, NetworkError) and at_destination
        self._failures += 1
        return wait(self._failures - 1, self._chance)


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
