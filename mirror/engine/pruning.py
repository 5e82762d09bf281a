"""Tags that have left their source: which of a destination's are to go, and which never.

    all else is over --> the destination's tags --> those covered that no source lists
    --> within the limit? --> `mirror.engine.deletion`

Nothing is deleted in a repository of which a source did not list everything, or listed
nothing, or where something else failed; nothing at all of a mapping that would lose more
than it allows.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field

from mirror.engine.deletion import Deletion, TagDeletion
from mirror.engine.listings import Listings
from mirror.engine.task_groups import task_group
from mirror.errors import MirrorError, NotFound, Refused
from mirror.events import Emit, PruneSettled, PruneStatus
from mirror.image.reference import Reference, Repository, shared
from mirror.image.referrers_index import is_digest_tag
from mirror.mapping.grammar import Rule
from mirror.mapping.rule_options import Prune, name_of
from mirror.mapping.wildcard import matching_tags
from mirror.place import Place, Side

_Reason = tuple[str, str]
"""Why nothing may be deleted, and what to do about it."""

_RAISE = "If that is right, raise max-percent of the rule until it has run."
# Tags that a refusal names, at most.
_NAMED = 12
_EMPTY = (
    "its source lists nothing that the mapping covers",
    "Check the source; with allow-empty: true this is not a failure, and the tags stay.",
)
_ELSEWHERE = (
    "another mapping leads there too, whose catalog does not have it now",
    "Name that repository in a mapping of its own, or leave out one of the two.",
)
_UNLISTED = ("not everything could be found out that goes there", "Mend what failed first.")
_FAILED = ("something else failed or was put off there", "Mend what failed first.")


class _PrunedRepository(Struct, eq=False):
    """A destination repository, and the mappings that lead there with what each source lists."""

    lists: list[tuple[Rule, tuple[str, ...]]] = field(default_factory=list)

    @property
    def pruning(self) -> Iterator[tuple[Rule, Prune]]:
        """The mappings that delete there."""
        for rule, _ in self.lists:
            if rule.options is not None and rule.options.prune is not None:
                yield rule, rule.options.prune

    def left(self, names: Iterable[str]) -> Iterator[str]:
        """Give the tags that no source lists."""
        there = {tag for _, tags in self.lists for tag in tags}
        return (tag for tag in names if tag not in there and not is_digest_tag(tag))

    def sources(self, tag: str) -> tuple[Reference, ...]:
        """Return where a tag would be if it were still there."""
        return tuple({Reference(rule.source.repository, tag): None for rule, _ in self.lists})


class _Group(Struct, eq=False):
    """What one mapping prunes, wherever it leads."""

    prune: Prune
    rule: Rule
    members: list[tuple[Repository, Rule]] = field(default_factory=list)
    covered: int = 0
    """Tags of the destinations that the mapping is about."""
    gone: list[TagDeletion] = field(default_factory=list)
    over: bool = False


class Pruner:
    """Collects candidates for deletion during the run; deletes them when all else is over."""

    def __init__(
        self,
        listings: Listings,
        claims: Callable[[Reference], bool],
        deletion: Deletion,
        emit: Emit,
    ) -> None:
        """``claims`` says whether a destination was promised to a source in this run."""
        self._listings = listings
        self._claims = claims
        self._deletion = deletion
        self._emit = emit
        self._places: defaultdict[Repository, _PrunedRepository] = defaultdict(_PrunedRepository)
        self._catalogs: list[Rule] = []
        self._unlisted: list[Rule] = []
        self._failed: set[Repository] = set()
        self._groups: list[_Group] | None = None

    def asked(self, rule: Rule) -> None:
        """See `mirror.engine.expansion.Observer`."""
        if rule.source.many_repositories:
            self._catalogs.append(rule)

    def listed(self, rule: Rule, tags: tuple[str, ...]) -> None:
        """See `mirror.engine.expansion.Observer`; in folders nothing is ever deleted."""
        if not rule.target.registry.is_local:
            self._places[shared(rule.target.registry, rule.target.path)].lists.append((rule, tags))

    def unlisted(self, rule: Rule) -> None:
        """See `mirror.engine.expansion.Observer`."""
        self._unlisted.append(rule)

    def failed(self, destination: Reference) -> None:
        """Note that something was not brought to where it belongs."""
        self._failed.add(destination.repository)

    async def prune(self) -> None:
        """Delete what is to go, now that all else is over; emit the outcome of every group."""
        async with task_group() as tasks:
            for group in self._grouped():
                tasks.start_soon(self._prune_group, group)

    def defer(self) -> None:
        """Begin nothing more; tell of what was not begun as deferred."""
        for group in self._grouped():
            if not group.over:
                group.over = True
                self._settle(str(group.rule.target), group.rule, PruneStatus.DEFERRED)
        self._deletion.close()

    def cancel_pending(self) -> None:
        """Tell of everything that has not come to its end as deferred."""
        self.defer()
        self._deletion.cancel_pending()

    def _grouped(self) -> list[_Group]:
        """Put together what each mapping covers, wherever it leads; only once."""
        if self._groups is None:
            groups: dict[object, _Group] = {}
            for repository, place in self._places.items():
                for rule, prune in place.pruning:
                    key = rule.origin, name_of(rule.options), rule.options
                    group = groups.setdefault(key, _Group(prune, rule))
                    group.members.append((repository, rule))
            self._groups = list(groups.values())
        return self._groups

    async def _prune_group(self, group: _Group) -> None:
        if group.over:
            return
        async with task_group() as tasks:
            for repository, rule in group.members:
                tasks.start_soon(self._look, group, repository, rule)
        if group.over:
            return  # put off meanwhile
        group.over = True
        if len(group.gone) * 100 > group.prune.max_percent * group.covered:
            where = name_of(group.rule.options) or str(group.rule.target)
            self._refuse(where, group.rule, (_too_many(group), _RAISE))
            return
        await self._deletion.delete(group.gone)

    async def _look(self, group: _Group, repository: Repository, rule: Rule) -> None:
        """Find the tags of a repository that are to go."""
        try:
            names = (await self._listings.tags(repository, Side.DESTINATION)).names
        except NotFound:
            return
        except MirrorError as error:
            if not group.over:
                self._settle(str(repository), rule, PruneStatus.FAILED, error)
            return
        if group.over:
            return
        place, there = self._places[repository], list(matching_tags(rule, names))
        left = (Reference(repository, tag) for tag in place.left(there))
        gone = [reference for reference in left if not self._claims(reference)]
        reason = self._reason_to_keep(place, repository) if gone else None
        if reason is None:
            group.covered += len(there)
            group.gone += [
                TagDeletion(reference, rule, place.sources(reference.tag or ""))
                for reference in gone
            ]
            return
        meant = reason is _EMPTY and rule.options is not None and rule.options.allow_empty
        self._refuse(
            str(repository), rule, reason, PruneStatus.KEPT if meant else PruneStatus.REFUSED
        )

    def _reason_to_keep(self, place: _PrunedRepository, repository: Repository) -> _Reason | None:
        """Say why nothing may be deleted in a repository; None if it may."""
        if any(_leads_to(unlisted, repository) for unlisted in self._unlisted):
            return _UNLISTED
        if not all(any(True for _ in matching_tags(rule, tags)) for rule, tags in place.lists):
            return _EMPTY
        written = {(rule.origin, rule.options) for rule, _ in place.lists}
        for catalog in self._catalogs:
            if _leads_to(catalog, repository) and (catalog.origin, catalog.options) not in written:
                return _ELSEWHERE
        return _FAILED if repository in self._failed else None

    def _refuse(
        self,
        destination: str,
        rule: Rule,
        reason: _Reason,
        outcome: PruneStatus = PruneStatus.REFUSED,
    ) -> None:
        words, hint = reason
        place = Place(Side.DESTINATION, destination, "pruning tags that have left their source")
        error = Refused(f"nothing was deleted: {words}", hint=hint).at(place)
        self._settle(destination, rule, outcome, error)

    def _settle(
        self, destination: str, rule: Rule, outcome: PruneStatus, error: MirrorError | None = None
    ) -> None:
        origin, name = str(rule.origin), name_of(rule.options)
        self._emit(PruneSettled(destination, origin, outcome, None, error, name))


def _too_many(group: _Group) -> str:
    named = [str(leaving.reference) for leaving in group.gone[:_NAMED]]
    if len(group.gone) > _NAMED:
        named.append("...")
    return (
        f"{len(group.gone)} of {group.covered} tags would be deleted, "
        f"more than {group.prune.max_percent:g} %: {', '.join(named)}"
    )


def _leads_to(rule: Rule, repository: Repository) -> bool:
    """Whether a mapping may bring something into a repository."""
    if rule.target.registry != repository.registry:
        return False
    pattern = "(.+)".join(re.escape(part) for part in rule.target.path.split("*"))
    return re.fullmatch(pattern, repository.path) is not None
