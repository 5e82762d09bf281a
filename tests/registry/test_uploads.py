"""Uploads: opened or mounted, written in the way the registry takes, cancelled."""

import anyio
import pytest

from mirror.errors import MirrorError, NetworkError, RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.place import Side
from mirror.registry.capabilities import Capabilities
from mirror.registry.error_context import ErrorContext
from mirror.registry.uploads import Uploads
from mirror.wire.message import Reply
from mirror.wire.upload import State, Upload
from mirror.wire.upload_strategy import MIB, Method, UploadStrategy
from tests.registry.scripted import Scripted, answer

APP, BASE = Repository.parse("r.io/app"), Repository.parse("r.io/base")
WHOLE, STREAMED = UploadStrategy(), UploadStrategy(Method.STREAMED)
CHUNKED = UploadStrategy(Method.CHUNKED, chunk=4)
DIGEST = Digest.of(b"0123456789")


class Uploading(Scripted):
    """One upload into a registry of these answers."""

    def __init__(
        self, *answers: Reply | MirrorError, strategy: UploadStrategy = WHOLE, size: int = 10
    ) -> None:
        super().__init__(*answers)
        context = ErrorContext(APP, Side.DESTINATION)
        self.uploads = Uploads(self.send, APP, context, Capabilities(strategy))
        self.upload = self.uploads.begin(Descriptor(DIGEST, size), BASE)
        self.pieces: list[int] = []

    async def opened(self) -> Upload:
        await self.uploads.open(self.upload)
        return self.upload

    def take(self, count: int) -> bytes:
        self.pieces.append(count)
        return bytes(count)


def session() -> Reply:
    return answer(202, location="/u/1")


@pytest.mark.parametrize(
    ("size", "broken", "corrupted", "method"),
    [(20 * MIB, False, False, Method.WHOLE), (20 * MIB, True, False, Method.CHUNKED),
     (20 * MIB, True, True, Method.CHUNKED), (1, True, True, Method.STREAMED)],
)  # fmt: skip
def test_a_blob_that_failed_once_is_sent_in_another_way(
    size: int, broken: bool, corrupted: bool, method: Method
) -> None:
    blob = Descriptor(DIGEST, size)
    upload = Uploading().uploads.begin(blob, None, broken=broken, corrupted=corrupted)

    assert upload.strategy.method is method


@pytest.mark.parametrize(
    ("answers", "said"),
    [([answer(201)], "MOUNTED"), ([answer(401), session()], "SENDING"),
     ([answer(401), answer(202)], "opening the upload: 202 Accepted: no upload session")],
)  # fmt: skip
async def test_a_refused_mount_is_followed_by_a_session(answers: list[Reply], said: str) -> None:
    registry = Uploading(*answers)
    try:
        found = (await registry.opened()).state.name
    except RegistryError as error:
        found = str(error)
    assert said in found
    assert ["mount=" in one.url for one in registry.asked] == [True, False][: len(answers)]


@pytest.mark.parametrize(
    ("strategy", "size", "pieces", "methods"),
    [(WHOLE, 10, [10], "PUT"), (WHOLE, 0, [], "PUT"), (STREAMED, 10, [10], "PATCH PUT"),
     (CHUNKED, 10, [4, 4, 2], "PATCH PATCH PATCH PUT")],
)  # fmt: skip
async def test_each_request_carries_its_part_of_the_blob(
    strategy: UploadStrategy, size: int, pieces: list[int], methods: str
) -> None:
    taken = [answer(202) for _ in methods.split()]
    registry = Uploading(session(), *taken, strategy=strategy, size=size)
    await registry.uploads.write(await registry.opened(), registry.take)

    assert registry.upload.state is State.STORED
    assert (registry.pieces, registry.methods) == (pieces, f"POST {methods}")


@pytest.mark.parametrize("said", [answer(204), answer(404), NetworkError("reset")])
async def test_a_session_is_cancelled_even_while_the_run_is(said: Reply | MirrorError) -> None:
    registry = Uploading(session(), said)
    await registry.uploads.cancel(registry.upload)
    assert registry.asked == []  # there is no session yet

    await registry.opened()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await registry.uploads.cancel(registry.upload)
    assert (registry.methods, registry.open) == ("POST DELETE", 0)
