"""The bytes of a blob for an upload: none is counted that is not there to be sent again."""

from collections.abc import AsyncIterable

import anyio
import pytest

from mirror.engine.blob_body import StreamedBody
from mirror.errors import SizeMismatch
from mirror.events import Traffic
from mirror.options import Timeouts
from mirror.place import Side
from mirror.registry.client import Client
from tests.engine.test_blob_transfer import BLOB, CONTENT, SOURCE, Peer


async def test_a_chunk_that_waits_for_the_rate_when_an_upload_breaks_off_is_not_lost() -> None:
    waited, waiting = 0, anyio.Event()

    async def throttle(_: int) -> None:
        nonlocal waited
        waited += 1
        if waited == 2:
            waiting.set()
            await anyio.sleep_forever()

    source, traffic = Client(Peer([]).send, SOURCE, Side.SOURCE), Traffic()
    async with StreamedBody(source, BLOB, traffic, Timeouts(), throttle) as body:

        async def upload() -> None:
            async for _ in _taken(body, BLOB.size):
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(upload)
            await waiting.wait()
            group.cancel_scope.cancel()

        await body.begin_again()
        assert b"".join([chunk async for chunk in _taken(body, BLOB.size)]) == CONTENT
        assert traffic.moved == BLOB.size


async def test_a_body_that_ends_short_of_what_was_announced_fails_at_once() -> None:
    source = Client(Peer([]).send, SOURCE, Side.SOURCE)
    async with StreamedBody(source, BLOB, Traffic(), Timeouts()) as body:
        body.take(BLOB.size)

        with pytest.raises(SizeMismatch):
            async for _ in _taken(body, BLOB.size):
                pass
        assert isinstance(body.error, SizeMismatch)


def _taken(body: StreamedBody, length: int) -> AsyncIterable[bytes]:
    stream = body.take(length)
    assert not isinstance(stream, bytes)
    return stream
