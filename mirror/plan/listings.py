"""Lists of repositories and tags, each read once in a run however many need it.

Tags come whole; a catalog comes page by page, so that work on its first
repositories begins before its last are known.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import MirrorError
from mirror.events import Effort
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference, Registry
from mirror.plan.inquiry import Asker, Inquiry, Then, as_error
from mirror.plan.task import Answer, ListCatalog, ListTags
from mirror.wire.listing import Names

Turned = Callable[[Names | MirrorError], None]
"""Takes the pages of a catalog as they come, the last without a rest; an error is the end too."""


@dataclass(slots=True, eq=False)
class _Catalog(Asker):
    """What came of a catalog so far, and who reads it."""

    readers: list[tuple[Asker, Turned]] = field(default_factory=list)
    pages: list[Names] = field(default_factory=list)
    effort: Effort = field(default_factory=Effort)

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return all(asker.abandoned for asker, _ in self.readers)

    @property
    def over(self) -> bool:
        """Whether its last page has come."""
        return bool(self.pages) and self.pages[-1].rest is None


class Listings:
    """What was listed so far; an error is no list, and asked for again."""

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._tags: dict[ListTags, Names] = {}
        self._catalogs: dict[tuple[Registry, str], _Catalog] = {}

    def ask(self, asker: Asker, task: ListTags, then: Then) -> None:
        """Have tags listed, unless they were, and `then` called with them or with the error."""
        if (known := self._tags.get(task)) is not None:
            then(known)
        else:
            self._inquiry.ask(asker, task, partial(self._listed, task, then))

    def read(self, asker: Asker, registry: Registry, below: str, turned: Turned) -> None:
        """Have a catalog read, and each page handed over; those that came before at once."""
        key = registry, below
        catalog = self._catalogs.get(key)
        for page in list(catalog.pages) if catalog is not None else ():
            turned(page)
        if catalog is None:
            catalog = self._catalogs[key] = _Catalog([(asker, turned)])
            self._ask_page(catalog, ListCatalog(registry, below))
        elif not catalog.over:
            catalog.readers.append((asker, turned))

    def described(self, reference: Reference) -> Descriptor | None:
        """What a source's list of tags said that a tag names; None if it says nothing of that."""
        listed = self._tags.get(ListTags(reference.repository))
        return listed.described.get(reference.tag or "") if listed is not None else None

    def _listed(self, task: ListTags, then: Then, answer: Answer | MirrorError) -> None:
        if isinstance(answer, Names):
            self._tags[task] = answer
        then(answer)

    def _ask_page(self, catalog: _Catalog, task: ListCatalog) -> None:
        self._inquiry.ask(catalog, task, partial(self._page_read, catalog, task))

    def _page_read(
        self, catalog: _Catalog, task: ListCatalog, answer: Answer | MirrorError
    ) -> None:
        readers = list(catalog.readers)
        if isinstance(answer, Names):
            catalog.pages.append(answer)
            if answer.rest is not None:
                following = ListCatalog(task.registry, task.below, task.page + 1, answer.rest)
                self._ask_page(catalog, following)
        else:
            del self._catalogs[task.registry, task.below]
        page = answer if isinstance(answer, Names) else as_error(answer)
        for _, turned in readers:
            turned(page)
