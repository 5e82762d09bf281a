"""Finding out which images the mappings name: rules become rules for single images.

Rules without ``*`` are that already; the others wait for a catalog or a tag
list.  A pattern that matches nothing at all is a failure.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from mirror.errors import MirrorError, NotFound, Place, Side, Unsupported
from mirror.events import Effort
from mirror.image.reference import is_tag
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import repositories, singles
from mirror.plan.inquiry import Asker, Then, as_error
from mirror.plan.listings import Listings
from mirror.plan.task import Answer, ListCatalog, ListTags

# Names that a message names, at most.
_NAMED = 12


@dataclass(slots=True, eq=False)
class _Pending(Asker):
    """A rule whose images are not known yet; two rules may be equal, two of these are not."""

    rule: Rule
    effort: Effort = field(default_factory=Effort)
    over: bool = False
    unlisted: int = 0
    """Repositories of its catalog whose tags are not known yet."""
    found: int = 0

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.over


class Found(Protocol):
    """Takes rules without ``*`` as they become known."""

    def __call__(self, rules: Iterable[Rule], *, unique: bool = False) -> None:
        """Take some; with ``unique`` there are no others, and no two go to one place."""
        ...


Listed = Callable[[Rule, tuple[str, ...]], None]
"""Takes a rule for the tags of one repository, with all tags that its source lists."""


class Discovery:
    """Rules on their way to single images."""

    def __init__(
        self,
        listings: Listings,
        found: Found,
        failed: Callable[[Rule, MirrorError], None],
        listed: Listed | None = None,
    ) -> None:
        """Be told who takes what was found, what could not be, and what a source listed."""
        self._found = found
        self._failed = failed
        self._tags_of = listed
        self._listings = listings
        self._pending: dict[_Pending, None] = {}

    def begin(self, rules: Iterable[Rule]) -> None:
        """Take the mappings; single images come out in their order as far as they are known."""
        known: deque[Rule] = deque()
        for rule in rules:
            if rule.source.many:
                self._list(rule)
            else:
                known.append(rule)
        # The grammar has seen to it that no two of these go to one place.
        self._found(known, unique=not self._pending)

    def abandon(self) -> list[Rule]:
        """Give up; return the rules whose images are not known yet."""
        rules = [pending.rule for pending in self._pending]
        for pending in self._pending:
            pending.over = True
        self._pending.clear()
        return rules

    def _list(self, rule: Rule) -> None:
        pending = self._wait(rule)
        if rule.source.many_repositories:
            local = rule.source.registry.is_local
            below = rule.source.path[: rule.source.path.rfind("/") + 1] if local else ""
            task = ListCatalog(rule.source.registry, below)
            self._ask(pending, task, partial(self._catalog_read, pending))
        else:
            self._ask(pending, ListTags(rule.source.repository), partial(self._tags_read, pending))

    def _wait(self, rule: Rule) -> _Pending:
        pending = _Pending(rule)
        self._pending[pending] = None
        return pending

    def _ask(self, pending: _Pending, task: ListCatalog | ListTags, then: Then) -> None:
        self._listings.ask(pending, task, partial(self._listed, pending, then))

    def _listed(self, pending: _Pending, then: Then, answer: Answer | MirrorError) -> None:
        if not pending.over:
            then(answer)

    def _catalog_read(self, pending: _Pending, answer: Answer | MirrorError) -> None:
        del self._pending[pending]
        rule = pending.rule
        if not isinstance(answer, tuple):
            self._failed(rule, as_error(answer))
            return
        found = list(repositories(rule, answer))
        if not found:
            self._failed(rule, _nothing_matches(rule, "repository"))
        elif rule.source.many_tags:
            pending.unlisted = len(found)
            for one, waiting in [(one, self._wait(one)) for one in found]:
                read = partial(self._repository_read, pending, waiting)
                self._ask(waiting, ListTags(one.source.repository), read)
        else:
            self._found(found)

    def _tags_read(self, pending: _Pending, answer: Answer | MirrorError) -> None:
        del self._pending[pending]
        rule = pending.rule
        if not isinstance(answer, tuple):
            self._failed(rule, as_error(answer))
            return
        found = list(self._matching(rule, answer))
        if not found:
            self._failed(rule, _nothing_matches(rule, "tag"))
        self._found(found)

    def _matching(self, rule: Rule, tags: tuple[str, ...]) -> Iterator[Rule]:
        if self._tags_of is not None:
            self._tags_of(rule, tags)
        if rule.source.registry.is_layout and (odd := [tag for tag in tags if not is_tag(tag)]):
            self._failed(rule, _no_tags(rule, odd))
        return singles(rule, tags)

    def _repository_read(
        self, catalog: _Pending, pending: _Pending, answer: Answer | MirrorError
    ) -> None:
        """Take the tags of one repository of a catalog, which may have none by now."""
        del self._pending[pending]
        catalog.unlisted -= 1
        if isinstance(answer, (tuple, NotFound)):
            tags = answer if isinstance(answer, tuple) else ()
            found = list(self._matching(pending.rule, tags))
            catalog.found += len(found)
            self._found(found)
        else:
            catalog.found += 1  # what failed did match
            self._failed(pending.rule, as_error(answer))
        if not catalog.unlisted and not catalog.found:
            self._failed(catalog.rule, _nothing_matches(catalog.rule, "tag"))


def _no_tags(rule: Rule, names: list[str]) -> MirrorError:
    error = Unsupported(
        f"names that are no tags are left out: {', '.join(names[:_NAMED])}",
        hint="Copy each by its digest, oci:PATH@sha256:..., to the tag that it should have.",
    )
    return error.at(Place(Side.SOURCE, str(rule.source), "matching names"))


def _nothing_matches(rule: Rule, noun: str) -> MirrorError:
    error = NotFound(
        f"no {noun} matches",
        hint=f"Check the pattern against the {noun} names that the registry lists.",
    )
    return error.at(Place(Side.SOURCE, str(rule.source), f"matching {noun} names"))
