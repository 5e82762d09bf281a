"""A manifest with all below it, into a repository that may not have noticed what came."""

import pytest

from mirror.engine.manifest_copy import copy_contents, put_complete
from mirror.engine.run_state import Route, Run
from mirror.errors import Incomplete, Unsupported
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, Manifest
from mirror.image.reference import Reference, Repository
from mirror.options import Options
from tests.engine.world import PutManifest, World

ROUTE = Route(Repository.parse("s.io/a"), Repository.parse("d.io/a"))
TAG = Reference.parse("d.io/a:1")
X, COPIED = Digest.of(b"x"), f"copy {Digest.of(b'x').short} to d.io/a"


def contents(world: World, manifest: Manifest, *known: Digest) -> bool:
    """Copy what a manifest names, of which some blobs are ``known`` to be there."""
    copied = list[bool]()

    async def work(run: Run) -> None:
        for digest in known:
            run.known.add_blob(ROUTE.destination, digest)
        copied.append(await copy_contents(run, ROUTE, manifest))
        own = Route(ROUTE.source, ROUTE.source)
        assert await copy_contents(run, own, manifest) is False, "it is there by another name"

    world.run(work, Options())
    return copied[0]


def put(world: World, manifest: Manifest, refusals: int, retries: int) -> bool:
    """Put a manifest that is refused so often; return whether it is known to be there then."""
    left, whole = [Incomplete("a blob is missing")] * refusals, list[bool]()

    async def work(run: Run) -> None:
        run.known.add_blob(ROUTE.destination, X)
        await put_complete(run, ROUTE, manifest, TAG)
        whole.append(run.known.has_manifest(ROUTE.destination, manifest.digest))

    world.breaks = lambda task: left.pop() if left and task == PutManifest(TAG, manifest) else None
    world.run(work, Options(retries=retries))
    return whole[0]


def test_what_is_below_a_manifest_comes_once_and_the_manifest_itself_does_not() -> None:
    world = World()
    child = world.image("x")
    inner = world.index(child)
    puts = [f"put d.io/a@{one.digest}" for one in (child, inner)]

    assert contents(world, world.index(inner, child), X) is True
    assert world.acts() == puts
    assert contents(world, child, X) is False
    assert contents(world, child) is True
    assert world.acts() == [*puts, f"{COPIED} from d.io/a"]


@pytest.mark.parametrize("levels", [DEPTH_LIMIT, DEPTH_LIMIT + 1])
def test_indexes_may_be_as_deep_as_the_limit_and_no_deeper(levels: int) -> None:
    world = World()
    top = world.image("x")
    for _ in range(levels):
        top = world.index(top)
    if levels > DEPTH_LIMIT:
        with pytest.raises(Unsupported, match="more than 8 indexes"):
            contents(world, top)
    else:
        contents(world, top)

    assert len(world.acts()) == (0 if levels > DEPTH_LIMIT else 1 + DEPTH_LIMIT)


@pytest.mark.parametrize(
    ("refusals", "retries", "waits"),
    [(0, 5, []), (1, 0, None), (2, 2, [1, 2]), (3, 2, None), (4, 9, [1, 2, 4, 8]), (5, 9, None)],
)
def test_a_registry_that_has_everything_is_given_time_to_notice_up_to_four_times(
    refusals: int, retries: int, waits: list[float] | None
) -> None:
    world = World()
    world.blobs.add(("d.io/a", X))
    if waits is None:
        with pytest.raises(Incomplete):
            put(world, world.image("x"), refusals, retries)
    else:
        assert put(world, world.image("x"), refusals, retries) is True
        assert world.slept == waits
    assert world.acts() == ["put d.io/a:1"] * (waits is not None)


def test_what_a_registry_misses_is_brought_again_at_once_though_it_was_known() -> None:
    world = World()

    assert put(world, world.image("x"), refusals=1, retries=1) is True
    assert (world.acts(), world.slept) == ([COPIED, "put d.io/a:1"], [])


def test_an_index_without_some_children_is_not_known_as_whole_nor_put_a_second_time() -> None:
    world = World()
    index = world.index(world.image("x")).with_children(())

    assert put(world, index, refusals=0, retries=0) is False
    with pytest.raises(Incomplete) as caught:
        put(world, index, refusals=1, retries=9)
    assert "leave out --keep-manifest-list" in caught.value.hint
