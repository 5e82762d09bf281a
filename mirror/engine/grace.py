"""A short grace for work that must not be cut off in the middle."""

import math
from collections.abc import Callable, Coroutine

import anyio


async def finish_soon(work: Callable[[], Coroutine[object, None, None]], seconds: float) -> None:
    """Do the work; when cancelled meanwhile, let it go on for at most so many seconds.

    A request that makes something on the other side is cut off either before it
    was sent or after its answer was read, never between the two, as far as the
    grace allows.  The cancellation goes on once the work has ended.
    """
    shield = anyio.CancelScope(shield=True)
    failure: Exception | None = None
    ended = anyio.Event()

    async def shielded() -> None:
        nonlocal failure
        with shield:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - raised below, without a group around it
                failure = error
        ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(shielded)
        try:
            await ended.wait()
        finally:
            shield.deadline = anyio.current_time() + seconds if not ended.is_set() else math.inf
    if failure is not None:
        raise failure
