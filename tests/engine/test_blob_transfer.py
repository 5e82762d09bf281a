"""One blob between two registries that may answer anything at all, at any time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.engine.blob_transfer import BlobTransfer, Transfers
from mirror.errors import MirrorError, NetworkError, Truncated
from mirror.events import Traffic
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.options import Timeouts
from mirror.place import Side
from mirror.registry.capabilities import Capabilities
from mirror.registry.client import Client
from mirror.registry.retrying import Retrying
from mirror.wire.message import Reply, Request
from mirror.wire.upload_strategy import Method, UploadStrategy
from tests.conftest import Hurry

KIB = 1024
CONTENT = bytes(range(256)) * 10 * KIB  # 2.5 MiB, so that the hash is noted down on the way
BLOB = Descriptor(Digest.of(CONTENT), len(CONTENT), "application/x")
SOURCE, DESTINATION = Repository.parse("s.io/a"), Repository.parse("d.io/a")
# More than any sequence of answers below may lead to.
REQUESTS_LIMIT = 300

ANSWERS = (
    "right",
    "503",
    "429",
    "404",
    "416",
    "413",
    "405",
    "corrupted",
    "page",
    "before",
    "after",
)


@dataclass
class Peer:
    """A registry that does what it is told for its next answers, and right after that.

    An answer is one of the above, or a share of the body after which it breaks
    off: what a source sends, or a destination has taken.  It commits whatever it
    has, as a registry without any checks would.
    """

    answers: list[str | float]
    corrupt: list[bool] = field(default_factory=list)
    asked: int = 0
    sessions: dict[str, bytearray] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    committed: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        self.asked += 1
        assert self.asked < REQUESTS_LIMIT, "it goes on for ever"
        answer = self.answers.pop(0) if self.answers else "right"
        url = f"https://d.io{request.url.removeprefix('https://d.io')}"
        if request.method == "DELETE":
            self.closed.add(url.rpartition("/")[2])
        if answer == "before":
            raise NetworkError("cut off before anything was done")
        if answer in ("503", "429", "404", "416", "413", "405"):
            yield Reply(int(str(answer)), url)
        elif answer == "corrupted":
            yield Reply(400, url, chunks=_once(b'{"errors": [{"code": "DIGEST_INVALID"}]}'))
        elif answer == "page":
            yield Reply(200, url, {"Content-Type": "text/html"}, _once(b"<html>"))
        elif "/blobs/uploads/" in request.url:
            reply = await self._write(request, url, answer)
            if answer == "after":
                raise NetworkError("cut off after all was done")
            if "Location" in reply.headers:
                self.told.add(reply.headers["Location"].rpartition("/")[2])
            yield reply
        elif request.method == "HEAD":
            yield Reply(200 if self.committed else 404, url)
        else:
            yield self._read(request, url, answer)

    def _read(self, request: Request, url: str, answer: str | float) -> Reply:
        first = int(request.headers.get("Range", "bytes=0-")[6:-1])
        content = bytearray(CONTENT[first:])
        if self.corrupt and self.corrupt.pop(0):
            content[len(content) // 2] ^= 1
        end = int(len(content) * answer) if isinstance(answer, float) else None
        headers = {"Content-Range": f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        return Reply(206 if first else 200, url, headers if first else {}, _chunks(content, end))

    async def _write(self, request: Request, url: str, answer: str | float) -> Reply:
        if request.method == "POST":
            name = str(len(self.sessions))
            self.sessions[name] = bytearray()
            return Reply(202, url, {"Location": f"/v2/a/blobs/uploads/{name}"})
        name = request.url.partition("?")[0].rpartition("/")[2]
        if (session := self.sessions.get(name)) is None:
            return Reply(404, url)
        if request.method in ("PATCH", "PUT"):
            start = request.headers.get("Content-Range")
            if start is not None and int(start.partition("-")[0]) != len(session):
                return Reply(416, url)
            await _take(request, session, answer)
        if request.method == "PUT":
            self.committed.append(bytes(self.sessions.pop(name)))
            self.closed.add(name)
            return Reply(201, url)
        if request.method == "DELETE":
            del self.sessions[name]
            return Reply(204, url)
        status = 204 if request.method == "GET" else 202
        return Reply(status, url, {"Range": f"0-{max(len(session) - 1, 0)}"})


async def _take(request: Request, session: bytearray, answer: str | float) -> None:
    length = request.length or 0
    end = len(session) + (int(length * answer) if isinstance(answer, float) else length)
    if isinstance(request.body, bytes):
        session += request.body
        return
    try:
        async for chunk in request.body:
            session += chunk[: end - len(session)]
            if len(session) >= end and isinstance(answer, float):
                break
    except Exception as error:
        raise NetworkError("the body broke off") from error
    if isinstance(answer, float):
        raise NetworkError("cut off while it was sent")


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _chunks(content: bytearray, end: int | None) -> AsyncIterator[bytes]:
    step = 300 * KIB
    for start in range(0, len(content) if end is None else end, step):
        yield bytes(content[start : min(start + step, end or len(content))])
    if end is not None:
        raise Truncated("cut off while it was read")


async def transfer(
    source: Peer, destination: Peer, strategy: UploadStrategy, retries: int = 3
) -> None:
    hurry = Hurry()
    backoff = hurry.backoff(retries)
    reading, writing = (Retrying(peer.send, backoff).send for peer in (source, destination))
    known = Capabilities(strategy)
    await BlobTransfer(
        Client(reading, SOURCE, Side.SOURCE, backoff=backoff),
        Client(writing, DESTINATION, Side.DESTINATION, known, backoff=backoff),
        BLOB,
        None,
        Transfers(Timeouts(), backoff, Traffic()),
    ).copy()


def answers() -> st.SearchStrategy[list[str | float]]:
    one = st.one_of(st.sampled_from(ANSWERS), st.floats(0.0, 0.99))
    return st.lists(one, max_size=14)


STRATEGIES = st.sampled_from(
    [
        UploadStrategy(),
        UploadStrategy(Method.STREAMED),
        *(UploadStrategy(Method.CHUNKED, n * 700 * KIB) for n in (1, 2, 3)),
    ]
)


@given(answers(), answers(), st.lists(st.booleans(), max_size=4), STRATEGIES)
@settings(deadline=None, max_examples=150)
def test_whatever_is_answered_nothing_wrong_is_committed_and_no_session_is_left(
    reading: list[str | float],
    writing: list[str | float],
    corrupt: list[bool],
    strategy: UploadStrategy,
) -> None:
    source, destination = Peer(reading, corrupt), Peer(writing)
    failed = False
    try:
        anyio.run(transfer, source, destination, strategy)
    except MirrorError:
        failed = True

    assert all(content == CONTENT for content in destination.committed)
    assert failed or destination.committed
    assert destination.told <= destination.closed


@given(
    st.lists(st.floats(0.3, 0.9), max_size=3), st.lists(st.floats(0.3, 0.9), max_size=3), STRATEGIES
)
@settings(deadline=None, max_examples=50)
def test_a_way_that_only_breaks_off_leads_there_in_the_end(
    reading: list[float], writing: list[float], strategy: UploadStrategy
) -> None:
    # The first answer of the destination opens the session.
    source, destination = Peer([*reading]), Peer(["right", *writing])
    anyio.run(transfer, source, destination, strategy)

    assert destination.committed == [CONTENT]


@pytest.mark.parametrize("retries", [0, 1])
def test_nothing_is_tried_again_where_that_is_not_wanted(retries: int) -> None:
    source, destination = Peer([0.5, 0.5]), Peer([])
    with pytest.raises(NetworkError):
        anyio.run(transfer, source, destination, UploadStrategy(), retries)
    assert source.asked == retries + 1
