"""One blob from source to destination: mount it, or stream it, as often as it breaks off."""

from functools import partial

import anyio

from mirror.engine.attempts import Attempts
from mirror.engine.beside import beside
from mirror.engine.body import Body, Throttle
from mirror.engine.grace import finish_soon
from mirror.errors import (
    MirrorError,
    RegistryError,
)
from mirror.events import Effort, Landing, Traffic
from mirror.options import Timeouts
from mirror.plan.task import CopyBlob, Landed
from mirror.registry.client import Client
from mirror.registry.patience import Patience
from mirror.wire.patience import Endurance
from mirror.wire.upload import State, Upload

# Seconds in which a session whose opening was cancelled may still be opened, to
# be closed again; an interrupted run has five.
_OPEN_GRACE = 2.0


class Transfer:
    """The way of one blob; afterwards it is at its destination, whole and verified."""

    def __init__(
        self,
        source: Client,
        destination: Client,
        task: CopyBlob,
        *,
        timeouts: Timeouts,
        patience: Patience,
        traffic: Traffic,
        effort: Effort,
        throttle: Throttle | None = None,
    ) -> None:
        self._source = source
        self._destination = destination
        self._uploads = destination.uploads
        self._task = task
        self._blob = task.blob
        self._timeouts = timeouts
        self._patience = patience
        self._traffic = traffic
        self._effort = effort
        self._throttle = throttle
        self._attempts = Attempts(patience)

    async def copy(self) -> Landed:
        """Bring the blob to its destination.

        What may pass is tried again: from where it broke off if the registry can
        tell where that is, otherwise from the start.  However this is left, a
        session that was opened and not committed is cancelled, as far as the
        registry lets us.
        """
        async with Body(
            self._source, self._blob, self._traffic, self._timeouts, self._throttle
        ) as body:
            while True:
                try:
                    return await self._once(body)
                except MirrorError as error:
                    if (seconds := self._attempts.wait_after(error)) is None:
                        raise
                    self._effort.note(self._attempts.number)
                    await self._patience.sleep(seconds)
                # The answer to a commit may be all that was lost.
                if self._attempts.uncertain and await self._arrived():
                    return Landed(Landing.COPIED)
                await body.begin_again()

    async def _once(self, body: Body) -> Landed:
        task, attempts = self._task, self._attempts
        upload = self._uploads.begin(
            task.blob, task.mount_from, broken=attempts.broken, spoiled=attempts.spoiled
        )
        try:
            await self._open(upload, body)
            if upload.state is State.SENDING:
                await self._send(upload, body)
        finally:
            await self._uploads.cancel(upload)
        if upload.state is State.MOUNTED:
            found = task.mount_from == task.destination
            return Landed(Landing.PRESENT if found else Landing.MOUNTED)
        return Landed(Landing.COPIED, upload.refused)

    async def _open(self, upload: Upload, body: Body) -> None:
        """Open a session; the source is asked meanwhile, if the blob will surely be needed."""
        opening = partial(finish_soon, partial(self._uploads.open, upload), _OPEN_GRACE)
        sure = self._task.mount_from is None and self._blob.size
        # Of several who share a reading, one that is refused would break it off for the others.
        if sure and not self._source.shares:
            async with beside(body.begin, finish=True):
                await opening()
        else:
            await opening()

    async def _send(self, upload: Upload, body: Body) -> None:
        """Send the blob into an open session, and go on where it breaks off if that is known."""
        if not self._blob.size:
            self._source.check_empty(self._blob)
            await self._uploads.write(upload, lambda _: b"")
            return
        endurance = self._patience.endurance()
        while upload.state is State.SENDING:
            try:
                await self._write(upload, body)
            except MirrorError as error:
                # The upload broke off because the source did: that is the news.
                if body.error is not None:
                    raise body.error from error
                if not await self._goes_on(upload, body, endurance, error):
                    raise
                continue
            if not body.given_out:
                self._uploads.too_early(upload)

    async def _write(self, upload: Upload, body: Body) -> None:
        with anyio.CancelScope() as scope:
            body.scope = scope
            await self._uploads.write(upload, body.take)
        if scope.cancelled_caught:
            self._uploads.give_up(upload)

    async def _goes_on(
        self, upload: Upload, body: Body, endurance: Endurance, error: MirrorError
    ) -> bool:
        """Find out where a session stands that broke off; return whether it can be gone on with."""
        if not error.retryable or upload.status() is None:
            return False
        if not upload.piece and await self._arrived():
            upload.note_arrival()
            return True
        seconds = endurance.after(upload.position)
        if seconds is None:
            error.retryable = False  # nor from the start, as often again
            return False
        self._effort.note(self._attempts.more())
        await self._patience.sleep(seconds)
        try:
            stands = await self._uploads.ask_position(upload)
        except MirrorError:
            return False
        return stands and await body.rewind(upload.position)

    async def _arrived(self) -> bool:
        try:
            return await self._destination.has(self._blob.digest)
        except RegistryError:
            return False  # some logins may push and not look
