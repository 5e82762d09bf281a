"""Reading a blob that breaks off, and small bodies up to a limit."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mirror.errors import MirrorError, RegistryError, Truncated
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.registry.blob_reader import BlobReader, expect, read
from mirror.wire.download import Download
from mirror.wire.message import Reply
from tests.conftest import Hurry
from tests.registry.scripted import Scripted, answer

CONTENT = b"0123456789"
BROKEN = Truncated("reset")
PAGE = {"content_type": "text/html; charset=utf-8", "content_length": 6}


class Reading:
    """One blob, read from a registry of these answers."""

    def __init__(self, *answers: Reply | MirrorError, retries: int = 5) -> None:
        self.registry, self.hurry, self.tried = Scripted(*answers), Hurry(), list[int]()
        download = Download(Repository.parse("r.io/a"), Digest.of(CONTENT), len(CONTENT))
        backoff = self.hurry.backoff(retries)
        self.chunks = BlobReader(self.registry.send, download, backoff, self.tried.append)

    async def whole(self) -> bytes:
        found = [chunk async for chunk in self.chunks]
        assert b"" not in found
        return b"".join(found)


def rest(first: int, *parts: bytes | MirrorError) -> Reply:
    return answer(206, *parts, content_range=f"bytes {first}-9/10")


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=5), st.integers(1, 10))
@settings(deadline=None)
def test_wherever_it_breaks_off_the_content_is_whole(
    breaks: list[tuple[int, bool]], size: int
) -> None:
    answers, asked, position = list[Reply](), list[str](), 0
    for end, ranges in [*breaks, (10, False)]:
        first = position if ranges else 0
        parts = [CONTENT[at : min(at + size, end)] for at in range(first, end, size)]
        broken = () if end == 10 else (BROKEN,)
        answers.append(rest(first, *parts, *broken) if first else answer(200, *parts, *broken))
        asked.append(f"bytes={position}-" if position else "")
        position = max(position, end)
    reading = Reading(*answers)

    assert anyio.run(reading.whole) == CONTENT
    assert [one.headers.get("Range", "") for one in reading.registry.asked] == asked
    assert (max(reading.tried), reading.registry.open) == (len(asked), 0)
    assert (reading.hurry.now > 0) is (len(asked) > 1)


@pytest.mark.parametrize(
    ("answers", "content"),
    [([answer(200, b"012"), rest(3, b"3456789")], CONTENT),
     ([answer(200, b"01", BROKEN), answer(416), answer(200, CONTENT)], CONTENT),
     ([replace(answer(403), redirected=True), answer(200, CONTENT)], CONTENT),
     ([answer(200, b"<html>", **PAGE), answer(200, CONTENT)], CONTENT),
     ([answer(403)], None), ([answer(404)], None), ([answer(500)], None),
     ([answer(200, b"012", BROKEN), rest(3, BROKEN), rest(3, BROKEN)], None)],
    ids=["short", "no ranges", "expired", "a page", "denied", "missing", "final", "too often"],
)  # fmt: skip
async def test_what_may_change_is_asked_again(answers: list[Reply], content: bytes | None) -> None:
    reading, found = Reading(*answers, answer(200, b"more"), retries=2), None
    try:
        found = await reading.whole()
    except MirrorError as error:
        assert not error.retryable
    assert found == content
    assert len(reading.registry.asked) == len(answers)


async def test_a_reader_that_is_closed_gives_its_connection_back() -> None:
    reading = Reading(answer(200, b"012", b"3456789"))
    assert await anext(reading.chunks) == b"012"
    await reading.chunks.aclose()

    assert reading.registry.open == 0
    assert await anext(reading.chunks, b"") == b""


@pytest.mark.parametrize(
    ("said", "error"), [(answer(400, b"no", b"pe"), "nope"), (answer(200, **PAGE), "a web page")]
)
async def test_an_answer_that_was_not_expected_is_an_error(said: Reply, error: str) -> None:
    await expect(answer(201), 200, 201)
    with pytest.raises(RegistryError, match=error):
        await expect(said, 200, 201)


@pytest.mark.parametrize(("limit", "size"), [(3, 4), (4, 8), (5, 8), (11, 12), (99, 12)])
async def test_a_body_is_read_to_one_chunk_beyond_its_limit(limit: int, size: int) -> None:
    assert len(await read(answer(200, b"abcd", b"efgh", b"ijkl"), limit)) == size
