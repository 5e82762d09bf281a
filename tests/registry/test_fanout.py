"""One reading for several readers, each at its own pace."""

from typing import Self

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import NetworkError
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.registry.fanout import Chunks, FanOut

KIB = 1024
CHUNK = 256 * KIB
CONTENT = bytes(range(256)) * 40 * KIB  # 10 MiB: more than anybody may be behind
HERE = Repository.parse("s.io/a")
DIGEST = Digest.of(CONTENT)


class Source:
    """Gives the content from any byte on, and breaks where it is told to."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.opened: list[int] = []
        self.closed = 0
        self.breaks_at = breaks_at

    def open_at(self, first: int) -> Chunks:
        self.opened.append(first)
        return Part(self, first)


class Part:
    def __init__(self, source: Source, first: int) -> None:
        self._source = source
        self._position = first
        self._open = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        if self._source.breaks_at is not None and self._position >= self._source.breaks_at:
            self._source.breaks_at = None
            raise NetworkError("the source broke")
        chunk = CONTENT[self._position : self._position + CHUNK]
        if not chunk:
            raise StopAsyncIteration
        self._position += len(chunk)
        return chunk

    async def aclose(self) -> None:
        self._source.closed += self._open
        self._open = False


async def read(chunks: Chunks, *, every: int = 1) -> bytes:
    """Read to the end, in every so-manieth turn of the loop."""
    content = b""
    try:
        async for chunk in chunks:
            content += chunk
            for _ in range(every):
                await anyio.lowlevel.checkpoint()
    finally:
        await chunks.aclose()
    return content


async def all_of(*readers: tuple[Chunks, int]) -> list[bytes]:
    found: dict[int, bytes] = {}

    async def one(number: int, chunks: Chunks, every: int) -> None:
        found[number] = await read(chunks, every=every)

    async with anyio.create_task_group() as group:
        for number, (chunks, every) in enumerate(readers):
            group.start_soon(one, number, chunks, every)
    return [found[number] for number in range(len(readers))]


async def test_several_readers_cost_one_reading() -> None:
    source, fan_out = Source(), FanOut()
    taps = [(fan_out.read(HERE, DIGEST, source.open_at), every) for every in (1, 2, 3)]

    assert await all_of(*taps) == [CONTENT] * 3
    assert source.opened == [0]
    assert source.closed == 1


async def test_who_comes_a_moment_later_misses_nothing() -> None:
    source, fan_out = Source(), FanOut()
    first = fan_out.read(HERE, DIGEST, source.open_at)
    start = await anext(first) + await anext(first)
    second = fan_out.read(HERE, DIGEST, source.open_at)

    rest, whole = await all_of((first, 1), (second, 1))

    assert start + rest == whole == CONTENT
    assert source.opened == [0]


async def test_who_comes_too_late_reads_alone() -> None:
    source, fan_out = Source(), FanOut()
    first = fan_out.read(HERE, DIGEST, source.open_at)
    for _ in range(18):
        await anext(first)
    second = fan_out.read(HERE, DIGEST, source.open_at)

    assert await read(second) == CONTENT
    assert source.opened == [0, 0]
    await first.aclose()


class Small(Source):
    """A source of the content's first MiB."""

    def open_at(self, first: int) -> Chunks:
        self.opened.append(first)
        return Beginning(self, first)


class Beginning(Part):
    async def __anext__(self) -> bytes:
        if self._position >= 4 * CHUNK:
            raise StopAsyncIteration
        return await super().__anext__()


async def test_a_small_blob_that_was_just_read_is_not_read_again() -> None:
    source, fan_out = Small(), FanOut()

    first = await read(fan_out.read(HERE, DIGEST, source.open_at))
    second = await read(fan_out.read(HERE, DIGEST, source.open_at))

    assert first == second == CONTENT[: 4 * CHUNK]
    assert source.opened == [0]
    assert source.closed == 1


async def test_small_blobs_are_forgotten_for_others_oldest_first() -> None:
    source, fan_out = Small(), FanOut()
    digests = [Digest.of(bytes([number])) for number in range(17)]
    for digest in digests:
        await read(fan_out.read(HERE, digest, source.open_at))

    await read(fan_out.read(HERE, digests[-1], source.open_at))
    assert len(source.opened) == 17
    await read(fan_out.read(HERE, digests[0], source.open_at))
    assert len(source.opened) == 18


async def test_what_turned_out_to_be_something_else_is_read_again() -> None:
    source, fan_out = Small(), FanOut()
    await read(fan_out.read(HERE, DIGEST, source.open_at))

    fan_out.distrust(HERE, DIGEST)
    await read(fan_out.read(HERE, DIGEST, source.open_at))

    assert source.opened == [0, 0]


async def test_who_falls_too_far_behind_goes_on_alone_from_where_it_is() -> None:
    source, fan_out = Source(), FanOut(grace=0)
    quick = fan_out.read(HERE, DIGEST, source.open_at)
    slow = fan_out.read(HERE, DIGEST, source.open_at)

    assert await read(quick) == CONTENT
    assert await read(slow) == CONTENT
    (_, again) = source.opened
    assert 0 < again <= 5 * KIB * KIB
    assert source.closed == 2


async def test_a_slow_reader_is_waited_for_before_it_is_left_behind() -> None:
    source, fan_out = Source(), FanOut(grace=60)
    taps = [(fan_out.read(HERE, DIGEST, source.open_at), every) for every in (0, 5)]

    assert await all_of(*taps) == [CONTENT] * 2
    assert source.opened == [0]


async def test_a_reader_that_leaves_is_not_waited_for() -> None:
    source, fan_out = Source(), FanOut(grace=60)
    stays = fan_out.read(HERE, DIGEST, source.open_at)
    leaves = fan_out.read(HERE, DIGEST, source.open_at)
    await anext(leaves)
    await leaves.aclose()

    with anyio.fail_after(5):
        assert await read(stays) == CONTENT


async def test_what_breaks_for_one_is_begun_again_by_the_others() -> None:
    source, fan_out = Source(breaks_at=2 * KIB * KIB), FanOut()
    first = fan_out.read(HERE, DIGEST, source.open_at)
    second = fan_out.read(HERE, DIGEST, source.open_at)

    with pytest.raises(NetworkError):
        await read(first)
    assert await read(second) == CONTENT
    assert source.opened == [0, 2 * KIB * KIB]


async def test_a_reader_that_is_cancelled_while_it_reads_leaves_the_others_whole() -> None:
    source, fan_out = Source(), FanOut()
    first = fan_out.read(HERE, DIGEST, source.open_at)
    second = fan_out.read(HERE, DIGEST, source.open_at)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await read(first)

    assert await read(second) == CONTENT


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.sampled_from([0.0, 60.0]))
@settings(deadline=None, max_examples=25)
def test_whatever_the_pace_everybody_reads_the_same(paces: list[int], grace: float) -> None:
    source, fan_out = Source(), FanOut(grace)

    async def go() -> list[bytes]:
        taps = [(fan_out.read(HERE, DIGEST, source.open_at), every) for every in paces]
        return await all_of(*taps)

    assert anyio.run(go) == [CONTENT] * len(paces)
    assert source.closed == len(source.opened)
