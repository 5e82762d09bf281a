"""One blob from source to destination: mount it, or stream it, as often as it breaks off."""

from functools import partial

import anyio
from msgspec import Struct
from msgspec.structs import replace

from mirror.effort import current_effort
from mirror.engine.blob_attempts import BlobAttempts
from mirror.engine.blob_body import WHOLE_LIMIT, StreamedBody, Throttle, WholeBody
from mirror.engine.task_groups import finish_soon
from mirror.errors import MirrorError, NotFound, RegistryError
from mirror.events import Landing, Traffic
from mirror.image.digest import Verifier
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.options import Timeouts
from mirror.registry.backoff import Backoff
from mirror.registry.client import Client
from mirror.wire.rate_limit import TokenBucket
from mirror.wire.retry_policy import ResumeBudget
from mirror.wire.upload import State, Upload

# Seconds in which a session whose opening was cancelled may still be opened, to
# be closed again; an interrupted run has five.
_OPEN_GRACE = 2.0


AnyBody = StreamedBody | WholeBody


class BlobArrival(Struct, frozen=True):
    """How a blob came to its destination, and from where a mount was refused on the way."""

    landing: Landing
    refused: Repository | None = None


class Transfers:
    """What all transfers of a run have in common: time, patience, rate, and who counts bytes."""

    def __init__(
        self, timeouts: Timeouts, backoff: Backoff, traffic: Traffic, rate: int | None = None
    ) -> None:
        """``rate`` is bytes per second, of all transfers together."""
        self.timeouts = timeouts
        self.backoff = backoff
        self.traffic = traffic
        self._bucket = TokenBucket(rate) if rate is not None else None

    @property
    def throttle(self) -> Throttle | None:
        """Waits until so many bytes may go on; None where the rate is not limited."""
        return self._wait_for_rate if self._bucket is not None else None

    async def read_through(self, client: Client, blob: Descriptor) -> bool:
        """Read a blob of a repository to its end; return whether it is there.

        Raises IntegrityError if it is something else.
        """
        # Only what is there counts, and not where its descriptor leads.
        blob = replace(blob, urls=())
        verifier, chunks = Verifier(blob.digest, blob.size), client.read(blob)
        try:
            with client.reading(blob):
                async for chunk in chunks:
                    verifier.update(chunk)
                    self.traffic.moved += len(chunk)
                    if self._bucket is not None:
                        await self._wait_for_rate(len(chunk))
                verifier.finish()
        except NotFound:
            return False
        finally:
            await chunks.aclose()
        return True

    async def _wait_for_rate(self, count: int) -> None:
        assert self._bucket is not None, "only a limited rate is waited for"
        if seconds := self._bucket.take(count, self.backoff.clock()):
            await self.backoff.sleep(seconds)


class BlobTransfer:
    """The way of one blob; afterwards it is at its destination, whole and verified."""

    def __init__(
        self,
        source: Client,
        destination: Client,
        blob: Descriptor,
        mount_from: Repository | None,
        transfers: Transfers,
    ) -> None:
        """``mount_from`` may be the destination itself, where the blob was not looked for."""
        self._source = source
        self._destination = destination
        self._uploads = destination.uploads
        self._blob = blob
        self._mount_from = mount_from
        self._transfers = transfers
        self._backoff = transfers.backoff
        self._attempts = BlobAttempts(transfers.backoff)

    async def copy(self) -> BlobArrival:
        """Bring the blob to its destination.

        What may pass is tried again: from where it broke off if the registry can
        tell where that is, otherwise from the start.  However this is left, a
        session that was opened and not committed is cancelled, as far as the
        registry lets us.
        """
        async with self._body() as body:
            while True:
                try:
                    return await self._once(body)
                except MirrorError as error:
                    if (seconds := self._attempts.wait_after(error)) is None:
                        raise
                    current_effort().note(self._attempts.number)
                    await self._backoff.sleep(seconds)
                # The answer to a commit may be all that was lost.
                if self._attempts.uncertain and await self._arrived():
                    return BlobArrival(Landing.COPIED)
                await body.begin_again()

    def _body(self) -> AnyBody:
        transfers = self._transfers
        around = self._source, self._blob, transfers.traffic
        if self._blob.size <= WHOLE_LIMIT:
            return WholeBody(*around, transfers.throttle)
        return StreamedBody(*around, transfers.timeouts, transfers.throttle)

    async def _once(self, body: AnyBody) -> BlobArrival:
        attempts = self._attempts
        upload = self._uploads.begin(
            self._blob, self._mount_from, broken=attempts.broken, corrupted=attempts.corrupted
        )
        try:
            await self._open(upload, body)
            if upload.state is State.SENDING:
                await self._send(upload, body)
        finally:
            await self._uploads.cancel(upload)
        if upload.state is State.MOUNTED:
            found = self._mount_from == self._destination.repository
            return BlobArrival(Landing.PRESENT if found else Landing.MOUNTED)
        return BlobArrival(Landing.COPIED, upload.refused)

    async def _open(self, upload: Upload, body: AnyBody) -> None:
        """Open a session; the source is asked meanwhile, if the blob will surely be needed."""
        sure = self._mount_from is None and self._blob.size
        # Of several who share a reading, one that is refused would break it off for the others.
        meanwhile = body.begin if sure and not self._source.shares else None
        await finish_soon(partial(self._uploads.open, upload), _OPEN_GRACE, meanwhile)

    async def _send(self, upload: Upload, body: AnyBody) -> None:
        """Send the blob into an open session, and go on where it breaks off if that is known."""
        if not self._blob.size:
            self._source.check_empty(self._blob)
            await self._uploads.write(upload, lambda _: b"")
            return
        if isinstance(body, WholeBody):
            await body.begin()
        resume_budget = self._backoff.resume_budget()
        while upload.state is State.SENDING:
            try:
                await self._write(upload, body)
            except MirrorError as error:
                # The upload broke off because the source did: that is the news.
                if body.error is not None:
                    raise body.error from error
                if not error.retryable or upload.status() is None:
                    raise
                await self._find_position(upload, body, resume_budget, error)
                continue
            if not body.given_out:
                self._uploads.raise_early_answer(upload)

    async def _write(self, upload: Upload, body: AnyBody) -> None:
        if isinstance(body, WholeBody):
            await self._uploads.write(upload, body.take)
            return
        with anyio.CancelScope() as scope:
            body.scope = scope
            await self._uploads.write(upload, body.take)
        if scope.cancelled_caught:
            self._uploads.raise_stalled(upload)

    async def _find_position(
        self, upload: Upload, body: AnyBody, resume_budget: ResumeBudget, error: MirrorError
    ) -> None:
        """Find out where a session stands that broke off; raise the error if it cannot go on."""
        if not upload.piece and await self._arrived():
            upload.note_arrival()
            return
        seconds = resume_budget.after(upload.position)
        if seconds is None:
            # Nor from the start, as often again.
            raise error.but(retryable=False) from error.__cause__
        current_effort().note(self._attempts.more())
        await self._backoff.sleep(seconds)
        try:
            stands = await self._uploads.ask_position(upload)
        except MirrorError:
            raise error from error.__cause__
        if not (stands and await body.rewind(upload.position)):
            raise error

    async def _arrived(self) -> bool:
        try:
            return await self._destination.has(self._blob.digest)
        except RegistryError:
            return False  # some logins may push and not look
