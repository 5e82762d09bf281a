"""Work that several ask for: done once, and left when it is wanted no more."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest
from anyio.abc import TaskGroup

from mirror.effort import Effort, effort_of, note_attempts
from mirror.engine.single_flight import FirstAlone, OneAtATime, SharedWork, SingleFlight
from mirror.errors import MirrorError


class Work:
    """Work that waits until it is let go on, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.go = anyio.Event()
        self.error: MirrorError | None = None

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        try:
            await self.go.wait()
        except BaseException:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return number


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("error", [None, MirrorError("broken")])
async def test_all_who_ask_at_the_same_time_get_the_same(
    shared: bool, error: MirrorError | None
) -> None:
    work, came = Work(), list[object]()
    work.error = error
    async with anyio.create_task_group() as tasks:
        flights = SharedWork[int](tasks) if shared else SingleFlight()

        async def ask() -> None:
            try:
                came.append(await flights.do("key", work))
            except MirrorError as failure:
                came.append(failure)

        for _ in range(5):
            tasks.start_soon(ask)
        await settle()
        work.go.set()

    assert work.begun == 1
    assert came == [error or 1] * 5


@pytest.mark.parametrize("shared", [False, True])
async def test_who_asks_after_the_end_has_it_done_again(shared: bool) -> None:
    work = Work()
    work.go.set()
    async with anyio.create_task_group() as tasks:
        flights = SharedWork[int](tasks) if shared else SingleFlight()
        assert [await flights.do("key", work), await flights.do("key", work)] == [1, 2]
        assert await flights.do("other", work) == 3


async def test_a_question_whose_asker_is_cancelled_is_asked_by_the_next() -> None:
    flights, work, came = SingleFlight(), Work(), list[int]()

    async def ask() -> None:
        came.append(await flights.do("key", work))

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(_cancelled_by, scope, ask)
            await settle()
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await settle()
        scope.cancel()
        await settle()
        assert (work.begun, work.cancelled) == (2, 1)
        work.go.set()

    assert came == [2, 2]


async def _cancelled_by(scope: anyio.CancelScope, ask: Callable[[], Awaitable[None]]) -> None:
    own = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_mirror_cancel, scope, own)
        with own:
            await ask()
        tasks.cancel_scope.cancel()


async def _mirror_cancel(scope: anyio.CancelScope, own: anyio.CancelScope) -> None:
    while not scope.cancel_called:
        await anyio.lowlevel.checkpoint()
    own.cancel()


async def test_shared_work_goes_on_until_the_last_who_waits_is_cancelled() -> None:
    work = Work()
    scopes = [anyio.CancelScope() for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        flights = SharedWork[int](tasks)

        async def ask(scope: anyio.CancelScope) -> None:
            with scope:
                await flights.do("key", work)

        for scope in scopes:
            tasks.start_soon(ask, scope)
        await settle()
        for scope in scopes[:2]:
            scope.cancel()
        await settle()
        assert work.cancelled == 0
        scopes[2].cancel()
        await settle()
        assert (work.begun, work.cancelled) == (1, 1)
        work.go.set()
        assert await flights.do("key", work) == 2


async def test_how_hard_work_was_is_known_to_all_who_waited() -> None:
    efforts = [Effort() for _ in range(3)]
    go = anyio.Event()

    async def work() -> None:
        await go.wait()
        note_attempts(3)

    async with anyio.create_task_group() as tasks:
        flights = SharedWork[None](tasks)

        async def ask(effort: Effort) -> None:
            with effort_of(effort):
                await flights.do("key", work)

        for effort in efforts:
            tasks.start_soon(ask, effort)
        await settle()
        go.set()

    assert [effort.attempts for effort in efforts] == [3, 3, 3]


async def test_one_goes_first_and_the_others_only_once_it_has_succeeded() -> None:
    done, running, most = set[str](), 0, list[int]()
    first_fails = [True, False, False, False]
    gate = FirstAlone(lambda key: key in done)

    async def upload(tasks: TaskGroup, fails: bool) -> None:
        nonlocal running
        with suppress(MirrorError):
            async with gate.turn("key"):
                running += 1
                most.append(running)
                await settle()
                running -= 1
                if fails:
                    raise MirrorError("broken")
                done.add("key")

    async with anyio.create_task_group() as tasks:
        for fails in first_fails:
            tasks.start_soon(upload, tasks, fails)

    assert most == [1, 1, 1, 2], "the second try goes alone too, and then the rest"


async def test_only_one_writes_at_a_time() -> None:
    turns, running = OneAtATime(), set[str]()

    async def write(key: str) -> None:
        async with turns.turn(key):
            assert key not in running
            running.add(key)
            await settle()
            running.remove(key)

    async with anyio.create_task_group() as tasks:
        for key in "aabba":
            tasks.start_soon(write, key)


async def test_one_that_comes_while_the_last_that_waited_writes_waits_too() -> None:
    turns, running, most = OneAtATime(), 0, 0

    async def write(tasks: TaskGroup, *then: str) -> None:
        nonlocal running, most
        async with turns.turn("a"):
            running += 1
            most = max(most, running)
            if then:
                tasks.start_soon(write, tasks, *then[1:])
            await settle()
            running -= 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, tasks, "while the first writes", "while the second does")
    assert most == 1


async def test_of_several_pieces_each_is_done_once_and_all_are_waited_for() -> None:
    first, second, came = Work(), Work(), list[list[int]]()
    async with anyio.create_task_group() as tasks:
        flights = SharedWork[int](tasks)

        async def ask() -> None:
            came.append(await flights.do_all({"a": first, "b": second}))

        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await settle()
        second.go.set()
        await settle()
        assert not came
        first.go.set()

    assert (first.begun, second.begun) == (1, 1)
    assert came == [[1, 1], [1, 1]]


async def test_the_first_error_of_several_pieces_cancels_what_only_this_caller_waits_for() -> None:
    broken, lonely, wanted = Work(), Work(), Work()
    broken.error = MirrorError("broken")
    came = list[int]()
    async with anyio.create_task_group() as tasks:
        flights = SharedWork[int](tasks)

        async def other() -> None:
            came.append(await flights.do("wanted", wanted))

        tasks.start_soon(other)
        await settle()
        broken.go.set()
        with pytest.raises(MirrorError, match="broken"):
            await flights.do_all({"broken": broken, "lonely": lonely, "wanted": wanted})
        await settle()
        assert (lonely.cancelled, wanted.cancelled) == (1, 0)
        wanted.go.set()

    assert came == [1]


@pytest.mark.parametrize(("foreign", "begun"), [(True, 1), (False, 0)])
async def test_who_waited_on_work_that_failed_for_anothers_reasons_tries_its_own(
    foreign: bool, begun: int
) -> None:
    theirs, ours, came = Work(), Work(), list[object]()
    theirs.error = MirrorError("their source is broken")
    ours.go.set()
    async with anyio.create_task_group() as tasks:
        flights = SharedWork[int](tasks)

        async def ask(work: Work) -> None:
            try:
                came.append(await flights.do("key", work, lambda _: foreign))
            except MirrorError as error:
                came.append(error)

        tasks.start_soon(ask, theirs)
        await settle()
        tasks.start_soon(ask, ours)
        await settle()
        theirs.go.set()

    assert (theirs.begun, ours.begun) == (1, begun)
    assert came == [theirs.error, 1 if foreign else theirs.error]
