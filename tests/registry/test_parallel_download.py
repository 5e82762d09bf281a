"""One blob over several connections: in order, whole, and within what there is to spare."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import Self

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mirror.demo.fault import Fault
from mirror.demo.images import Blob, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.errors import MirrorError, NetworkError
from mirror.image.digest import Digest, Verifier
from mirror.image.manifest import Descriptor
from mirror.image.reference import Registry, Repository
from mirror.place import Side
from mirror.registry.client import Client
from mirror.registry.fanout import Chunks
from mirror.registry.parallel_download import PIECE, ParallelDownload
from mirror.registry.spare_connections import ConnectionBudget, SlotLender
from mirror.registry.tls import TlsContexts
from mirror.registry.transport import Transport
from mirror.wire.message import Reply, Request
from mirror.wire.proxy import Proxies

CHUNK = 512 * 1024
SIZE = 9 * PIECE + 12_345
CONTENT = Random(1).randbytes(1 << 20) * (SIZE // (1 << 20) + 1)
CONTENT = CONTENT[:SIZE]
RATE = 2_000_000  # bytes per second of one connection
HOST = Registry("s.example.com")


class Slots:
    """A registry's slots, counted."""

    def __init__(self, count: int) -> None:
        self.free = self.count = count
        self.least = count

    def lend(self, registry: Registry) -> bool:
        if not self.free:
            return False
        self.free -= 1
        self.least = min(self.least, self.free)
        return True

    def give_back(self, registry: Registry) -> None:
        self.free += 1
        assert self.free <= self.count

    def answered(self, registry: Registry, kind: str, seconds: float) -> None: ...


class Source:
    """Gives the content, each chunk after a pause that chance decides; breaks where told."""

    def __init__(self, seed: int = 0, breaks: int | None = None, times: int = 1) -> None:
        self.chance = Random(seed)
        self.breaks, self.times = breaks, times
        self.open = self.most_open = 0
        self.asked: list[tuple[int, int | None]] = []
        self.seconds = 0.0

    def open_at(self, first: int, last: int | None = None) -> Chunks:
        self.asked.append((first, last))
        return Part(self, first, SIZE if last is None else last + 1)


class Part:
    def __init__(self, source: Source, first: int, end: int) -> None:
        self.source, self.position, self.end = source, first, end
        self.connected = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        source = self.source
        if not self.connected:
            self.connected = True
            source.open += 1
            source.most_open = max(source.most_open, source.open)
        for _ in range(source.chance.randrange(6)):
            await anyio.lowlevel.checkpoint()
        # Each connection has its own rate: side by side, time passes once for all of them.
        source.seconds += CHUNK / RATE / max(1, source.open)
        breaks = source.breaks
        if breaks is not None and self.position <= breaks < self.position + CHUNK and source.times:
            source.times -= 1
            raise NetworkError("the source broke")
        chunk = CONTENT[self.position : min(self.position + CHUNK, self.end)]
        if not chunk:
            raise StopAsyncIteration
        self.position += len(chunk)
        return chunk

    async def aclose(self) -> None:
        if self.connected:
            self.connected = False
            self.source.open -= 1


@asynccontextmanager
async def budget(
    slots: Slots, source: Source | None = None, wanted: int = 1
) -> AsyncIterator[ConnectionBudget]:
    async with anyio.create_task_group() as tasks:
        now = (lambda: source.seconds) if source is not None else (lambda: 0.0)
        found = ConnectionBudget(HOST, SlotLender(slots, tasks.start_soon, now))
        found.parallelism.wanted = wanted
        yield found


async def read(chunks: Chunks) -> bytes:
    try:
        return b"".join([chunk async for chunk in chunks])
    finally:
        await chunks.aclose()


