"""Whoever writes a list that several add to: one after the other, for each list."""

from collections import deque
from collections.abc import Callable
from functools import partial

from mirror.errors import MirrorError
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.plan.inquiry import Asker, Inquiry, Then
from mirror.plan.task import Answer, MergeReferrers


class Writers:
    """Lists of referrers that are being written, and who waits to add to them."""

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._turns: dict[tuple[Repository, Digest], deque[Callable[[], None]]] = {}

    def merge(self, asker: Asker, task: MergeReferrers, then: Then) -> None:
        """Have a list added to as soon as nobody else adds to it, and `then` called."""
        turns = self._turns.setdefault((task.repository, task.subject), deque())
        turns.append(partial(self._ask, asker, task, then))
        if len(turns) == 1:
            turns[0]()

    def _ask(self, asker: Asker, task: MergeReferrers, then: Then) -> None:
        self._inquiry.ask(asker, task, partial(self._merged, task, then))

    def _merged(self, task: MergeReferrers, then: Then, answer: Answer | MirrorError) -> None:
        turns = self._turns[task.repository, task.subject]
        turns.popleft()
        if turns:
            turns[0]()
        else:
            del self._turns[task.repository, task.subject]
        then(answer)
