"""Questions that are open: who asked, and how each goes on once it is answered.

A task asked for twice at the same time is carried out once.
"""

from collections.abc import Callable

from mirror.errors import MirrorError
from mirror.events import Effort
from mirror.plan.task import Answer, Task

Then = Callable[[Answer | MirrorError], None]


def as_error(answer: Answer | MirrorError) -> MirrorError:
    """Return an answer that can only be an error."""
    assert isinstance(answer, MirrorError), f"{answer!r} is no answer to what was asked"
    return answer


class Asker:
    """On whose behalf something is asked."""

    __slots__ = ()

    effort: Effort
    """How hard all that was asked on its behalf has been."""

    @property
    def abandoned(self) -> bool:
        """Whether nobody needs the answer any more."""
        raise NotImplementedError


class Inquiry:
    """The tasks under way, each with what to do next."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        """Work to schedule; whoever schedules it empties the list."""
        self._asking: dict[Task, list[tuple[Asker, Then]]] = {}

    @property
    def idle(self) -> bool:
        """Whether every question was answered."""
        return not self._asking

    def ask(self, asker: Asker, task: Task, then: Then) -> None:
        """Have a task carried out, and `then` called with its answer or error."""
        if (waiting := self._asking.get(task)) is not None:
            waiting.append((asker, then))
            return
        self._asking[task] = [(asker, then)]
        self.tasks.append(task)

    def wants(self, task: Task) -> bool:
        """Whether somebody still needs the answer."""
        return not all(asker.abandoned for asker, _ in self._asking[task])

    def learn(self, task: Task, answer: Answer | MirrorError, attempts: int = 1) -> None:
        """Take the answer to a task, or the error it ended with, and how hard it was to get."""
        for asker, then in self._asking.pop(task):
            asker.effort.note(attempts)
            then(answer)
