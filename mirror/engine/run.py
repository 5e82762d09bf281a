"""Carrying out a plan: the only place where work runs side by side."""

import math
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from mirror.engine.schedule import Schedule
from mirror.errors import MirrorError
from mirror.events import ImageSettled, Status, Tell
from mirror.plan.planner import Planner
from mirror.plan.task import Answer, Task

Perform = Callable[[Task], Awaitable[Answer]]


async def run(
    planner: Planner, schedule: Schedule, perform: Perform, tell: Tell, *, fail_fast: bool = False
) -> None:
    """Carry out everything the planner asks for; return when nothing is left.

    One task group owns every task: however this function is left, by return,
    error or cancellation, nothing it started is still running, and every image
    has been told of, those not reached as deferred.

    A task that raises MirrorError has failed and the others go on, unless
    ``fail_fast``; any other exception is a bug, and ends the run.
    """
    finished, ended = anyio.create_memory_object_stream[tuple[Task, Answer | MirrorError]](math.inf)

    async def carry(task: Task, dispatched: Task) -> None:
        try:
            finished.send_nowait((task, await perform(dispatched)))
        except MirrorError as error:
            finished.send_nowait((task, error))

    def settle(task: Task, answer: Answer | MirrorError) -> None:
        schedule.finish(task, succeeded=not isinstance(answer, MirrorError))
        planner.learn(task, answer)

    def tell_all() -> bool:
        """Tell what was decided; return whether to go on."""
        events, planner.events = planner.events, []
        failed = False
        for event in events:
            tell(event)
            failed |= isinstance(event, ImageSettled) and event.status is Status.FAILED
        return not (failed and fail_fast)

    def begin(transfers: TaskGroup) -> bool:
        """Start what may start; return whether to look again at once."""
        schedule.add(planner.tasks())
        dropped = False
        for task in schedule.start():
            if (dispatched := planner.dispatch(task)) is not None:
                transfers.start_soon(carry, task, dispatched)
            else:
                settle(task, MirrorError("nobody needs it any more"))
                dropped = True
        return dropped

    with finished, ended:
        try:
            async with anyio.create_task_group() as transfers:
                while tell_all():
                    if begin(transfers):
                        continue
                    if schedule.idle:
                        break
                    settle(*await ended.receive())
                    while ended.statistics().current_buffer_used:
                        settle(*ended.receive_nowait())
                transfers.cancel_scope.cancel()
        except* Exception as bugs:  # noqa: BLE001 - the group ends here, not what is in it
            raise bugs.exceptions[0] from None
        finally:
            planner.abandon()
            tell_all()
