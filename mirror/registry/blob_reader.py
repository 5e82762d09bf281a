"""Reading what a registry sends: small bodies whole, blobs however often they break off."""

from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import Self

import anyio

from mirror.errors import RegistryError, SizeMismatch, Truncated
from mirror.registry.backoff import Backoff
from mirror.wire.download import Download
from mirror.wire.error_response import ERROR_LIMIT, failure
from mirror.wire.message import Reply, Send

_UNDERSTOOD = (
    HTTPStatus.OK,
    HTTPStatus.PARTIAL_CONTENT,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
)


class BlobReader:
    """The chunks of one blob as they come: an async iterator that may be closed at any time.

    What breaks off goes on at the byte where it broke off, from the registry's
    own address again, since where that led may have expired.  ``tried`` is told how
    many attempts it took so far.
    """

    def __init__(
        self,
        send: Send,
        download: Download,
        backoff: Backoff,
        tried: Callable[[int], None],
    ) -> None:
        self._send = send
        self._download = download
        self._backoff = backoff
        self._resume_budget = backoff.resume_budget()
        self._tried = tried
        self._attempts = 1
        self._stream = self._chunks()
        self._ended = False
        # One task may close it while another reads at this very moment.
        self._turn = anyio.Lock(fast_acquire=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        async with self._turn:
            return await anext(self._stream)

    async def aclose(self) -> None:
        """Give the connection back; a reader that waits gets the end."""
        if self._ended:
            return
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await self._stream.aclose()

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        download = self._download
        while not download.complete:
            try:
                async with self._send(download.request()) as reply:
                    self._tried(reply.attempts)
                    skip = await self._understand(reply)
                    if skip is None:
                        continue
                    assert reply.chunks is not None, "a reply to GET can be read"
                    async for chunk in reply.chunks:
                        if skip:
                            chunk, skip = chunk[skip:], max(0, skip - len(chunk))
                            if not chunk:
                                continue  # an empty chunk would be the end to the reader
                        download.advance(len(chunk))
                        yield chunk
                self._check_complete()
            except (RegistryError, Truncated) as error:
                seconds = self._resume_budget.after(download.position) if error.retryable else None
                if seconds is None:
                    raise error.but(retryable=False) from error.__cause__
                self._attempts += 1
                self._tried(self._attempts)
            else:
                self._ended = True
                return
            await self._backoff.sleep(seconds)

    def _check_complete(self) -> None:
        if not self._download.complete:
            raise Truncated("the body ended before it was complete")

    async def _understand(self, reply: Reply) -> int | None:
        """Return how many bytes to pass over; None to ask again."""
        if self._download.wants_retry(reply):
            return None
        if reply.status not in _UNDERSTOOD:
            # What a registry signs for somewhere else does not last.
            expired = reply.redirected and reply.status == HTTPStatus.FORBIDDEN
            raise (await refusal(reply)).but(retryable=expired)
        try:
            return self._download.answered(reply)
        except (RegistryError, SizeMismatch):
            if reply.is_page:
                raise web_page() from None
            raise


async def expect(reply: Reply, *statuses: int) -> None:
    """Raise the RegistryError that a reply amounts to, unless it has one of these statuses."""
    if reply.status not in statuses:
        raise await refusal(reply)
    if reply.is_page:
        raise web_page()


async def refusal(reply: Reply, default: bytes = b"") -> RegistryError:
    """Read why a registry does not do it; ``default`` stands for an empty body."""
    if reply.is_page and reply.status < HTTPStatus.BAD_REQUEST:
        return web_page()
    content = await read(reply, ERROR_LIMIT) or default
    return failure(reply, content).but(attempts=reply.attempts)


def web_page() -> RegistryError:
    """Say that a page came where a registry's answer should be; the next may be one."""
    return RegistryError(
        "a web page came instead of an answer",
        hint="Is this the address of a registry? A login page or proxy answers there.",
        retryable=True,
    )


async def read(reply: Reply, limit: int) -> bytes:
    """Read a body, and no more than one chunk beyond the limit."""
    content = bytearray()
    if reply.chunks is not None:
        async for chunk in reply.chunks:
            content += chunk
            if len(content) > limit:
                break
    return bytes(content)
