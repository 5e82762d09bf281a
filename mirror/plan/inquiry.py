"""Questions that are open: who asked, and how each goes on once it is answered.

A task asked for twice at the same time is carried out once.
"""

from collections.abc import Callable

from mirror.errors import MirrorError
from mirror.plan.task import Answer, Task

Then = Callable[[Answer | MirrorError], None]


class Inquiry:
    """The tasks under way, each with what to do next."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        """Work to schedule; whoever schedules it empties the list."""
        self._asking: dict[Task, list[Then]] = {}

    def ask(self, task: Task, then: Then) -> None:
        """Have a task carried out, and `then` called with its answer or error."""
        if (waiting := self._asking.get(task)) is not None:
            waiting.append(then)
            return
        self._asking[task] = [then]
        self.tasks.append(task)

    def learn(self, task: Task, answer: Answer | MirrorError) -> None:
        """Take the answer to a task, or the error it ended with."""
        for then in self._asking.pop(task):
            then(answer)
