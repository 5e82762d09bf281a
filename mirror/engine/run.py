"""Carrying out a plan: the only place where work runs side by side."""

import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from mirror.engine.schedule import Schedule
from mirror.engine.together import together
from mirror.errors import Bug, MirrorError
from mirror.events import Effort, Event, ImageSettled, Status, Tell
from mirror.plan.task import Answer, Task


class Decider(Protocol):
    """Says what is to be done and told, and learns what came of it: a plan, as state."""

    events: list[Event]
    """What was decided; whoever tells it empties the list."""

    def tasks(self) -> list[Task]:
        """Take what is to be scheduled now."""
        ...

    def dispatch(self, task: Task) -> Task | None:
        """Return the task as it is to be carried out now; None if nobody needs it any more."""
        ...

    def learn(self, task: Task, answer: Answer | MirrorError, attempts: int = 1) -> None:
        """Take the answer to a task, or the error it ended with, and how often it was tried."""
        ...

    def close_admission(self) -> None:
        """Begin nothing new."""
        ...

    def abandon(self) -> None:
        """Settle everything that is not settled yet as deferred."""
        ...


Perform = Callable[[Task, Effort], Awaitable[Answer]]
"""Carries a task out and returns its answer; notes in the effort how hard it was."""


async def run(
    planner: Decider,
    schedule: Schedule,
    perform: Perform,
    tell: Tell,
    *,
    fail_fast: bool = False,
    deadline: float | None = None,
    hasten: Callable[[], None] = lambda: None,
) -> None:
    """Carry out everything the planner asks for; return when nothing is left.

    One task group owns every task: however this function is left, by return,
    error or cancellation, nothing it started is still running, and every image
    has been told of, those not reached as deferred.

    A task that raises has failed and the others go on, unless ``fail_fast``; what
    is no MirrorError is told as a Bug.  An exception out of the planner, the
    schedule or ``tell`` ends the run.  After ``deadline`` seconds nothing new is
    begun; what has begun is carried to its end, and ``hasten`` is called so that it gets there.
    """
    running = _Run(planner, schedule, perform, tell, fail_fast=fail_fast)
    try:
        async with together() as tasks:
            if deadline is not None:
                tasks.start_soon(running.close_at, anyio.current_time() + deadline, hasten)
            await running.carry_on(tasks)
            tasks.cancel_scope.cancel()
    finally:
        running.close()
        planner.abandon()
        running.tell_decisions()


class _Run:
    """The planner decides, the schedule orders, this starts tasks and passes answers on."""

    def __init__(
        self, planner: Decider, schedule: Schedule, perform: Perform, tell: Tell, *, fail_fast: bool
    ) -> None:
        self._planner = planner
        self._schedule = schedule
        self._perform = perform
        self._tell = tell
        self._fail_fast = fail_fast
        self._failed = False
        self._finished, self._answers = anyio.create_memory_object_stream[
            tuple[Task, Answer | MirrorError, int, float] | None
        ](math.inf)
        schedule.freed = partial(self._finished.send_nowait, None)

    async def carry_on(self, tasks: TaskGroup) -> None:
        """Start and settle tasks until there are none, or until a failure if that ends it."""
        while True:
            self._schedule.add(self._planner.tasks())
            if self.tell_decisions() and self._fail_fast:
                return
            if self._start(tasks):
                continue
            if self._schedule.idle:
                return
            self._take(await self._answers.receive())
            while self._answers.statistics().current_buffer_used:
                self._take(self._answers.receive_nowait())

    async def close_at(self, moment: float, hasten: Callable[[], None]) -> None:
        """Begin nothing new from then on, and tell so at once: what runs may run for long."""
        await anyio.sleep_until(moment)
        self._planner.close_admission()
        hasten()
        self.tell_decisions()

    def close(self) -> None:
        """Stop taking answers; only once nothing runs that could give one."""
        self._schedule.freed = lambda: None
        self._finished.close()
        self._answers.close()

    def tell_decisions(self) -> bool:
        """Tell what the planner decided; return whether an image has failed."""
        events, self._planner.events = self._planner.events, []
        for event in events:
            self._tell(event)
            if isinstance(event, ImageSettled) and event.status is Status.FAILED:
                self._failed = True
        return self._failed

    def _start(self, tasks: TaskGroup) -> bool:
        """Start what may start; return whether some was dropped, which makes room for more."""
        dropped = False
        for task in self._schedule.start():
            if (dispatched := self._planner.dispatch(task)) is not None:
                tasks.start_soon(self._carry_out, task, dispatched)
            else:
                self._settle(task, MirrorError("nobody needs it any more"))
                dropped = True
        return dropped

    async def _carry_out(self, task: Task, dispatched: Task) -> None:
        answer: Answer | MirrorError
        effort = Effort()
        began = anyio.current_time()
        try:
            answer = await self._perform(dispatched, effort)
        except MirrorError as error:
            answer = error
        except Exception as error:  # noqa: BLE001 - one image's bug is no other image's
            answer = Bug(f"{type(error).__name__}: {error}")
        seconds = anyio.current_time() - began
        self._finished.send_nowait((task, answer, effort.attempts, seconds))

    def _take(self, ended: tuple[Task, Answer | MirrorError, int, float] | None) -> None:
        """Settle what has ended; None says that there is room although nothing has."""
        if ended is not None:
            self._settle(*ended)

    def _settle(
        self,
        task: Task,
        answer: Answer | MirrorError,
        attempts: int = 1,
        seconds: float | None = None,
    ) -> None:
        succeeded = not isinstance(answer, MirrorError)
        self._schedule.finish(task, succeeded=succeeded, seconds=seconds)
        self._planner.learn(task, answer, attempts)
