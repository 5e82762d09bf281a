"""Work side by side, whose errors come out as themselves and not in groups."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

_A = TypeVar("_A")
_B = TypeVar("_B")


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Give a task group; when the block is left, nothing that was started in it still runs.

    An exception out of the block or of a task ends all of it, and is raised; of several
    the first, since the others are its echoes.
    """
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except ExceptionGroup as group:
        error = group.exceptions[0]
        raise error from error.__cause__


async def both(
    first: Callable[[], Awaitable[_A]], second: Callable[[], Awaitable[_B]]
) -> tuple[_A, _B]:
    """Return what two pieces of work come to that run side by side; the first error ends both."""
    found: list[_A] = []

    async def run_first() -> None:
        found.append(await first())

    async with task_group() as tasks:
        tasks.start_soon(run_first)
        other = await second()
    return found[0], other


@asynccontextmanager
async def background(work: Callable[[], Coroutine[object, None, None]]) -> AsyncIterator[None]:
    """Run this work while the block lasts; it is cancelled when the block ends."""
    async with task_group() as tasks:
        tasks.start_soon(work)
        yield
        tasks.cancel_scope.cancel()


async def finish_soon(
    work: Callable[[], Coroutine[object, None, None]],
    seconds: float,
    meanwhile: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Do the work; when cancelled meanwhile, let it go on for at most so many seconds.

    A request that makes something on the other side is cut off either before it
    was sent or after its answer was read, never between the two, as far as the
    grace allows.  The cancellation goes on once the work has ended.  What is done
    ``meanwhile`` is waited for too, unless the work fails.
    """
    shield = anyio.CancelScope(shield=True)
    beside = anyio.CancelScope()
    failure: Exception | None = None
    ended = anyio.Event()

    async def shielded() -> None:
        nonlocal failure
        with shield:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - raised below, without a group around it
                failure = error
                beside.cancel()
        ended.set()

    async with task_group() as group:
        group.start_soon(shielded)
        try:
            if meanwhile is not None:
                with beside:
                    await meanwhile()
            await ended.wait()
        finally:
            shield.deadline = anyio.current_time() + seconds if not ended.is_set() else math.inf
    if failure is not None:
        raise failure
