"""Tags that have left their source, deleted at the destination: last of all, and guarded.

    all else is over --> the destination's tags --> those covered that no source lists
    --> within the limit? --> each: what it names --> its tag deleted, or its digest

Nothing is deleted in a repository of which a source did not list everything, or listed
nothing, or where something else failed; nothing at all of a mapping that would lose more
than it allows.  Where a registry deletes digests only, one that another tag, an index or a
referrer still uses stays.  Distribution specification 1.1, "Deleting tags".
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
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference, Repository, shared
from mirror.mapping.grammar import Origin, Rule
from mirror.mapping.terms import Prune, name_of
from mirror.mapping.wildcard import covered
from mirror.plan.inquiry import Asker, Inquiry, as_error
from mirror.plan.listings import Listings
from mirror.plan.task import Answer, DeleteManifest, ListTags, Resolve
from mirror.plan.usage import Usages
from mirror.wire.listing import Names

_RAISE = "If that is right, raise max-percent of the rule until it has run."
# Tags that a refusal names, at most.
_NAMED = 12
_EMPTY = (
    "its source lists nothing that the mapping covers",
    "Check the source; with allow-empty: true this is no failure, and the tags stay.",
)
_UNLISTED = ("not everything could be listed that goes there", "Mend what failed first.")
_FAILED = ("something else failed or was put off there", "Mend what failed first.")


@dataclass(slots=True, eq=False)
class _Place:
    """A destination repository: what its sources list, and which mappings may prune it."""

    rules: list[Rule] = field(default_factory=list)
    lists: list[tuple[str, ...]] = field(default_factory=list)

    def left(self, names: Iterable[str]) -> Iterator[str]:
        """Give the tags that no source lists."""
        there = set().union(*self.lists)
        return (tag for tag in names if tag not in there and not is_digest_tag(tag))


@dataclass(slots=True, eq=False)
class _Group(Asker):
    """What one mapping prunes, wherever it leads."""

    terms: Prune
    rule: Rule
    effort: Effort = field(default_factory=Effort)
    unanswered: int = 0
    covered: int = 0
    """Tags of the destination that the mapping is about."""
    gone: list[Reference] = field(default_factory=list)

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return False


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
        self._done = Pruning.PLANNED if rehearsing else Pruning.PRUNED
        self._inquiry = inquiry
        self._listings = listings
        self._claims = claims
        self._tell = tell
        self._places: defaultdict[Repository, _Place] = defaultdict(_Place)
        self._unlisted: list[Rule] = []
        self._failed: set[Repository] = set()
        self._usages = Usages(inquiry, listings)

    def listed(self, rule: Rule, tags: tuple[str, ...]) -> None:
        """See `mirror.plan.discovery.Watch`."""
        place = self._places[shared(rule.target.registry, rule.target.path)]
        place.lists.append(tags)
        if rule.terms is not None and rule.terms.prune is not None:
            place.rules.append(rule)

    def unlisted(self, rule: Rule) -> None:
        """See `mirror.plan.discovery.Watch`."""
        self._unlisted.append(rule)

    def failed(self, destination: Reference) -> None:
        """Learn that something was not brought to where it belongs."""
        self._failed.add(destination.repository)

    def brought(self, repository: Repository, digest: Digest) -> None:
        """Learn that a manifest is wanted in a repository though no tag names it."""
        self._usages.keep(repository, digest)

    def abandon(self) -> None:
        """Delete nothing; tell of every mapping that would have been looked at."""
        for members in self._groups().values():
            rule = members[0][1]
            self._settle(str(rule.target), rule, Pruning.DEFERRED)
        self._places.clear()

    def begin(self) -> None:
        """Begin, now that all else is over; does nothing the second time."""
        groups = self._groups()
        self._places, places = defaultdict(_Place), self._places
        for members in groups.values():
            self._begin(members, places)

    def _groups(self) -> dict[tuple[Origin, str], list[tuple[Repository, Rule]]]:
        """Return what each mapping covers, by where it was written and where it leads."""
        groups: defaultdict[tuple[Origin, str], list[tuple[Repository, Rule]]] = defaultdict(list)
        for repository, place in self._places.items():
            for rule in place.rules:
                groups[rule.origin, name_of(rule.terms)].append((repository, rule))
        return dict(groups)

    def _begin(
        self, members: list[tuple[Repository, Rule]], places: dict[Repository, _Place]
    ) -> None:
        rule = members[0][1]
        assert rule.terms is not None, "only rules with terms prune"
        assert rule.terms.prune is not None, "only rules that prune are here"
        group = _Group(rule.terms.prune, rule, unanswered=len(members))
        for repository, one in members:
            task = ListTags(repository, Side.DESTINATION)
            then = partial(self._there_listed, group, one, places[repository])
            self._listings.ask(group, task, partial(then, repository))

    def _there_listed(
        self,
        group: _Group,
        rule: Rule,
        place: _Place,
        repository: Repository,
        answer: Answer | MirrorError,
    ) -> None:
        if isinstance(answer, Names):
            there = list(covered(rule, answer.names))
            left = [Reference(repository, tag) for tag in place.left(there)]
            gone = [reference for reference in left if not self._claims(reference)]
            group.covered += len(there)
            if reason := self._reason_to_keep(rule, place, repository) if gone else None:
                meant = reason is _EMPTY and rule.terms is not None and rule.terms.allow_empty
                self._refuse(
                    str(repository), rule, reason, Pruning.KEPT if meant else Pruning.REFUSED
                )
            else:
                group.gone += gone
        elif not isinstance(answer, NotFound):
            self._settle(str(repository), rule, Pruning.FAILED, error=as_error(answer))
        group.unanswered -= 1
        if not group.unanswered:
            self._delete(group)

    def _reason_to_keep(
        self, rule: Rule, place: _Place, repository: Repository
    ) -> tuple[str, str] | None:
        """Say why nothing may be deleted in a repository, and what to do; None if it may."""
        if any(_leads_to(unlisted, repository) for unlisted in self._unlisted):
            return _UNLISTED
        if not any(True for tags in place.lists for _ in covered(rule, tags)):
            return _EMPTY
        if repository in self._failed:
            return _FAILED
        return None

    def _delete(self, group: _Group) -> None:
        """Delete what has gone, unless that is too much."""
        if len(group.gone) * 100 > group.terms.max_percent * group.covered:
            where = name_of(group.rule.terms) or str(group.rule.target)
            self._refuse(where, group.rule, (_too_many(group), _RAISE))
            return
        going = {repository: set[str]() for repository in {one.repository for one in group.gone}}
        for reference in group.gone:
            going[reference.repository].add(reference.tag or "")
        for reference in group.gone:
            self._usages.expect_gone(reference.repository, going[reference.repository])
            task = Resolve(Side.DESTINATION, reference)
            self._inquiry.ask(group, task, partial(self._resolved, group, reference))

    def _resolved(self, group: _Group, reference: Reference, answer: Answer | MirrorError) -> None:
        if answer is None:
            return  # somebody was faster
        if not isinstance(answer, Descriptor):
            self._end(group, reference, None, as_error(answer))
            return
        then = partial(self._tag_deleted, group, reference, answer.digest)
        self._inquiry.ask(group, DeleteManifest(reference), then)

    def _tag_deleted(
        self, group: _Group, reference: Reference, digest: Digest, answer: Answer | MirrorError
    ) -> None:
        if answer is False:  # the registry deletes by digest only
            then = partial(self._usage_known, group, reference, digest)
            self._usages.ask(group, reference.repository, digest, then)
        else:
            self._end(group, reference, digest, answer if answer is not True else None)

    def _usage_known(
        self, group: _Group, reference: Reference, digest: Digest, user: str | MirrorError
    ) -> None:
        if isinstance(user, MirrorError):
            self._end(group, reference, digest, user)
        elif user:
            place = Place(Side.DESTINATION, str(reference), "deleting the tag")
            used = Refused(f"this registry deletes digests only, and {user} uses this one", hint="")
            self._settle(str(reference), group.rule, Pruning.KEPT, digest, used.at(place))
        else:
            by_digest = DeleteManifest(Reference(reference.repository, digest=digest))
            then = partial(self._digest_deleted, group, reference, digest)
            self._inquiry.ask(group, by_digest, then)

    def _digest_deleted(
        self, group: _Group, reference: Reference, digest: Digest, answer: Answer | MirrorError
    ) -> None:
        self._end(group, reference, digest, answer if answer is not True else None)

    def _end(
        self,
        group: _Group,
        reference: Reference,
        digest: Digest | None,
        answer: Answer | MirrorError,
    ) -> None:
        if answer is None:
            self._settle(str(reference), group.rule, self._done, digest)
        else:
            error = as_error(answer)
            self._settle(str(reference), group.rule, Pruning.FAILED, digest, error)

    def _refuse(
        self,
        destination: str,
        rule: Rule,
        reason: tuple[str, str],
        outcome: Pruning = Pruning.REFUSED,
    ) -> None:
        words, hint = reason
        place = Place(Side.DESTINATION, destination, "pruning tags that have left their source")
        error = Refused(f"nothing was deleted: {words}", hint=hint).at(place)
        self._settle(destination, rule, outcome, error=error)

    def _settle(
        self,
        destination: str,
        rule: Rule,
        outcome: Pruning,
        digest: Digest | None = None,
        error: MirrorError | None = None,
    ) -> None:
        origin, name = str(rule.origin), name_of(rule.terms)
        self._tell(PruneSettled(destination, origin, outcome, digest, error, name))


def _too_many(group: _Group) -> str:
    named = [str(reference) for reference in group.gone[:_NAMED]]
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
