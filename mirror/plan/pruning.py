"""Tags that have left their source: which of a destination's are to go, and which never.

    all else is over --> the destination's tags --> those covered that no source lists
    --> within the limit? --> `mirror.plan.deleting`

Nothing is deleted in a repository of which a source did not list everything, or listed
nothing, or where something else failed; nothing at all of a mapping that would lose more
than it allows.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import MirrorError, NotFound, Place, Refused, Side
from mirror.events import Effort, Event, PruneSettled, Pruning
from mirror.image.digest import Digest
from mirror.image.digesttag import is_digest_tag
from mirror.image.reference import Reference, Repository, shared
from mirror.mapping.grammar import Rule
from mirror.mapping.terms import Prune, name_of
from mirror.mapping.wildcard import covered
from mirror.plan.deleting import Deleting, Leaving
from mirror.plan.inquiry import Asker, Inquiry, as_error
from mirror.plan.listings import Listings
from mirror.plan.task import Answer, DeleteManifest, ListTags
from mirror.wire.listing import Names

_Reason = tuple[str, str]
"""Why nothing may be deleted, and what to do about it."""

_RAISE = "If that is right, raise max-percent of the rule until it has run."
# Tags that a refusal names, at most.
_NAMED = 12
_EMPTY = (
    "its source lists nothing that the mapping covers",
    "Check the source; with allow-empty: true this is no failure, and the tags stay.",
)
_ELSEWHERE = (
    "another mapping leads there too, whose catalog does not have it now",
    "Name that repository in a mapping of its own, or leave out one of the two.",
)
_UNLISTED = ("not everything could be found out that goes there", "Mend what failed first.")
_FAILED = ("something else failed or was put off there", "Mend what failed first.")


@dataclass(slots=True, eq=False)
class _Place:
    """A destination repository, and the mappings that lead there with what each source lists."""

    lists: list[tuple[Rule, tuple[str, ...]]] = field(default_factory=list)

    @property
    def pruning(self) -> list[Rule]:
        """The mappings that delete there."""
        rules = (rule for rule, _ in self.lists)
        return [rule for rule in rules if rule.terms is not None and rule.terms.prune is not None]

    def left(self, names: Iterable[str]) -> Iterator[str]:
        """Give the tags that no source lists."""
        there = {tag for _, tags in self.lists for tag in tags}
        return (tag for tag in names if tag not in there and not is_digest_tag(tag))

    def sources(self, tag: str) -> tuple[Reference, ...]:
        """Return where a tag would be if it were still there."""
        return tuple({Reference(rule.source.repository, tag): None for rule, _ in self.lists})


@dataclass(slots=True, eq=False)
class _Group(Asker):
    """What one mapping prunes, wherever it leads."""

    terms: Prune
    rule: Rule
    members: list[tuple[Repository, Rule]] = field(default_factory=list)
    effort: Effort = field(default_factory=Effort)
    unanswered: int = 0
    covered: int = 0
    """Tags of the destination that the mapping is about."""
    gone: list[Leaving] = field(default_factory=list)
    over: bool = False

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.over


class Pruner:
    """What may be deleted, as it becomes known; what is, once all else is over."""

    def __init__(
        self,
        inquiry: Inquiry,
        listings: Listings,
        claims: Callable[[Reference], bool],
        tell: Callable[[Event], None],
        *,
        rehearsing: bool,
    ) -> None:
        """``claims`` says whether a destination was promised to a source in this run."""
        self._listings = listings
        self._claims = claims
        self._tell = tell
        self._places: defaultdict[Repository, _Place] = defaultdict(_Place)
        self._catalogs: list[Rule] = []
        self._unlisted: list[Rule] = []
        self._failed: set[Repository] = set()
        self._groups: list[_Group] = []
        self._begun = False
        self._deleting = Deleting(inquiry, listings, tell, rehearsing=rehearsing)

    def asked(self, rule: Rule) -> None:
        """See `mirror.plan.discovery.Watch`."""
        if rule.source.many_repositories:
            self._catalogs.append(rule)

    def listed(self, rule: Rule, tags: tuple[str, ...]) -> None:
        """See `mirror.plan.discovery.Watch`; in folders nothing is ever deleted."""
        if not rule.target.registry.is_local:
            self._places[shared(rule.target.registry, rule.target.path)].lists.append((rule, tags))

    def unlisted(self, rule: Rule) -> None:
        """See `mirror.plan.discovery.Watch`."""
        self._unlisted.append(rule)

    def failed(self, destination: Reference) -> None:
        """Learn that something was not brought to where it belongs."""
        self._failed.add(destination.repository)

    def brought(self, repository: Repository, digest: Digest) -> None:
        """Learn that a manifest is wanted in a repository though no tag names it."""
        self._deleting.usages.keep(repository, digest)

    def dispatch(self, task: DeleteManifest) -> None:
        """Learn that a deletion is sent."""
        self._deleting.dispatch(task)

    def begin(self) -> None:
        """Begin, now that all else is over; does nothing the second time."""
        if not self._begun:
            self._group()
            for group in self._groups:
                self._list_destinations(group)

    def close(self) -> None:
        """Begin nothing new; tell of what was not begun as deferred."""
        self._defer_groups()
        self._deleting.close()

    def abandon(self) -> None:
        """Tell of everything that has not come to its end as deferred."""
        self._defer_groups()
        self._deleting.abandon()

    def _defer_groups(self) -> None:
        self._group()
        for group in self._groups:
            if not group.over:
                group.over = True
                self._settle(str(group.rule.target), group.rule, Pruning.DEFERRED)

    def _group(self) -> None:
        """Put together what each mapping covers, wherever it leads; only once."""
        if self._begun:
            return
        self._begun = True
        groups: dict[object, _Group] = {}
        for repository, place in self._places.items():
            for rule in place.pruning:
                assert rule.terms is not None, "only rules with terms prune"
                assert rule.terms.prune is not None, "these do"
                key = rule.origin, name_of(rule.terms), rule.terms
                group = groups.setdefault(key, _Group(rule.terms.prune, rule))
                group.members.append((repository, rule))
        self._groups = list(groups.values())

    def _list_destinations(self, group: _Group) -> None:
        group.unanswered = len(group.members)
        for repository, rule in group.members:
            task = ListTags(repository, Side.DESTINATION)
            then = partial(self._there_listed, group, repository, rule)
            self._listings.ask(group, task, then)

    def _there_listed(
        self, group: _Group, repository: Repository, rule: Rule, answer: Answer | MirrorError
    ) -> None:
        if group.over:
            return
        if isinstance(answer, Names):
            self._look(group, repository, rule, answer.names)
        elif not isinstance(answer, NotFound):
            self._settle(str(repository), rule, Pruning.FAILED, as_error(answer))
        group.unanswered -= 1
        if not group.unanswered:
            group.over = True
            self._delete(group)

    def _look(
        self, group: _Group, repository: Repository, rule: Rule, names: tuple[str, ...]
    ) -> None:
        """Find the tags of a repository that are to go."""
        place, there = self._places[repository], list(covered(rule, names))
        left = (Reference(repository, tag) for tag in place.left(there))
        gone = [reference for reference in left if not self._claims(reference)]
        reason = self._reason_to_keep(place, repository) if gone else None
        if reason is None:
            group.covered += len(there)
            group.gone += [
                Leaving(reference, rule, place.sources(reference.tag or "")) for reference in gone
            ]
            return
        meant = reason is _EMPTY and rule.terms is not None and rule.terms.allow_empty
        self._refuse(str(repository), rule, reason, Pruning.KEPT if meant else Pruning.REFUSED)

    def _reason_to_keep(self, place: _Place, repository: Repository) -> _Reason | None:
        """Say why nothing may be deleted in a repository; None if it may."""
        if any(_leads_to(unlisted, repository) for unlisted in self._unlisted):
            return _UNLISTED
        if not all(any(True for _ in covered(rule, tags)) for rule, tags in place.lists):
            return _EMPTY
        written = {(rule.origin, rule.terms) for rule, _ in place.lists}
        for catalog in self._catalogs:
            if _leads_to(catalog, repository) and (catalog.origin, catalog.terms) not in written:
                return _ELSEWHERE
        return _FAILED if repository in self._failed else None

    def _delete(self, group: _Group) -> None:
        """Delete what has gone, unless that is too much."""
        if len(group.gone) * 100 > group.terms.max_percent * group.covered:
            where = name_of(group.rule.terms) or str(group.rule.target)
            self._refuse(where, group.rule, (_too_many(group), _RAISE))
            return
        for leaving in group.gone:
            self._deleting.begin(leaving)

    def _refuse(
        self, destination: str, rule: Rule, reason: _Reason, outcome: Pruning = Pruning.REFUSED
    ) -> None:
        words, hint = reason
        place = Place(Side.DESTINATION, destination, "pruning tags that have left their source")
        error = Refused(f"nothing was deleted: {words}", hint=hint).at(place)
        self._settle(destination, rule, outcome, error)

    def _settle(
        self, destination: str, rule: Rule, outcome: Pruning, error: MirrorError | None = None
    ) -> None:
        origin, name = str(rule.origin), name_of(rule.terms)
        self._tell(PruneSettled(destination, origin, outcome, None, error, name))


def _too_many(group: _Group) -> str:
    named = [str(leaving.reference) for leaving in group.gone[:_NAMED]]
    if len(group.gone) > _NAMED:
        named.append("...")
    return (
        f"{len(group.gone)} of {group.covered} tags would be deleted, "
        f"more than {group.terms.max_percent:g} %: {', '.join(named)}"
    )


def _leads_to(rule: Rule, repository: Repository) -> bool:
    """Whether a mapping may bring something into a repository."""
    if rule.target.registry != repository.registry:
        return False
    pattern = "(.+)".join(re.escape(part) for part in rule.target.path.split("*"))
    return re.fullmatch(pattern, repository.path) is not None
