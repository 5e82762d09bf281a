"""Work that goes on beside a block."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import anyio


@asynccontextmanager
async def beside(
    work: Callable[[], Coroutine[object, None, None]], *, finish: bool = False
) -> AsyncIterator[None]:
    """Run this work while the block lasts; the block's errors come out as themselves.

    When the block ends the work is cancelled, or with ``finish`` waited for unless
    the block failed.
    """
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below, without a group around it
            failure = error
        if failure is not None or not finish:
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure
