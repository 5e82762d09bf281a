"""Lists of repositories and tags, each read once in a run however many need it."""

from functools import partial

from mirror.errors import MirrorError
from mirror.plan.inquiry import Asker, Inquiry, Then
from mirror.plan.task import Answer, ListCatalog, ListTags


class Listings:
    """What was listed so far; an error is no list, and asked for again."""

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._read: dict[ListCatalog | ListTags, tuple[str, ...]] = {}

    def ask(self, asker: Asker, task: ListCatalog | ListTags, then: Then) -> None:
        """Have a list read, unless it was, and `then` called with it or with the error."""
        if (known := self._read.get(task)) is not None:
            then(known)
        else:
            self._inquiry.ask(asker, task, partial(self._listed, task, then))

    def _listed(
        self, task: ListCatalog | ListTags, then: Then, answer: Answer | MirrorError
    ) -> None:
        if isinstance(answer, tuple):
            self._read[task] = answer
        then(answer)
