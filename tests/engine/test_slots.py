"""Waiting for slots: what was cancelled gives them back, whenever that was."""

import anyio
from hypothesis import given
from hypothesis import strategies as st

from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.lanes import Priority
from mirror.engine.schedule import Schedule
from mirror.engine.slots import Slots
from mirror.image.reference import Registry

A, B = Registry("a.io"), Registry("b.io")


MIB = 2**20


async def settle() -> None:
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_a_copy_takes_both_registries_at_once_whichever_way_it_goes() -> None:
    slots, done = Slots(Schedule(lambda _: HostLimit(1, 1))), list[str]()

    async def copy(source: Registry, destination: Registry) -> None:
        async with slots.hold(Priority.COPY, source, destination, size=MIB):
            await settle()
            done.append(source.host)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(copy, A, B)
            tasks.start_soon(copy, B, A)

    assert len(done) == 6


async def test_of_what_comes_together_the_largest_goes_first() -> None:
    slots, order = Slots(Schedule(lambda _: HostLimit(1, 1))), list[int]()

    async def move(size: int) -> None:
        async with slots.hold(Priority.COPY, A, size=size * MIB):
            order.append(size)

    async with anyio.create_task_group() as tasks:
        for size in (1, 9, 5):
            tasks.start_soon(move, size)

    assert order == [9, 5, 1]


async def test_a_slot_that_was_lent_goes_to_who_waits_when_it_is_given_back() -> None:
    slots = Slots(Schedule(lambda _: HostLimit(2, 2)))
    assert slots.lend(A)
    went = anyio.Event()

    async def move() -> None:
        async with slots.hold(Priority.COPY, A, size=MIB):
            went.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(move)
        await settle()
        assert not went.is_set(), "a quarter is for small requests"
        slots.give_back(A)
        await settle()
        assert went.is_set()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 25)), max_size=20))
def test_whoever_is_cancelled_at_any_moment_leaves_no_slot_behind(
    plan: list[tuple[int, int]],
) -> None:
    async def work() -> None:
        schedule = Schedule(lambda _: HostLimit(2, 2))
        slots = Slots(schedule)

        async def hold(size: int, moments: int) -> None:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as own:
                    own.start_soon(_cancel_after, scope, moments)
                    async with slots.hold(Priority.COPY, A, B, size=size * MIB):
                        await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            for size, moments in plan:
                tasks.start_soon(hold, size, moments)
        # All slots are free again.
        async with slots.hold(Priority.PUT, A, B), slots.hold(Priority.PUT, A, B):
            pass

    anyio.run(work)


async def _cancel_after(scope: anyio.CancelScope, moments: int) -> None:
    for _ in range(moments):
        await anyio.lowlevel.checkpoint()
    scope.cancel()
