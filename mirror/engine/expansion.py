"""From rules to pairs: the catalogs and tag lists that they need are read, and shares divided.

What a ``*`` matches in a list is decided in `mirror.mapping.wildcard`.

What belongs to other shares of the work is passed over, and what is not known when the run is
cut short is deferred.
"""

from collections import deque
from collections.abc import Iterable
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct, field

from mirror.effort import Effort, effort_of
from mirror.engine.admission import Admission, outcome
from mirror.engine.listings import Listings
from mirror.engine.repository_access import Source
from mirror.engine.task_groups import task_group
from mirror.errors import MirrorError, NotFound, Unsupported
from mirror.events import Emit, ImagesFound, RepositoriesFound, Status
from mirror.image.reference import Reference, Repository, is_tag, shared
from mirror.mapping.grammar import Rule
from mirror.mapping.tag_filter import ALL
from mirror.mapping.wildcard import matching_tags, repositories, rules_per_tag
from mirror.options import Options
from mirror.place import Place, Side
from mirror.shard import Shard

# Repositories whose tags are asked for at once.
_LISTED_AT_ONCE = 64
# Names that a message names, at most.
_NAMED = 12


class Observer(Protocol):
    """Sees what sources list."""

    def asked(self, rule: Rule) -> None:
        """Note that a source is asked what a rule stands for."""
        ...

    def listed(self, rule: Rule, tags: tuple[str, ...]) -> None:
        """Note all tags that the source lists for a rule for one repository."""
        ...

    def unlisted(self, rule: Rule) -> None:
        """Note that it is not known, or in doubt, what a rule stands for."""
        ...

    def failed(self, destination: Reference) -> None:
        """Note that an image was not brought to where it belongs."""
        ...


class ShardFilter:
    """Which destination repositories are this run's; without a shard all are."""

    def __init__(self, shard: Shard | None, emit: Emit) -> None:
        self._shard = shard
        self._emit = emit
        self._owned: dict[Repository, bool] = {}

    def divide(self, rules: Iterable[Rule]) -> tuple[Iterable[Rule], list[Rule]]:
        """Return which of some rules are this run's, and which are for other shares.

        What a catalog has yet to name belongs to every share.
        """
        if (shard := self._shard) is None:
            return rules, []
        mine, others, before = list[Rule](), list[Rule](), len(self._owned)
        for rule in rules:
            owned = rule.source.many_repositories or self._owns(shard, rule)
            (mine if owned else others).append(rule)
        if fresh := list(self._owned.values())[before:]:
            self._emit(RepositoriesFound(sum(fresh), len(fresh) - sum(fresh)))
        return mine, others

    def _owns(self, shard: Shard, rule: Rule) -> bool:
        repository = shared(rule.target.registry, rule.target.path)
        if (owned := self._owned.get(repository)) is None:
            owned = self._owned[repository] = shard.owns(repository)
        return owned


class _Found(Struct, eq=False):
    """What was found so far of a rule for many repositories."""

    repositories: int = 0
    images: int = 0
    elsewhere: list[Rule] = field(default_factory=list)
    """Its repositories that are for other shares."""


