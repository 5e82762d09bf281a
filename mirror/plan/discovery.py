"""Finding out which images the mappings name: rules become rules for single images.

Rules without ``*`` are that already; the others wait for a catalog or a tag
list.  A pattern that matches nothing at all is a failure.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from mirror.errors import MirrorError, NotFound, Place, Side, Unsupported
from mirror.events import Effort
from mirror.image.reference import Reference, is_tag
from mirror.mapping.choice import ALL
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import covered, repositories, singles
from mirror.plan.inquiry import Asker, Inquiry, as_error
from mirror.plan.listings import Listings
from mirror.plan.ownership import Ownership
from mirror.plan.task import Answer, ListTags, ReadCreation
from mirror.wire.listing import Names

# Names that a message names, at most.
_NAMED = 12


@dataclass(slots=True, eq=False)
class _Pending(Asker):
    """A rule whose images are not known yet; two rules may be equal, two of these are not."""

    rule: Rule
    catalog: "_Pending | None" = None
    """The rule whose ``*`` in the path this repository is one of."""
    effort: Effort = field(default_factory=Effort)
    over: bool = False
    failed: bool = False
    """Whether it was told that something of it could not be found out."""
    unlisted: int = 0
    """What is not known yet: the rest of its catalog, and repositories of it without tags."""
    repositories: int = 0
    elsewhere: list[Rule] = field(default_factory=list)
    """Its repositories that are for other shares."""
    found: int = 0
    dates: dict[str, float] = field(default_factory=dict)
    """When the images of its tags were created, as far as that is known."""

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.over


class Found(Protocol):
    """Takes rules without ``*`` as they become known."""

    def __call__(self, rules: Iterable[Rule], *, unique: bool = False) -> None:
        """Take some; with ``unique`` there are no others, and no two go to one place."""
        ...


class Watch(Protocol):
    """Is told of what sources list."""

    def asked(self, rule: Rule) -> None:
        """Learn that a source is asked what a rule is about."""
        ...

    def listed(self, rule: Rule, tags: tuple[str, ...]) -> None:
        """Learn all tags that the source lists of a rule for one repository."""
        ...

    def unlisted(self, rule: Rule) -> None:
        """Learn that it is not known, or in doubt, what a rule is about."""
        ...

    def failed(self, destination: Reference) -> None:
        """Learn that an image was not brought to where it belongs."""
        ...


class Discovery:
    """Rules on their way to single images."""

    def __init__(
        self,
        inquiry: Inquiry,
        listings: Listings,
        ownership: Ownership,
        found: Found,
        failed: Callable[[Rule, MirrorError], None],
        watch: Watch | None = None,
    ) -> None:
        """Be told who takes what was found, what could not be, and what sources listed."""
        self._inquiry = inquiry
        self._ownership = ownership
        self._found = found
        self._failed = failed
        self._watch = watch
        self._listings = listings
        self._pending: dict[_Pending, None] = {}

    def begin(self, rules: Iterable[Rule]) -> None:
        """Take the mappings; single images come out in their order as far as they are known."""
        known: deque[Rule] = deque()
        mine, _ = self._ownership.divide(rules)
        for rule in mine:
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
        if self._watch is not None:
            self._watch.asked(rule)
        pending = self._wait(rule)
        if rule.source.many_repositories:
            pending.unlisted = 1
            local = rule.source.registry.is_local
            below = rule.source.path[: rule.source.path.rfind("/") + 1] if local else ""
            turned = partial(self._catalog_read, pending)
            self._listings.read(pending, rule.source.registry, below, turned)
        else:
            self._ask_tags(pending)

    def _wait(self, rule: Rule, catalog: _Pending | None = None) -> _Pending:
        pending = _Pending(rule, catalog)
        self._pending[pending] = None
        return pending

    def _ask_tags(self, pending: _Pending) -> None:
        task = ListTags(pending.rule.source.repository)
        self._listings.ask(pending, task, partial(self._tags_read, pending))

    def _catalog_read(self, pending: _Pending, page: Names | MirrorError) -> None:
        """Take the next page of a catalog, and begin with the repositories on it."""
        if pending.over:
            return
        if isinstance(page, MirrorError):
            pending.found += 1  # nobody knows what there is
            self._failed(pending.rule, page)
            self._one_less(pending)
            return
        named = list(repositories(pending.rule, page.names))
        pending.repositories += len(named)
        mine, others = self._ownership.divide(named)
        found = list(mine)
        if pending.rule.source.many_tags:
            pending.elsewhere += others
            pending.unlisted += len(found)
            for waiting in [self._wait(one, pending) for one in found]:
                self._ask_tags(waiting)
        else:
            pending.found += len(named)
            self._found(found)
        if page.rest is None:
            self._one_less(pending)

    def _one_less(self, catalog: _Pending) -> None:
        """Wait for one thing less of what a catalog names; say if it came to nothing."""
        catalog.unlisted -= 1
        if catalog.unlisted:
            return
        if catalog.elsewhere and not catalog.found:
            self._look_elsewhere(catalog)
            return
        del self._pending[catalog]
        if not catalog.found:
            noun = "tag" if catalog.repositories else "repository"
            self._nothing_found(catalog.rule, noun)

    def _look_elsewhere(self, catalog: _Pending) -> None:
        """Ask if anything matches in a repository of another share, since nothing did in ours.

        A pattern fails where it matches nothing in any share, and in none where it does.
        """
        rule = catalog.elsewhere.pop()
        catalog.unlisted = 1
        task = ListTags(rule.source.repository)
        self._listings.ask(catalog, task, partial(self._seen_elsewhere, catalog, rule))

    def _seen_elsewhere(self, catalog: _Pending, rule: Rule, answer: Answer | MirrorError) -> None:
        if catalog.over:
            return
        if isinstance(answer, Names):
            catalog.found += any(True for _ in singles(rule, covered(rule, answer.names)))
        elif not isinstance(answer, NotFound):
            catalog.found += 1  # whose share it is will tell of that
        self._one_less(catalog)

    def _tags_read(self, pending: _Pending, answer: Answer | MirrorError) -> None:
        if pending.over:
            return
        # A repository of a catalog may have gone by now.
        gone = bool(pending.rule.catalog) and isinstance(answer, NotFound)
        if isinstance(answer, Names) or gone:
            self._choose(pending, answer.names if isinstance(answer, Names) else ())
        else:
            self._failed(pending.rule, as_error(answer))
            self._over(pending, None)

    def _choose(self, pending: _Pending, names: tuple[str, ...]) -> None:
        rule = pending.rule
        if self._watch is not None:
            self._watch.listed(rule, names)
        if rule.source.registry.is_layout and (odd := [tag for tag in names if not is_tag(tag)]):
            self._failed(rule, _no_tags(rule, odd))
        tags = list(covered(rule, names))
        choice = rule.terms.choice if rule.terms is not None else ALL
        if choice.newest is None:
            self._over(pending, tags)
        elif not choice.by_creation:
            self._over(pending, choice.newest_versions(tags))
        elif len(tags) > choice.newest:
            self._ask_dates(pending, tags)
        else:
            self._over(pending, tags)

    def _ask_dates(self, pending: _Pending, tags: list[str]) -> None:
        """Ask of each tag when its image was created, to choose the newest of them."""
        unanswered = set(tags)
        for tag in tags:
            task = ReadCreation(Reference(pending.rule.source.repository, tag))
            self._inquiry.ask(pending, task, partial(self._dated, pending, tag, unanswered))

    def _dated(
        self, pending: _Pending, tag: str, unanswered: set[str], answer: Answer | MirrorError
    ) -> None:
        if pending.over:
            return
        unanswered.remove(tag)
        if isinstance(answer, float):
            pending.dates[tag] = answer
        elif not isinstance(answer, NotFound) and not pending.failed:  # not gone meanwhile
            pending.failed = True
            self._failed(pending.rule, as_error(answer))
        if not unanswered:
            assert pending.rule.terms is not None, "by default no tag is newer than another"
            dates = pending.dates
            newest = sorted(dates, key=lambda tag: (dates[tag], tag), reverse=True)
            self._over(pending, newest[: pending.rule.terms.choice.newest])

    def _over(self, pending: _Pending, tags: list[str] | None) -> None:
        """Give away what a repository's rule came to; None if that could not be found out."""
        del self._pending[pending]
        found = list(singles(pending.rule, tags)) if tags is not None else []
        self._found(found)
        catalog = pending.catalog
        if catalog is not None:
            catalog.found += len(found) if tags is not None else 1
            self._one_less(catalog)
        elif tags is not None and not found and not pending.rule.catalog:
            self._nothing_found(pending.rule, "tag")

    def _nothing_found(self, rule: Rule, noun: str) -> None:
        if rule.terms is None or not rule.terms.allow_empty:
            self._failed(rule, nothing_matches(rule, noun))


def _no_tags(rule: Rule, names: list[str]) -> MirrorError:
    error = Unsupported(
        f"names that are no tags are left out: {', '.join(names[:_NAMED])}",
        hint="Copy each by its digest, oci:PATH@sha256:..., to the tag that it should have.",
    )
    return error.at(Place(Side.SOURCE, str(rule.source), "matching names"))


def nothing_matches(rule: Rule, noun: str) -> MirrorError:
    """Say that a pattern matches no ``noun``, which is a failure of its mapping."""
    error = NotFound(
        f"no {noun} matches",
        hint=f"Check the pattern against the {noun} names that the registry lists.",
    )
    return error.at(Place(Side.SOURCE, str(rule.source), f"matching {noun} names"))
