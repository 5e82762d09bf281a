"""One blob into a repository: looked for, mounted or uploaded, with the fewest questions."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from mirror.effort import Effort, effort_of
from mirror.engine.blob_copy import copy_blob, ensure_blob, is_of_other_source, replace_blob
from mirror.engine.run_state import Route, Run
from mirror.errors import Denied
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Registry, Repository
from mirror.options import Options
from mirror.place import Place, Side
from tests.engine.world import CopyBlob, FindBlob, Task, World

BLOB = Descriptor(Digest.of(b"x"), 7)
S = Repository.parse("s.io/a")
A, B, C = (Repository.parse(f"d.io/{path}") for path in "abc")


class Others:
    """Other processes, which have brought the blob to a repository, or have not."""

    def __init__(self, home: Repository | None) -> None:
        self.home, self.asked = home, 0

    async def claim(self, registry: Registry, blob: Descriptor) -> Repository | None:
        self.asked += 1
        return self.home


def asked(
    work: Callable[[Run], Awaitable[object]], there: str = "", *,
    known: Repository | None = None, exists: bool | None = False, force: bool = False,
) -> list[str]:  # fmt: skip
    """Return the blobs that are looked for, and those copied, with where a mount is tried from.

    The blob is ``there`` in some repositories and ``known`` to be in one; whether d.io/a
    ``exists`` may be known too.
    """
    world = World()
    world.blobs = {(f"d.io/{path}", BLOB.digest) for path in there}

    async def on_run(run: Run) -> None:
        if known is not None:
            run.known.add_blob(known, BLOB.digest)
        if exists is not None:
            (run.known.found_repository if exists else run.known.missed_repository)(A)
        await work(run)

    world.run(on_run, Options(force=force))
    return [_said(task) for task in world.done]


def _said(task: Task) -> str:
    if isinstance(task, FindBlob):
        return f"look {task.repository.path}"
    assert isinstance(task, CopyBlob)
    origin = f" from {task.mount_from.path}" if task.mount_from is not None else ""
    return f"copy {task.destination.path}{origin}"


@pytest.mark.parametrize(
    ("exists", "there", "force", "requests", "copied"),
    [
        (None, "", False, ["copy a from a"], True),
        (None, "a", False, ["copy a from a"], False),
        (None, "a", True, ["copy a"], True),
        (False, "", False, ["copy a"], True),
        (True, "", False, ["look a", "copy a"], True),
        (True, "a", False, ["look a"], False),
        (True, "a", True, ["copy a"], True),
    ],
)
def test_how_a_blob_is_looked_for_depends_on_whether_the_repository_was_there(
    exists: bool | None, there: str, force: bool, requests: list[str], copied: bool
) -> None:
    effort = Effort()

    async def copy_twice(run: Run) -> None:
        with effort_of(effort):
            await copy_blob(run, Route(S, A), BLOB)
            assert await copy_blob(run, Route(S, A), BLOB) is False

    assert asked(copy_twice, there, exists=exists, force=force) == requests
    assert effort.bytes_copied == copied * BLOB.size
    assert effort.begun is (requests != ["look a"]), "to look is not to move anything"


def test_what_a_registry_misses_or_has_wrong_is_looked_for_and_not_mounted() -> None:
    peers = Others(C)

    async def bring(run: Run) -> None:
        run.peers = peers
        assert await ensure_blob(run, Route(S, A), BLOB, refused=True) is True
        await replace_blob(run, Route(S, C), BLOB, corrupted=True)
        await replace_blob(run, Route(S, C), BLOB, corrupted=False)

    assert asked(bring, "b", known=B) == ["look a", "copy a", "copy c", "copy c from b"]
    assert peers.asked == 0, "it must come from the source"


@pytest.mark.parametrize(("source", "begun"), [(S, ["a"]), (C, ["a", "b"])])
def test_the_first_upload_to_a_registry_goes_alone_and_within_one_nothing_waits(
    source: Repository, begun: list[str]
) -> None:
    world, started, together = World(), list[str](), list[list[str]]()

    async def hold(task: Task) -> None:
        assert isinstance(task, CopyBlob)
        started.append(task.destination.path)
        await anyio.wait_all_tasks_blocked()
        together.append([*started])

    async def work(run: Run) -> None:
        async with anyio.create_task_group() as tasks:
            for destination in (A, B):
                run.known.missed_repository(destination)
                tasks.start_soon(copy_blob, run, Route(source, destination), BLOB)

    world.before = hold
    world.run(work, Options())

    assert together[0] == begun


def test_what_is_mounted_does_not_wait_behind_bodies() -> None:
    mounted, streamed = (Descriptor(Digest.of(name), 2**30) for name in (b"one", b"other"))
    world, begun, together = World(), list[str](), list[int]()

    async def hold(task: Task) -> None:
        begun.append(str(task))
        await anyio.wait_all_tasks_blocked()
        together.append(len(begun))

    async def work(run: Run) -> None:
        run.known.missed_repository(A)
        run.known.add_blob(B, mounted.digest)
        async with anyio.create_task_group() as tasks:
            for blob in (streamed, mounted):
                tasks.start_soon(copy_blob, run, Route(S, A), blob)

    world.before = hold
    # Of two slots, bodies have one.
    world.run(work, Options(max_per_registry=2))

    assert together[0] == 2


@pytest.mark.parametrize(
    ("source", "home", "known", "exists", "claims", "copy"),
    [
        (S, B, None, False, 1, "copy a from b"),
        (S, None, None, False, 1, "copy a"),
        (S, B, None, None, 1, "copy a from b"),
        (S, None, None, None, 1, "copy a from a"),
        (S, B, C, False, 0, "copy a from c"),
        (C, B, None, False, 0, "copy a from c"),
    ],
)
def test_other_processes_are_asked_for_what_this_one_would_upload(
    source: Repository, home: Repository | None, known: Repository | None,
    exists: bool | None, claims: int, copy: str,
) -> None:  # fmt: skip
    peers = Others(home)

    async def copy_beside(run: Run) -> None:
        run.peers = peers
        await copy_blob(run, Route(source, A), BLOB)

    assert asked(copy_beside, "bc", known=known, exists=exists) == [copy]
    assert peers.asked == claims


@pytest.mark.parametrize(
    ("where", "foreign"),
    [("r.io/a@sha256:1", True), ("s.io/ab:1", True), ("s.io/a@sha256:1", False), ("s.io/a", False)],
)
def test_only_what_another_source_did_wrong_says_nothing_of_this_one(
    where: str, foreign: bool
) -> None:
    at_source, at_destination = (Denied("no").at(Place(side, where, "asking")) for side in Side)

    assert is_of_other_source(S, at_source) is foreign
    assert is_of_other_source(S, at_destination) is is_of_other_source(S, Denied("no")) is False