@given(st.integers(0, 10**6), st.sampled_from([1, 4, 8]), st.integers(0, 12), st.integers(0, SIZE))
@settings(deadline=None, max_examples=25)
def test_whatever_comes_first_it_is_given_out_in_order(
    seed: int, wanted: int, free: int, first: int
) -> None:
    async def go() -> None:
        source, slots = Source(seed), Slots(free)
        async with budget(slots, wanted=wanted) as found:
            assert (
                await read(ParallelDownload(first, SIZE, found, source.open_at)) == CONTENT[first:]
            )
        assert source.open == 0
        assert slots.free == slots.count
        assert source.most_open <= min(wanted, 1 + free)

    anyio.run(go)


async def test_a_source_that_throttles_is_read_over_eight_connections_at_once() -> None:
    source, slots = Source(), Slots(20)
    async with budget(slots, source) as found:
        assert await read(ParallelDownload(0, SIZE, found, source.open_at)) == CONTENT

    assert source.most_open == 8
    assert source.seconds < SIZE / RATE / 3


@pytest.mark.parametrize("breaks", [PIECE + CHUNK + 1, 3 * PIECE, 7 * PIECE])
async def test_where_a_piece_cannot_be_had_one_reading_goes_on(breaks: int) -> None:
    source, slots = Source(breaks=breaks), Slots(20)
    async with budget(slots, wanted=4) as found:
        assert await read(ParallelDownload(0, SIZE, found, source.open_at)) == CONTENT

        assert found.parallelism.wanted == 1
        assert slots.free == slots.count
    plain = [first for first, last in source.asked if last is None]
    # Where the first reading has done its part by then, another goes on, and no third.
    assert plain[0] == 0
    assert len(plain) == 1 or plain[1:] == [breaks - breaks % CHUNK]


async def test_a_bug_in_a_piece_is_the_readers_and_nobody_elses() -> None:
    source, slots = Source(), Slots(20)

    def open_at(first: int, last: int | None = None) -> Chunks:
        if first >= 3 * PIECE:
            raise ZeroDivisionError
        return source.open_at(first, last)

    async with budget(slots, wanted=8) as found:
        with pytest.raises(ZeroDivisionError):
            await read(ParallelDownload(0, SIZE, found, open_at))
    assert (source.open, slots.free) == (0, slots.count)


async def test_what_one_reading_cannot_have_either_is_an_error() -> None:
    source = Source(breaks=6 * PIECE, times=2)
    async with budget(Slots(20), wanted=4) as found:
        with pytest.raises(NetworkError):
            await read(ParallelDownload(0, SIZE, found, source.open_at))
    assert source.open == 0


@pytest.mark.parametrize("chunks", [1, 9, 30])
async def test_who_stops_in_the_middle_leaves_nothing_open(chunks: int) -> None:
    source, slots = Source(), Slots(20)
    async with budget(slots, wanted=8) as found:
        spreading = ParallelDownload(0, SIZE, found, source.open_at)
        for _ in range(chunks):
            await anext(spreading)
        await spreading.aclose()
        assert [chunk async for chunk in spreading] == []
    assert source.open == 0
    assert slots.free == slots.count


async def test_who_is_closed_while_it_reads_takes_nothing_more() -> None:
    source, slots = Source(), Slots(20)
    async with budget(slots, wanted=8) as found:
        spreading = ParallelDownload(0, SIZE, found, source.open_at)

        async def read_one() -> None:
            await anext(spreading, b"")

        async with anyio.create_task_group() as reader:
            reader.start_soon(read_one)
            await anyio.lowlevel.checkpoint()
            await spreading.aclose()
        assert slots.free == slots.count
        assert found.readings == {}


async def test_a_piece_that_has_come_keeps_no_connection() -> None:
    source, slots = Source(), Slots(20)
    async with budget(slots, wanted=8) as found:
        spreading = ParallelDownload(0, SIZE, found, source.open_at)
        await anext(spreading)
        assert slots.free == 20 - 7
        await anyio.wait_all_tasks_blocked()
        assert slots.free == 20
        assert await read(spreading) == CONTENT[CHUNK:]


