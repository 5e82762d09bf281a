"""Uploads into one repository: opened, written, gone on with, cancelled."""

from collections.abc import AsyncIterable, Callable
from typing import NoReturn

import anyio

from mirror.errors import MirrorError, NetworkError, RegistryError
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.registry.blob_reader import refusal
from mirror.registry.capabilities import Capabilities
from mirror.registry.error_context import ErrorContext
from mirror.wire.message import Send
from mirror.wire.upload import State, Upload

# Seconds to spend on telling a registry that an upload will not go on; it
# forgets the session by itself after days.
_CANCEL_TIMEOUT = 3.0
# What is wrong with an answer that opens no session and says nothing.
_NO_SESSION = b"no upload session was opened"


class Uploads:
    """The uploads into a repository; each is an `Upload`, which says what to send next."""

    def __init__(
        self, send: Send, repository: Repository, context: ErrorContext, known: Capabilities
    ) -> None:
        self._send = send
        self._repository = repository
        self._context = context
        self._known = known

    def begin(
        self,
        blob: Descriptor,
        mount_from: Repository | None,
        *,
        broken: bool = False,
        corrupted: bool = False,
    ) -> Upload:
        """Return a new upload of a blob, in the way the registry is known to take.

        Another way is taken if an upload of the blob has ``broken`` off or arrived
        ``corrupted``.
        """
        strategy = self._known.strategy
        if broken:
            strategy = strategy.after_break(blob.size)
        if corrupted:
            strategy = strategy.after_corruption()
        return Upload(self._repository, blob.digest, blob.size, mount_from, strategy)

    async def open(self, upload: Upload) -> None:
        """Mount the blob or open a session for it, whichever the registry does."""
        with self._context.doing("opening the upload", str(upload.digest)):
            while upload.state is State.OPENING:
                async with self._send(upload.opening()) as reply:
                    self._context.note(reply)
                    if not upload.opened(reply):
                        raise await refusal(reply, _NO_SESSION)

    async def write(
        self, upload: Upload, take: Callable[[int], AsyncIterable[bytes] | bytes]
    ) -> None:
        """Send a blob into its open session, and commit it; ``take`` gives the next bytes of it.

        What the registry refuses to take that way is learnt, and raised as
        WrongWay if another attempt would go another way.
        """
        with self._context.doing("writing the blob", str(upload.digest)):
            while upload.state is State.SENDING:
                body = take(upload.piece) if upload.piece else b""
                async with self._send(upload.sending(body)) as reply:
                    if upload.sent(reply):
                        continue
                    raise self._known.judge_refusal(reply.status, upload, await refusal(reply))

    def raise_early_answer(self, upload: Upload) -> NoReturn:
        """Raise the error of a registry that said to have a blob before it was sent."""
        with self._context.doing("writing the blob", str(upload.digest)):
            raise RegistryError("the answer came before the blob was sent", retryable=True)

    async def ask_position(self, upload: Upload) -> bool:
        """Ask a session that broke off where it stands; return whether it can go on from there."""
        request = upload.status()
        if request is None:
            return False
        with self._context.doing("asking for the upload", str(upload.digest)):
            async with self._send(request) as reply:
                return upload.accepts_position(reply)

    def raise_stalled(self, upload: Upload) -> NoReturn:
        """Raise the NetworkError of an upload whose bytes are not taken any more."""
        with self._context.doing("writing the blob", str(upload.digest)):
            raise NetworkError("nothing moved any more")

    async def cancel(self, upload: Upload) -> None:
        """Tell the registry to forget an open session; best effort, shielded and bounded."""
        if (request := upload.cancel()) is None:
            return
        with anyio.move_on_after(_CANCEL_TIMEOUT, shield=True):
            try:
                async with self._send(request):
                    pass
            except MirrorError:
                pass  # many registries do not let clients delete; they forget by themselves
