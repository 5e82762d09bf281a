"""Questions to repositories: each once for all who ask, and again where the answer was cut."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, put
from mirror.demo.server import EmbeddedRegistry
from mirror.effort import Effort, effort_of
from mirror.engine.run import Environment, opened
from mirror.engine.run_state import Run
from mirror.errors import DigestMismatch, MirrorError, Truncated
from mirror.events import Traffic
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_MANIFEST, Descriptor
from mirror.image.reference import Reference, Registry, Repository
from mirror.options import Options
from tests.conftest import Hurry

BLOB, EMPTY = (Descriptor(Digest.of(content), len(content)) for content in (b"x", b""))


class Lab:
    """A registry with an image, of which both sides of a run are repositories."""

    def __init__(self, registry: EmbeddedRegistry) -> None:
        self.registry, self.store, self.faults = registry, registry.store, registry.faults
        self.a, self.b = (Repository(Registry(registry.host), path) for path in "ab")
        self.tag = Reference(self.a, "1")
        put(self.store, "a", Blob(b"{}", CONFIG), [], tag="1")
        self.image = self.store.manifest("a", "1")
        self.hurry, self.effort = Hurry(), Effort()

    @asynccontextmanager
    async def run(self, retries: int = 0) -> AsyncIterator[Run]:
        around = Options(retries=retries), print, Traffic()
        environment = Environment(backoff=self.hurry.backoff(retries))
        async with opened(*around, environment) as run:
            with effort_of(self.effort):
                yield run

    def log(self) -> list[str]:
        return sorted(f"{one.method} {one.path.split('/')[3]}" for one in self.registry.log
                      if one.path != "/v2/")  # fmt: skip


@pytest.fixture
def lab(source: EmbeddedRegistry) -> Lab:
    return Lab(source)


async def together(*questions: Callable[[], Coroutine[Any, Any, object]]) -> None:
    async with anyio.create_task_group() as tasks:
        for question in questions:
            tasks.start_soon(question)


async def test_the_same_is_asked_once_for_all_who_ask_and_everything_else_by_itself(
    lab: Lab,
) -> None:
    digest = lab.image.digest
    async with lab.run() as run:
        here, there = run.source, run.destination
        await together(
            *[lambda: here.tags(lab.a)] * 2,
            *[lambda: here.manifest(lab.a, digest)] * 2,
            *[lambda: there.check_manifest(lab.a, digest, deep=False)] * 2,
            lambda: there.check_manifest(lab.a, digest, deep=True),
            lambda: there.check_manifest(lab.b, digest, deep=False),
            *[lambda: there.delete(lab.tag)] * 2,
            *[lambda: there.check_blob(lab.a, BLOB, deep=True)] * 2,
            *[lambda: there.check_blob(lab.a, EMPTY, deep=True)] * 2,
            lambda: there.check_blob(lab.a, BLOB, deep=False),
        )

    assert lab.log() == [
        "DELETE manifests", "GET blobs", "GET manifests", "GET manifests", "GET tags",
        "HEAD blobs", "HEAD blobs", "HEAD manifests", "HEAD manifests",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cut", "wrong", "retries", "asked", "error"),
    [
        (1, 0, 0, 1, Truncated),
        (3, 0, 3, 4, None),
        (4, 0, 3, 4, Truncated),
        (0, 1, 0, 1, DigestMismatch),
        (0, 1, 3, 2, None),
        (0, 2, 3, 2, DigestMismatch),
        (1, 1, 1, 3, None),
    ],
)
async def test_a_cut_answer_is_asked_for_again_as_often_as_allowed_and_a_wrong_one_once(
    lab: Lab, cut: int, wrong: int, retries: int, asked: int, error: type[MirrorError] | None
) -> None:
    lab.faults.append(Fault("GET", "/manifests/", truncate=9, times=cut))
    lab.faults.append(Fault("GET", "/manifests/", corrupt=9, times=wrong))
    came: MirrorError | None = None
    async with lab.run(retries) as run:
        try:
            await run.source.manifest(lab.a, lab.image.digest)
        except MirrorError as failure:
            came = failure

    assert type(came) is (error or type(None))
    assert lab.log() == ["GET manifests"] * asked
    assert lab.effort.attempts == asked
    assert (lab.hurry.now > 0) is (cut > 0 and retries > 0), "a wrong one is not waited out"


async def test_what_was_read_of_a_source_is_kept_until_there_is_too_much_of_it(lab: Lab) -> None:
    large = []
    for name in ("x", "y"):
        content = json.dumps({"annotations": {name: name * 9 * 1024 * 1024}}).encode()
        lab.store.put_manifest("b", name, content, OCI_MANIFEST)
        large.append(lab.store.put_manifest("a", name, content, OCI_MANIFEST).digest)
    async with lab.run() as run:
        read, kept = run.source.manifest, run.source.kept
        await together(lambda: read(lab.a, large[0]), lambda: read(lab.b, large[0]))
        assert await read(lab.a, large[0]) is kept(large[0]), "that it was read twice counts once"
        await read(lab.a, large[1])
        assert (kept(large[0]), kept(large[1]) is None) == (None, False)

    assert lab.log() == ["GET manifests"] * 3