async def test_no_more_pieces_are_kept_than_there_is_memory_for() -> None:
    slots = Slots(99)
    async with budget(slots, wanted=8) as found:
        sources = [Source(seed) for seed in range(4)]
        readings = [ParallelDownload(0, SIZE, found, source.open_at) for source in sources]
        for reading in readings:
            await anext(reading)
        assert slots.least == 99 - 8
        assert [await read(one) for one in readings] == [CONTENT[CHUNK:]] * 4
    assert slots.free == 99


BIG = layer("big", SIZE)


@pytest.fixture
async def registry() -> AsyncIterator[EmbeddedRegistry]:
    registry = EmbeddedRegistry(keep_log=True)
    put(registry.store, "app", Blob(b"{}", "application/json"), [BIG], "1")
    async with registry.running():
        yield registry


@asynccontextmanager
async def client(
    registry: EmbeddedRegistry,
) -> AsyncIterator[tuple[Client, ConnectionBudget, Slots]]:
    slots = Slots(20)

    async with (
        Transport(lambda _: None, TlsContexts(), Proxies()) as transport,
        budget(slots, wanted=4) as found,
    ):
        repository = Repository(Registry(registry.host), "app")

        @asynccontextmanager
        async def send(request: Request) -> AsyncIterator[Reply]:
            url = f"http://{registry.host}{request.url}"
            async with transport.send(replace(request, url=url)) as reply:
                yield reply

        yield Client(send, repository, Side.SOURCE, budget=found), found, slots


def described() -> Descriptor:
    return Descriptor(Digest.of(BIG.content), len(BIG.content))


async def fetched(client: Client) -> None:
    blob = described()
    verifier = Verifier(blob.digest, blob.size)
    chunks = client.read(blob)
    try:
        with client.reading(blob):
            async for chunk in chunks:
                verifier.update(chunk)
            verifier.finish()
    finally:
        await chunks.aclose()


async def test_a_registry_is_asked_for_ranges_that_do_not_overlap(
    registry: EmbeddedRegistry,
) -> None:
    async with client(registry) as (reader, found, slots):
        await fetched(reader)
        assert found.parallelism.wanted == 4
        assert slots.free == slots.count

    asked = [one.range for one in registry.log]
    pieces = sorted(tuple(map(int, one[6:].split("-"))) for one in asked if one)
    assert asked.count("") == 1
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(pieces))
    assert pieces[-1][1] == len(BIG.content) - 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("GET", "/blobs/", 200, {}, b"x" * 99), id="the whole"),
        pytest.param(
            Fault("GET", "/blobs/", 206, {"Content-Range": "bytes 0-9/99"}, b"x"), id="another part"
        ),
        pytest.param(Fault("GET", "/blobs/", 403), id="nothing"),
    ],
)
async def test_a_registry_that_gives_no_ranges_is_asked_for_no_more_of_them(
    registry: EmbeddedRegistry, fault: Fault
) -> None:
    async with client(registry) as (reader, found, slots):
        blob = described()
        chunks = reader.read(blob)
        first = await anext(chunks)
        fault.times = 3
        registry.faults.append(fault)
        verifier = Verifier(blob.digest, blob.size)
        verifier.update(first)
        async for chunk in chunks:
            verifier.update(chunk)
        verifier.finish()
        await chunks.aclose()

        assert not found.parallelism.useful
        assert slots.free == slots.count


async def test_pieces_that_are_not_what_they_should_be_are_not_asked_for_again(
    registry: EmbeddedRegistry,
) -> None:
    async with client(registry) as (reader, found, _):
        registry.faults += [Fault("GET", "nothing"), Fault("GET", "/blobs/", corrupt=5, times=4)]
        with pytest.raises(MirrorError):
            await fetched(reader)
        assert not found.parallelism.useful

        registry.faults.clear()
        registry.log.clear()
        await fetched(reader)
    assert [one.range for one in registry.log] == [""]
