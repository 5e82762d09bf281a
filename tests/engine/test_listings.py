"""Lists that are read once, and catalogs that are worked on while they come."""

from typing import Any

import anyio
import pytest

from mirror.engine.run_state import Run
from mirror.errors import NetworkError
from mirror.events import Status
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference, Registry, Repository
from mirror.options import Options
from mirror.wire.listing import PagedNames
from tests.engine.world import ListCatalog, ListTags, PutManifest, Task, World

R = Registry("s.io")


def catalog(*names: str) -> World:
    """A world whose source lists one repository on each page."""
    world = World()
    world.page = 1
    for name in names:
        world.image(name, name=f"s.io/{name}:1")
    return world


def pages_asked(world: World) -> list[int]:
    return [task.page for task in world.done if isinstance(task, ListCatalog)]


def test_all_readers_are_given_each_page_as_it_comes_and_it_is_asked_for_once() -> None:
    world, held = catalog("a", "b", "c"), anyio.Event()
    early, late, last = list[Any](), list[Any](), list[Any]()

    async def hold(task: Task) -> None:
        if task == ListCatalog(R, 1):
            await held.wait()

    async def read(run: Run, into: list[Any]) -> None:
        async for page in run.listings.repositories(R, ""):
            into.append(page)  # noqa: PERF401 - each as it comes

    async def work(run: Run) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, run, early)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(read, run, late)
            await anyio.wait_all_tasks_blocked()
            assert early == late == [("a",)]
            held.set()
        await read(run, last)

    world.before = hold
    world.run(work, Options())

    assert early == late == last == [("a",), ("b",), ("c",)]
    assert pages_asked(world) == [0, 1, 2]


def test_a_catalog_that_breaks_off_is_an_error_for_all_and_read_again_by_the_next() -> None:
    world, came = catalog("a", "b"), list[Any]()
    error = NetworkError("gone")
    failing = [error]

    async def work(run: Run) -> None:
        for _ in range(2):
            try:
                async for page in run.listings.repositories(R, ""):
                    came.append(page)
            except NetworkError as caught:
                came.append(caught)

    world.breaks = lambda task: failing.pop() if failing and task == ListCatalog(R, 1) else None
    world.run(work, Options())

    assert came == [("a",), error, ("a",), ("b",)]


def test_what_a_list_says_of_tags_is_known() -> None:
    world = World()
    world.describes = True
    image = world.image("x", name="s.io/a:1")

    async def work(run: Run) -> None:
        reference = Reference(Repository(R, "a"), "1")
        assert run.listings.described(reference) is None
        await run.listings.tags(reference.repository)
        found = run.listings.described(reference)
        assert found == Descriptor(image.digest, 0, image.media_type)
        assert run.listings.described(Reference(reference.repository, "2")) is None

    world.run(work, Options())


def test_tags_are_listed_once_and_an_error_is_no_list() -> None:
    world, failing = World(), [NetworkError("gone")]
    world.image("x", name="s.io/a:1")
    world.breaks = lambda task: failing.pop() if failing else None

    async def work(run: Run) -> None:
        with pytest.raises(NetworkError):
            await run.listings.tags(Repository(R, "a"))
        for _ in range(2):
            assert await run.listings.tags(Repository(R, "a")) == PagedNames(("1",))

    world.run(work, Options())

    assert len([task for task in world.done if isinstance(task, ListTags)]) == 1


def test_work_begins_before_the_last_page_has_come() -> None:
    world = World()
    world.page = 1
    for name in ("a", "b", "c"):
        world.image(name, name=f"s.io/x/{name}:1")
    copied = anyio.Event()

    async def hold(task: Task) -> None:
        if task == ListCatalog(R, 2):
            await copied.wait()
        if isinstance(task, PutManifest):
            copied.set()

    world.before = hold
    images = world.mirror("s.io/x/*=d.io/y/*")

    assert {image.status for image in images} == {Status.COPIED}
    assert len(images) == 3
    assert pages_asked(world) == [0, 1, 2]


def test_a_catalog_that_breaks_off_is_one_failure_and_what_came_is_copied() -> None:
    world = World()
    world.page = 1
    for name in ("a", "b"):
        world.image(name, name=f"s.io/x/{name}:1")
    world.breaks = lambda task: (
        NetworkError("gone") if isinstance(task, ListCatalog) and task.page else None
    )
    images = world.mirror("s.io/x/*=d.io/y/*")

    assert sorted((str(image.source), str(image.status)) for image in images) == [
        ("s.io/x/*", "failed"), ("s.io/x/a:1", "copied"),
    ]  # fmt: skip
