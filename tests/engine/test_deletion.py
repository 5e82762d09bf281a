"""What still uses a digest that is to be deleted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.lowlevel import checkpoint

from mirror.demo.images import image, layer
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.deletion import Usages
from mirror.engine.run import opened
from mirror.events import Traffic
from mirror.image.digest import Digest
from mirror.image.platform import Platform
from mirror.image.reference import Reference, Repository
from mirror.options import Options

ARM = Platform("linux", "arm64")
TAGS = [str(number) for number in range(5)]


@asynccontextmanager
async def usages_in(target: EmbeddedRegistry) -> AsyncIterator[Usages]:
    """Give what uses digests, in a registry with a repository of five tags."""
    for tag in TAGS:
        made = image(target.store, "a", ARM, [layer(tag, 100)])
        content = target.store.manifest("a", str(made["digest"]))
        target.store.put_manifest("a", tag, content.content, content.media_type)
    options = Options(retries=0)
    async with opened(options, lambda _: None, Traffic()) as run:
        yield Usages(run.destination, run.listings, run.tasks)


def repository(target: EmbeddedRegistry) -> Repository:
    return Repository.parse(f"{target.host}/a")


async def test_a_tag_uses_what_it_names_unless_it_goes_itself(
    target: EmbeddedRegistry,
) -> None:
    async with usages_in(target) as usages:
        digest = target.store.manifest("a", "3").digest
        assert await usages.user_of(repository(target), digest) == "the tag 3"
        usages.expect_gone(Reference(repository(target), "3"))
        assert await usages.user_of(repository(target), digest) == ""


async def test_a_digest_that_went_with_another_tag_is_used_by_nothing(
    target: EmbeddedRegistry,
) -> None:
    async with usages_in(target) as usages:
        assert await usages.user_of(repository(target), Digest.of(b"gone")) == ""


async def test_a_repository_is_looked_at_once_whenever_it_is_asked_about(
    target: EmbeddedRegistry,
) -> None:
    over = anyio.Event()

    async def ask_first(usages: Usages, digest: Digest) -> None:
        await usages.user_of(repository(target), digest)
        over.set()

    # One more caller in each turn of the loop, until the first has its answer.
    async with usages_in(target) as usages, anyio.create_task_group() as tasks:
        digest = target.store.manifest("a", "1").digest
        tasks.start_soon(ask_first, usages, digest)
        while not over.is_set():
            tasks.start_soon(usages.user_of, repository(target), digest)
            await checkpoint()

    looked = [one.path.rpartition("/")[2] for one in target.log if one.method == "HEAD"]
    assert sorted(looked) == TAGS
