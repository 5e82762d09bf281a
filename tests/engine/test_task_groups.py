"""Work that is given a moment to end by itself."""

import anyio
import pytest

from mirror.engine.task_groups import finish_soon


async def test_the_work_is_done_and_its_errors_come_out_as_themselves() -> None:
    done = []

    async def work() -> None:
        done.append(1)

    async def fail() -> None:
        raise KeyError("x")

    await finish_soon(work, 1)
    assert done == [1]
    with pytest.raises(KeyError):
        await finish_soon(fail, 1)


async def test_cancelled_work_ends_by_itself_if_it_is_quick() -> None:
    done, begun, may_end = [], anyio.Event(), anyio.Event()

    async def work() -> None:
        begun.set()
        await may_end.wait()
        done.append(1)

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(_cancel_then_set, begun, scope, may_end)
            await finish_soon(work, 60)

    assert scope.cancelled_caught
    assert done == [1]


async def test_cancelled_work_that_is_not_quick_is_cut_off() -> None:
    begun = anyio.Event()

    async def work() -> None:
        begun.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(_cancel_then_set, begun, scope, anyio.Event())
            await finish_soon(work, 0)

    assert scope.cancelled_caught


async def _cancel_then_set(begun: anyio.Event, scope: anyio.CancelScope, then: anyio.Event) -> None:
    await begun.wait()
    scope.cancel()
    then.set()


async def test_what_is_done_meanwhile_is_waited_for() -> None:
    done = []

    async def work() -> None:
        done.append("work")

    async def meanwhile() -> None:
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        done.append("meanwhile")

    await finish_soon(work, 1, meanwhile)
    assert done == ["work", "meanwhile"]


async def test_work_that_fails_ends_what_is_done_meanwhile() -> None:
    cancelled = []

    async def work() -> None:
        raise KeyError("x")

    async def meanwhile() -> None:
        try:
            await anyio.sleep_forever()
        except BaseException:
            cancelled.append(1)
            raise

    with pytest.raises(KeyError):
        await finish_soon(work, 1, meanwhile)
    assert cancelled == [1]


async def test_what_fails_meanwhile_gives_the_work_its_grace() -> None:
    done, may_end = [], anyio.Event()

    async def work() -> None:
        await may_end.wait()
        done.append(1)

    async def meanwhile() -> None:
        may_end.set()
        raise LookupError

    with pytest.raises(LookupError):
        await finish_soon(work, 60, meanwhile)
    assert done == [1]
