"""Finding out which images the mappings name: rules become pairs.

Rules without ``*`` are pairs at once; the others wait for a catalog or a tag
list.  A pattern that matches nothing at all is a failure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from mirror.errors import MirrorError, NotFound, Place, Side
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import Pair, pair, pairs, repositories
from mirror.plan.inquiry import Inquiry, Then
from mirror.plan.task import Answer, ListCatalog, ListTags


@dataclass(slots=True, eq=False)
class _Catalog:
    """A rule over many repositories: how many are still to be listed, what was found."""

    rule: Rule
    unlisted: int
    found: int = 0


class Discovery:
    """Rules on their way to pairs."""

    def __init__(
        self,
        inquiry: Inquiry,
        found: Callable[[Iterable[Pair]], None],
        failed: Callable[[Rule, MirrorError], None],
    ) -> None:
        self.unlisted: dict[Rule, None] = {}
        """The rules whose images are not known yet."""
        self._inquiry = inquiry
        self._found = found
        self._failed = failed
        self._lists: dict[ListCatalog | ListTags, tuple[str, ...]] = {}

    def begin(self, rules: Iterable[Rule]) -> None:
        """Take the mappings; pairs come out in their order as far as they are known."""
        known: list[Pair] = []
        for rule in rules:
            if rule.source.many_repositories or rule.source.many_tags:
                self._list(rule)
            else:
                known.append(pair(rule))
        self._found(known)

    def _list(self, rule: Rule) -> None:
        self.unlisted[rule] = None
        if rule.source.many_repositories:
            self._ask(ListCatalog(rule.source.registry), partial(self._catalog_read, rule))
        else:
            self._ask(ListTags(rule.source.repository), partial(self._tags_read, rule))

    def _ask(self, task: ListCatalog | ListTags, then: Then) -> None:
        """Have a list read, once in a run however many rules need it."""
        if (known := self._lists.get(task)) is not None:
            then(known)
        else:
            self._inquiry.ask(task, partial(self._listed, task, then))

    def _listed(
        self, task: ListCatalog | ListTags, then: Then, answer: Answer | MirrorError
    ) -> None:
        if isinstance(answer, tuple):
            self._lists[task] = answer
        then(answer)

    def _catalog_read(self, rule: Rule, answer: Answer | MirrorError) -> None:
        del self.unlisted[rule]
        if not isinstance(answer, tuple):
            self._failed(rule, _as_error(answer))
            return
        found = list(repositories(rule, answer))
        if not found:
            self._failed(rule, _nothing_matches(rule, "repository"))
        elif rule.source.many_tags:
            several = _Catalog(rule, unlisted=len(found))
            self.unlisted.update(dict.fromkeys(found))
            for one in found:
                read = partial(self._repository_read, several, one)
                self._ask(ListTags(one.source.repository), read)
        else:
            self._found(pair(one) for one in found)

    def _tags_read(self, rule: Rule, answer: Answer | MirrorError) -> None:
        del self.unlisted[rule]
        if not isinstance(answer, tuple):
            self._failed(rule, _as_error(answer))
            return
        found = list(pairs(rule, answer))
        if not found:
            self._failed(rule, _nothing_matches(rule, "tag"))
        self._found(found)

    def _repository_read(self, catalog: _Catalog, rule: Rule, answer: Answer | MirrorError) -> None:
        """Take the tags of one repository of a catalog, which may have none by now."""
        del self.unlisted[rule]
        catalog.unlisted -= 1
        if isinstance(answer, (tuple, NotFound)):
            found = list(pairs(rule, answer)) if isinstance(answer, tuple) else []
            catalog.found += len(found)
            self._found(found)
        else:
            catalog.found += 1  # what failed did match
            self._failed(rule, _as_error(answer))
        if not catalog.unlisted and not catalog.found:
            self._failed(catalog.rule, _nothing_matches(catalog.rule, "tag"))


def _as_error(answer: Answer | MirrorError) -> MirrorError:
    assert isinstance(answer, MirrorError), f"a list was asked for, {answer!r} came"
    return answer


def _nothing_matches(rule: Rule, noun: str) -> MirrorError:
    error = NotFound(
        f"no {noun} matches",
        hint=f"Check the pattern against the {noun} names that the registry lists.",
    )
    return error.at(Place(Side.SOURCE, str(rule.source), f"matching {noun} names"))
