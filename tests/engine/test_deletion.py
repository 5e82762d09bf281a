"""Tags on their way out: what still uses a digest, and what becomes of each tag."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint

from mirror.demo.images import image, layer
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.deletion import Deletion, TagDeletion, Usages
from mirror.engine.run import opened
from mirror.engine.run_state import Run
from mirror.errors import MirrorError, NetworkError
from mirror.events import Traffic
from mirror.image.digest import Digest
from mirror.image.manifest import Manifest
from mirror.image.platform import Platform
from mirror.image.reference import Reference, Repository
from mirror.image.referrers_index import fallback_tag
from mirror.mapping.grammar import parse
from mirror.options import Options
from tests.engine.world import DeleteManifest, ListTags, ReadManifest, Resolve, Task, World, kinds

A = Repository.parse("d.io/a")
(RULE,) = parse(["s.io/a=d.io/a"])


def with_tags(tags: dict[str, str], *, by_digest: bool = False) -> World:
    """A world with images under tags, at the destination only."""
    world = World()
    world.there = {f"d.io/a:{tag}": world.image(name).digest for tag, name in tags.items()}
    world.by_digest = by_digest
    return world


def users(world: World, *manifests: Manifest, going: str = "", kept: Manifest | None = None,
) -> list[str]:  # fmt: skip
    """Return what uses each manifest, or what keeps that from being known."""
    found = list[str]()

    async def work(run: Run) -> None:
        usages = Usages(run.destination, run.listings, run.tasks)
        for tag in going:
            usages.expect_gone(Reference(A, tag))
        if kept is not None:
            usages.keep(A, kept.digest)
        for manifest in manifests:
            try:
                found.append(await usages.user_of(A, manifest.digest))
            except MirrorError as error:
                found.append(str(error))

    world.run(work, Options())
    return found


def test_a_digest_is_used_by_what_leads_to_it_however_deep_and_by_what_is_about_it() -> None:
    world = with_tags({"z": "z"})
    child, signed, lonely = world.image("c"), world.image("s"), world.image("l")
    inner, wanted = world.index(child), world.index(lonely)
    about, referrer = f"{fallback_tag(signed.digest)}.sig", world.referrer(lonely)
    world.there |= {"d.io/a:x": world.index(inner).digest, f"d.io/a:{about}": wanted.digest}
    world.lists["d.io/a"][inner.digest] = [referrer]

    assert users(world, inner, child, signed, referrer) == [
        "the tag x", "the tag x", f"the tag {about}", f"{lonely.digest}, to which it refers,",
    ]  # fmt: skip
    assert kinds(world.done).count("ListTags") == 1
    assert users(world, child, kept=inner) == ["a mapping"]
    del world.there["d.io/a:x"], world.there[f"d.io/a:{about}"]
    assert users(world, inner, child, lonely) == ["a referrer", "", ""]


def test_a_tag_that_goes_does_not_use_what_it_names_but_what_is_below_that() -> None:
    world = with_tags({"y": "o", "z": "o"})
    child, other = world.image("c"), world.image("o")
    top = world.index(child)
    world.there["d.io/a:x"] = top.digest

    assert users(world, top, child, other, going="xy") == ["", "the tag x", "the tag z"]


@pytest.mark.parametrize("kind", [ListTags, Resolve, ReadManifest])
def test_a_look_that_failed_is_the_answer_to_all_who_ask(kind: type[Task]) -> None:
    world, errors = with_tags({}), [NetworkError("gone")]
    child = world.image("c")
    world.there["d.io/a:x"] = world.index(child).digest
    world.breaks = lambda task: errors.pop() if isinstance(task, kind) and errors else None

    assert users(world, child, child) == ["gone", "gone"]


@pytest.mark.parametrize(
    ("closes_at", "by_digest", "outcome"),
    [
        (None, False, "pruned"),
        (Resolve, False, "deferred"),
        (DeleteManifest, False, "pruned"),
        (None, True, "pruned"),
        (ListTags, True, "deferred"),
    ],
)
def test_after_the_close_what_was_sent_comes_to_its_end_and_nothing_else_is_sent(
    closes_at: type[Task] | None, by_digest: bool, outcome: str
) -> None:
    world = with_tags({"1": "x", "2": "y"}, by_digest=by_digest)

    async def work(run: Run) -> None:
        usages = Usages(run.destination, run.listings, run.tasks)
        deletion = Deletion(run.source, run.destination, usages, run.emit)

        async def close(task: Task) -> None:
            if closes_at is not None and isinstance(task, closes_at):
                deletion.close()

        world.before = close
        for tag in "119":  # of which the last is not there
            await deletion.delete([TagDeletion(Reference(A, tag), RULE, ())])
        deletion.cancel_pending()

    world.run(work, Options())

    assert world.pruned()[:1] == [("d.io/a:1", outcome)]
    assert [name for name, _ in world.pruned()].count("d.io/a:1") == 1
    assert ("d.io/a:1" in world.there) is (outcome == "deferred")


def test_nothing_is_deleted_after_the_close() -> None:
    world = with_tags({"1": "x"})

    async def work(run: Run) -> None:
        usages = Usages(run.destination, run.listings, run.tasks)
        deletion = Deletion(run.source, run.destination, usages, run.emit)
        deletion.close()
        await deletion.delete([TagDeletion(Reference(A, "1"), RULE, ())])

    world.run(work, Options())

    assert world.pruned() == [("d.io/a:1", "deferred")]
    assert "d.io/a:1" in world.there


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
