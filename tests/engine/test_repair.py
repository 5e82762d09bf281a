"""What a repair brings and in which order, and what it says of a registry that keeps its own."""

import pytest

from mirror.engine.repair import repair
from mirror.engine.run_state import Run
from mirror.engine.verification import Verification
from mirror.errors import IntegrityError
from mirror.image.digest import Digest
from mirror.image.manifest import Manifest
from mirror.mapping.grammar import parse
from mirror.mapping.wildcard import pair
from mirror.options import Options
from tests.engine.world import World

(RULE,) = parse(["s.io/a:1=d.io/a"])
X = Digest.of(b"x")


def repaired(
    world: World,
    *manifests: Manifest,
    missing: tuple[Manifest, ...] = (),
    tags: dict[str, Manifest] | None = None,
    unlisted: dict[Manifest, Manifest] | None = None,
    corrupted: bool | None = None,
    looks: tuple[bool | None, ...] = (),
) -> list[str]:
    """Return what a repair changes after a verification found so much.

    All blobs are missing or ``corrupted``, or none.  Of the second ``looks`` some find a thing
    as it should be, some not at all, and some, for which None stands, as something else.
    """

    async def work(run: Run) -> None:
        found = Verification(run, pair(RULE), set())
        found.manifests = {one.digest: one for one in manifests}
        found.missing_manifests = {one.digest for one in missing}
        found.tags = {tag: manifest.digest for tag, manifest in (tags or {}).items()}
        for subject, referrer in (unlisted or {}).items():
            found.has_referrers = True
            found.unlisted_referrers[subject.digest] = (referrer.descriptor,)
        for blob in (blob for one in manifests for blob in one.blobs if corrupted is not None):
            run.known.add_blob(found.route.destination, blob.digest)
            found.blobs[blob.digest] = blob, bool(corrupted)
        for finds in looks:

            async def look(finds: bool | None = finds) -> bool:
                if finds is None:
                    raise IntegrityError("something else")
                return finds

            found.rechecks.append((X, look))
        await repair(run, found)

    world.run(work, Options(retries=0))
    return world.acts()


def test_blobs_come_first_then_children_then_lists_and_the_images_own_tag_last() -> None:
    world = World()
    child, signature, there = world.image("x"), world.image(), world.image()
    inner = world.index(child, there)
    top = world.index(inner, child)

    assert repaired(
        world, top, inner, child, there, signature, missing=(top, inner, child),
        tags={"1": top, "2.sig": signature}, unlisted={top: signature}, corrupted=True,
    ) == [
        f"copy {X.short} to d.io/a",
        *(f"put d.io/a@{one.digest}" for one in (child, inner, top)),
        f"list {signature.digest.short} of {top.digest.short} in d.io/a",
        "put d.io/a:2.sig", "put d.io/a:1",
    ]  # fmt: skip


def test_an_image_to_which_nothing_refers_is_put_with_its_tag_only() -> None:
    world = World()
    image = world.image()

    assert repaired(world, image, missing=(image,), tags={"1": image}) == ["put d.io/a:1"]


@pytest.mark.parametrize(("corrupted", "origin"), [(False, " from d.io/a"), (True, "")])
def test_a_blob_that_is_something_else_is_not_taken_from_where_it_is(
    corrupted: bool, origin: str
) -> None:
    world = World()

    assert repaired(world, world.image("x"), corrupted=corrupted) == [
        f"copy {X.short} to d.io/a{origin}"
    ]


@pytest.mark.parametrize("looks", [(True, False), (None, True)])
def test_what_a_registry_still_keeps_is_a_failure_that_says_what_to_do(
    looks: tuple[bool | None, ...],
) -> None:
    assert repaired(World(), looks=(True, True)) == []
    with pytest.raises(IntegrityError, match="still has something else") as caught:
        repaired(World(), looks=looks)
    assert str(caught.value.place) == f"destination d.io/a@{X}: looking again"
    assert "collect its garbage" in caught.value.hint
