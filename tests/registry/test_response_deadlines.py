"""Answers that never stop moving and never end: nothing but a blob is waited for so long."""

from collections.abc import AsyncIterator

import anyio
import pytest
from aiohttp import web

from mirror.demo.images import CONFIG, Blob, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.errors import TooSlow
from mirror.events import Status
from mirror.exit_code import ExitCode
from mirror.options import Timeouts
from tests.conftest import Copy
from tests.engine.test_copying import simple


class Dripping(EmbeddedRegistry):
    """A registry that answers questions with this in their paths one byte at a time."""

    what = "/a/"
    pace = 0.02

    async def _answer_or_hang_up(self, request: web.Request) -> web.StreamResponse:
        answer = await super()._answer_or_hang_up(request)
        if request.method != "GET" or self.what not in request.path:
            return answer
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        stream = web.StreamResponse(status=answer.status, headers=answer.headers)
        await stream.prepare(request)
        for byte in answer.body:
            await stream.write(bytes([byte]))
            await anyio.sleep(self.pace)
        return stream


@pytest.fixture
async def source() -> AsyncIterator[Dripping]:
    registry = Dripping(keep_log=True)
    async with registry.running():
        yield registry


QUICK = Timeouts(stall=1.0, answer=1.2)


@pytest.mark.parametrize("path", ["/a/manifests/", "/a/tags/list"])
async def test_an_answer_that_does_not_end_is_given_up(
    source: Dripping, mirrored: Copy, path: str
) -> None:
    simple(source, "a", "1")
    simple(source, "b", "1")
    for tag in range(100):
        source.store.put_manifest("a", f"more{tag}", *_manifest(source))
    source.what = path

    with anyio.fail_after(20):
        result = await mirrored("S/a=T/a", "S/b:1=T/b", timeouts=QUICK)

    assert result.statuses[Status.FAILED] >= 1
    assert Status.COPIED in result.statuses
    assert all(isinstance(one.error, TooSlow) for one in result.failures)
    assert "did not answer in full within 1.2 s" in str(result.failures[0].error)


async def test_a_deadline_ends_the_wait_for_an_answer(source: Dripping, mirrored: Copy) -> None:
    simple(source, "a", "1")
    source.what, source.pace = "/a/manifests/", 0.2

    with anyio.fail_after(20):
        result = await mirrored("S/a:1=T/a", timeouts=Timeouts(stall=0.5), deadline=1.0, retries=5)

    assert result.statuses == {Status.DEFERRED: 1}
    assert result.exit_code is ExitCode.UNFINISHED
    asked = [one for one in source.log if one.method == "GET" and "manifests" in one.path]
    assert len(asked) == 1, "what the deadline ended was asked for again"


async def test_a_blob_may_take_as_long_as_it_moves(
    source: Dripping, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [layer("x", 10)], "1")
    source.what, source.pace = "/a/blobs/", 0.005

    result = await mirrored("S/a:1=T/a", timeouts=Timeouts(stall=0.3, answer=0.3))

    assert result.statuses == {Status.COPIED: 1}


async def test_a_deadline_does_not_end_what_moves(
    source: Dripping, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [layer("x", 100)], "1")
    source.what, source.pace = "/a/blobs/", 0.01  # two seconds, at least

    result = await mirrored("S/a:1=T/a", timeouts=Timeouts(stall=1.0), deadline=1.0)

    assert result.statuses == {Status.COPIED: 1}


def _manifest(registry: EmbeddedRegistry) -> tuple[bytes, str]:
    found = registry.store.manifest("a", "1")
    return found.content, found.media_type
