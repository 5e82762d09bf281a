"""Work side by side, whose errors come out as themselves and not in groups."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def together() -> AsyncIterator[TaskGroup]:
    """Give a task group; when the block is left, nothing that was started in it still runs.

    An exception out of the block or of a task ends all of it, and is raised; of several
    the first, since the others are its echoes.
    """
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except ExceptionGroup as bugs:
        bug = bugs.exceptions[0]
        raise bug from bug.__cause__