class Expansion:
    """The mappings on their way to pairs, which wait in the admission for their turn."""

    def __init__(
        self,
        source: Source,
        listings: Listings,
        options: Options,
        emit: Emit,
        admission: Admission,
        observer: Observer,
    ) -> None:
        self._source = source
        self._listings = listings
        self._options = options
        self._emit = emit
        self._admission = admission
        self._observer = observer
        self._ownership = ShardFilter(options.shard, emit)
        self._unknown: dict[int, Rule] = {}
        """The rules whose images are not known yet."""
        self._scope = anyio.CancelScope()

    async def expand(self, rules: Iterable[Rule]) -> None:
        """Find the pairs of all rules, and queue them; return when all are known."""
        known: deque[Rule] = deque()
        mine, _ = self._ownership.divide(rules)
        many = []
        for rule in mine:
            if rule.source.many:
                many.append(rule)
                self._note_unknown(rule)
            else:
                known.append(rule)
        # The grammar has seen to it that no two of these go to one place.
        self._admission.add(known, unique=not many)
        room = anyio.Semaphore(_LISTED_AT_ONCE)
        with self._scope:
            async with task_group() as tasks:
                for rule in many:
                    await room.acquire()
                    tasks.start_soon(self._expand, rule, room)

    @property
    def waiting(self) -> int:
        """How many mappings `defer` would tell of."""
        return len(self._unknown)

    def defer(self) -> None:
        """List nothing more; tell of what is not known as deferred."""
        self._scope.cancel()
        unknown, self._unknown = self._unknown, {}
        for rule in unknown.values():
            self._settle_rule(rule, Status.DEFERRED)

    def rule_failed(self, rule: Rule, error: MirrorError) -> None:
        """Tell of a mapping whose images are not known."""
        self._observer.unlisted(rule)
        if self._options.skip_missing and isinstance(error, NotFound):
            self._settle_rule(rule, Status.SKIPPED)
        else:
            self._settle_rule(rule, Status.FAILED, error)

    async def _expand(self, rule: Rule, room: anyio.Semaphore) -> None:
        try:
            with effort_of(Effort()):
                self._observer.asked(rule)
                if rule.source.many_repositories:
                    await self._expand_catalog(rule)
                elif (tags := await self._tags_of(rule)) is not None:
                    self._found(rule, tags)
        finally:
            room.release()

    async def _expand_catalog(self, rule: Rule) -> None:
        """Find the repositories of a rule, and the tags of each."""
        source, found = rule.source, _Found()
        below = source.path[: source.path.rfind("/") + 1] if source.registry.is_local else ""
        room = anyio.Semaphore(_LISTED_AT_ONCE)
        async with task_group() as tasks:
            try:
                async for page in self._listings.repositories(source.registry, below):
                    await self._take_page(rule, page, found, tasks, room)
            except MirrorError as error:
                found.images += 1  # what else there is, is not known
                self._known(rule)
                self.rule_failed(rule, error)
        if not found.images and found.elsewhere:
            await self._look_elsewhere(found)
        self._known(rule)
        if not found.images:
            self._nothing_found(rule, "tag" if found.repositories else "repository")

    async def _take_page(
        self,
        rule: Rule,
        page: tuple[str, ...],
        found: _Found,
        tasks: TaskGroup,
        room: anyio.Semaphore,
    ) -> None:
        named = list(repositories(rule, page))
        found.repositories += len(named)
        mine, others = self._ownership.divide(named)
        if not rule.source.many_tags:
            found.images += len(named)
            self._admission.add(mine)
            return
        found.elsewhere += others
        mine = list(mine)
        for one in mine:
            self._note_unknown(one)
        for one in mine:
            await room.acquire()
            tasks.start_soon(self._expand_repository, one, found, room)

    async def _expand_repository(self, rule: Rule, found: _Found, room: anyio.Semaphore) -> None:
        """Find the tags of one repository of a catalog; it may have gone by now."""
        try:
            tags = await self._tags_of(rule)
            found.images += 1 if tags is None else self._found(rule, tags)
        finally:
            room.release()

    async def _look_elsewhere(self, found: _Found) -> None:
        """Ask if anything matches in a repository of another share, since nothing did in ours.

        A pattern fails where it matches nothing in any share, and in none where it does.
        """
        while found.elsewhere and not found.images:
            rule = found.elsewhere.pop()
            try:
                names = (await self._listings.tags(rule.source.repository)).names
            except NotFound:
                continue
            except MirrorError:
                found.images += 1  # the share that has it tells of that
                return
            found.images += any(True for _ in rules_per_tag(rule, matching_tags(rule, names)))

    async def _tags_of(self, rule: Rule) -> list[str] | None:
        """Return the tags that a rule for one repository stands for; None if it failed."""
        try:
            names = (await self._listings.tags(rule.source.repository)).names
        except MirrorError as error:
            if not (rule.catalog and isinstance(error, NotFound)):
                self._known(rule)
                self.rule_failed(rule, error)
                return None
            names = ()
        self._observer.listed(rule, names)
        if rule.source.registry.is_layout and (odd := [tag for tag in names if not is_tag(tag)]):
            self.rule_failed(rule, _not_tags(rule, odd))
        tags = list(matching_tags(rule, names))
        tag_filter = rule.options.tag_filter if rule.options is not None else ALL
        if tag_filter.newest is not None and not tag_filter.by_creation:
            tags = tag_filter.newest_versions(tags)
        elif tag_filter.newest is not None and len(tags) > tag_filter.newest:
            tags = await self._newest_created(rule, tags, tag_filter.newest)
        self._known(rule)
        return tags

    async def _newest_created(self, rule: Rule, tags: list[str], newest: int) -> list[str]:
        """Ask of each tag when its image was created, and return the newest of them."""
        dates: dict[str, float] = {}
        failed: list[MirrorError] = []

        async def ask(tag: str) -> None:
            try:
                reference = Reference(rule.source.repository, tag)
                dates[tag] = await self._source.created(reference)
            except NotFound:
                pass  # it has gone meanwhile
            except MirrorError as error:
                if not failed:
                    self.rule_failed(rule, error)
                failed.append(error)

        async with task_group() as tasks:
            for tag in tags:
                tasks.start_soon(ask, tag)
        return sorted(dates, key=lambda tag: (dates[tag], tag), reverse=True)[:newest]

    def _found(self, rule: Rule, tags: list[str]) -> int:
        """Queue what a repository's rule came to; return how many pairs that is."""
        found = list(rules_per_tag(rule, tags))
        self._admission.add(found)
        if not found and not rule.catalog:
            self._nothing_found(rule, "tag")
        return len(found)

    def _note_unknown(self, rule: Rule) -> None:
        self._unknown[id(rule)] = rule

    def _known(self, rule: Rule) -> None:
        self._unknown.pop(id(rule), None)

    def _nothing_found(self, rule: Rule, noun: str) -> None:
        if rule.options is None or not rule.options.allow_empty:
            self.rule_failed(rule, nothing_matches(rule, noun))

    def _settle_rule(self, rule: Rule, status: Status, error: MirrorError | None = None) -> None:
        self._emit(ImagesFound(1))
        self._emit(outcome(rule, status, error))


def nothing_matches(rule: Rule, noun: str) -> MirrorError:
    """Say that a pattern matches no ``noun``, which is a failure of its mapping."""
    error = NotFound(
        f"no {noun} matches",
        hint=f"Check the pattern against the {noun} names that the registry lists.",
    )
    return error.at(Place(Side.SOURCE, str(rule.source), f"matching {noun} names"))


def _not_tags(rule: Rule, names: list[str]) -> MirrorError:
    error = Unsupported(
        f"names that are not tags are left out: {', '.join(names[:_NAMED])}",
        hint="Copy each by its digest, oci:PATH@sha256:..., to the tag that it should have.",
    )
    return error.at(Place(Side.SOURCE, str(rule.source), "matching names"))
