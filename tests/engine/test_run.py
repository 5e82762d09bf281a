"""Side by side: one owner, one exit, and nobody left behind."""

import anyio
import pytest

from mirror.engine.run import run
from mirror.engine.schedule import Schedule
from mirror.errors import MirrorError, NotFound, Side
from mirror.events import AdmissionClosed, Effort, Event, ImageSettled, Status
from mirror.image.reference import Registry
from mirror.mapping.grammar import parse
from mirror.options import Options
from mirror.plan.planner import Planner
from mirror.plan.task import Answer, Resolve, Task


class Told:
    """What was told of each image, by its source."""

    def __init__(self) -> None:
        self.images: dict[str, Status] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, ImageSettled):
            assert event.source not in self.images, "an image is settled once"
            self.images[event.source] = event.status


def planner(count: int, **options: bool) -> Planner:
    words = [f"s.io/a:{n}=d.io/a" for n in range(count)]
    return Planner(parse(words), Options(**options))  # type: ignore[arg-type]


async def test_one_failure_does_not_stop_the_others() -> None:
    told = Told()

    async def perform(task: Task, _: Effort) -> Answer:
        assert isinstance(task, Resolve)
        raise MirrorError("broken") if task.reference.tag == "1" else NotFound("404")

    await run(planner(3, skip_missing=True), Schedule(per_registry=2), perform, told)

    assert told.images == {
        "s.io/a:0": Status.SKIPPED, "s.io/a:1": Status.FAILED, "s.io/a:2": Status.SKIPPED,
    }  # fmt: skip


async def test_the_first_failure_stops_the_others_if_that_was_asked_for() -> None:
    told = Told()

    async def perform(task: Task, _: Effort) -> Answer:
        raise MirrorError("broken")

    await run(planner(9), Schedule(per_registry=1), perform, told, fail_fast=True)
    statuses = list(told.images.values())

    assert statuses.count(Status.FAILED) == 1
    assert statuses.count(Status.DEFERRED) == 8


async def test_a_bug_in_one_task_is_a_failure_of_its_image_alone() -> None:
    told = Told()

    async def perform(task: Task, _: Effort) -> Answer:
        assert isinstance(task, Resolve)
        if task.reference.tag == "1":
            raise ZeroDivisionError("oops")
        raise NotFound("404")

    await run(planner(3, skip_missing=True), Schedule(per_registry=2), perform, told)

    assert told.images["s.io/a:1"] is Status.FAILED
    assert list(told.images.values()).count(Status.SKIPPED) == 2


async def test_a_bug_of_who_decides_ends_the_run_as_itself_and_every_image_is_told_of() -> None:
    told = Told()

    class Forgetful(Schedule):
        def finish(self, task: Task, *, succeeded: bool, seconds: float | None = None) -> None:
            raise ZeroDivisionError

    async def perform(task: Task, _: Effort) -> Answer:
        raise NotFound("404")

    with pytest.raises(ZeroDivisionError):
        await run(planner(3), Forgetful(per_registry=2), perform, told)
    assert set(told.images.values()) == {Status.DEFERRED}


async def test_no_task_outlives_a_cancelled_run() -> None:
    alive: set[Task] = set()
    told = Told()

    async def perform(task: Task, _: Effort) -> Answer:
        alive.add(task)
        try:
            await anyio.sleep_forever()
        finally:
            alive.discard(task)
        raise AssertionError("nothing wakes it but the end")

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cancel() -> None:
                await anyio.wait_all_tasks_blocked()
                assert len(alive) == 4
                scope.cancel()

            group.start_soon(cancel)
            await run(planner(3), Schedule(per_registry=2), perform, told)

    assert scope.cancelled_caught
    assert not alive
    assert list(told.images.values()) == [Status.DEFERRED] * 3


async def test_a_deadline_is_told_of_while_what_has_begun_still_runs() -> None:
    told, closed = Told(), anyio.Event()

    def take(event: Event) -> None:
        told(event)
        if isinstance(event, AdmissionClosed):
            closed.set()

    async def perform(task: Task, _: Effort) -> Answer:
        await closed.wait()  # as what takes for ever would, if nobody told meanwhile
        raise MirrorError("broken")

    with anyio.fail_after(10):
        await run(planner(9), Schedule(per_registry=2), perform, take, deadline=0.01)

    assert set(told.images.values()) == {Status.DEFERRED}


async def test_a_slot_that_is_given_back_is_used_although_nothing_ended() -> None:
    schedule = Schedule(per_registry=1)
    told, lent = Told(), Registry("s.io")
    assert schedule.lend(lent)

    async def perform(task: Task, _: Effort) -> Answer:
        assert isinstance(task, Resolve)
        if task.side is Side.DESTINATION:
            return None
        raise NotFound("404")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(run, planner(1), schedule, perform, told)
            await anyio.wait_all_tasks_blocked()
            assert told.images == {}
            schedule.give_back(lent)

    assert told.images == {"s.io/a:0": Status.FAILED}
