"""A whole run: one owner, one exit, and every image told of once."""

import anyio
import pytest

from mirror.engine.pair_processing import CopyProcessing
from mirror.engine.run_state import Run
from mirror.errors import MirrorError, NetworkError
from mirror.events import AdmissionClosed, Event, ImageSettled, Status
from mirror.mapping.grammar import parse
from mirror.options import Options
from tests.engine.world import Resolve, Task, World


def images(world: World) -> dict[str, Status]:
    """What became of each image, by its source."""
    told: dict[str, Status] = {}
    for event in world.events:
        if isinstance(event, ImageSettled):
            assert event.source not in told, "an image is settled once"
            told[str(event.source)] = event.status
    return told


def lines(count: int) -> list[str]:
    return [f"s.io/a:{number}=d.io/a" for number in range(count)]


def test_one_failure_does_not_stop_the_others() -> None:
    world = World()
    world.breaks = lambda task: (
        NetworkError("gone")
        if isinstance(task, Resolve) and str(task.reference) == "s.io/a:1"
        else None
    )
    world.mirror(*lines(3), skip_missing=True)

    assert images(world) == {
        "s.io/a:0": Status.SKIPPED, "s.io/a:1": Status.FAILED, "s.io/a:2": Status.SKIPPED,
    }  # fmt: skip


def test_the_first_failure_stops_the_others_if_that_was_asked_for() -> None:
    world = World()
    world.mirror(*lines(9), fail_fast=True, max_per_registry=1)
    statuses = list(images(world).values())

    assert statuses.count(Status.FAILED) == 1
    assert statuses.count(Status.DEFERRED) == 8


def test_a_bug_is_a_failure_of_its_image_alone() -> None:
    world = World()

    async def fail(task: Task) -> None:
        if isinstance(task, Resolve) and task.reference.tag == "1":
            raise ZeroDivisionError("oops")

    world.before = fail
    world.mirror(*lines(3), skip_missing=True)

    assert images(world)["s.io/a:1"] is Status.FAILED
    assert list(images(world).values()).count(Status.SKIPPED) == 2


def test_an_error_of_who_is_told_ends_the_run_as_itself_and_every_image_is_told_of() -> None:
    world, told = World(), list[Event]()

    def emit(event: Event) -> None:
        told.append(event)
        if isinstance(event, ImageSettled) and event.status is Status.FAILED:
            raise ZeroDivisionError

    async def work(run: Run) -> None:
        run.emit = emit
        await CopyProcessing(run).carry_out(parse(lines(3)))

    with pytest.raises(ZeroDivisionError):
        world.run(work, Options(max_per_registry=1))
    settled = [event.status for event in told if isinstance(event, ImageSettled)]
    assert len(settled) == 3
    assert set(settled) <= {Status.DEFERRED, Status.FAILED}


def test_nothing_outlives_a_cancelled_run() -> None:
    world, alive = World(), list[Task]()

    async def hang(task: Task) -> None:
        alive.append(task)
        try:
            await anyio.sleep_forever()
        finally:
            alive.remove(task)

    async def work(run: Run) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def cancel() -> None:
                    await anyio.wait_all_tasks_blocked()
                    assert len(alive) == 4
                    scope.cancel()

                group.start_soon(cancel)
                await CopyProcessing(run).carry_out(parse(lines(3)))
        assert scope.cancelled_caught

    world.before = hang
    world.run(work, Options(max_per_registry=2))

    assert not alive
    assert list(images(world).values()) == [Status.DEFERRED] * 3


def test_a_deadline_is_told_of_while_what_has_begun_still_runs() -> None:
    world = World()
    world.image("x", name="s.io/a:0")
    closed = anyio.Event()

    async def wait(task: Task) -> None:
        if "CopyBlob" in type(task).__name__:
            world.deadline()
            assert isinstance(world.events[-1], AdmissionClosed)
            closed.set()
        elif isinstance(task, Resolve) and task.reference.tag != "0":
            await closed.wait()

    world.before = wait
    world.mirror(*lines(9))

    assert images(world).pop("s.io/a:0") is Status.COPIED
    assert set(images(world).values()) == {Status.COPIED, Status.DEFERRED}


def test_what_is_told_of_a_failure_is_what_went_wrong() -> None:
    world, error = World(), MirrorError("broken")
    world.breaks = lambda task: error if isinstance(task, Resolve) else None
    (image,) = world.mirror(*lines(1))

    assert image.error is error
