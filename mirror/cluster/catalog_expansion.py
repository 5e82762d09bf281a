"""Which repositories the mappings are about, so that the work can be cut between workers.

Catalogs are read, and nothing else is asked: mappings for many repositories become mappings
for one each, whose tags the workers will list.  A pattern that matches nothing is a failure,
and no worker knows of more than its own repositories: what they tell of images says which
patterns came to something.
"""

from collections.abc import Iterable
from dataclasses import replace

from msgspec import Struct, field

from mirror.engine.admission import outcome
from mirror.engine.expansion import ShardFilter, nothing_matches
from mirror.engine.run_state import Run
from mirror.engine.task_groups import task_group
from mirror.errors import MirrorError, NotFound
from mirror.events import Emit, ImageSettled, ImagesFound, Status
from mirror.image.reference import Reference, split_reference
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import catalog_of, matching_tags, repositories, rules_per_tag
from mirror.options import Options


class _CatalogRule(Struct, eq=False):
    """A rule for many repositories."""

    rule: Rule
    repositories: int = 0
    """Those that are for this run."""
    elsewhere: list[Rule] = field(default_factory=list)
    """Its repositories that are for other shares of the work."""


class CatalogExpansion:
    """Rules on their way to single repositories."""

    def __init__(self, rules: Iterable[Rule], options: Options, emit: Emit) -> None:
        self.rules: list[Rule] = []
        """Those for one repository each, as far as they are known."""
        self._options = options
        self._emit = emit
        self._ownership = ShardFilter(options.shard, emit)
        self._unread: dict[_CatalogRule, None] = {}
        self._fruitless: dict[str, _CatalogRule] = {}
        """Those of which no image is known, though there are repositories; by `Rule.catalog`."""
        self._catalogs: dict[tuple[str, str], str] = {}
        """Of which rule a repository is one, by its name and the rule's origin."""
        for rule in self._ownership.divide(rules)[0]:
            if rule.source.many_repositories:
                self._unread[_CatalogRule(rule)] = None
            else:
                self.rules.append(rule)

    @property
    def reads(self) -> bool:
        """Whether there are catalogs to read."""
        return bool(self._unread)

    @property
    def has_unmatched(self) -> bool:
        """Whether there are patterns of which nothing is known to be found."""
        return bool(self._fruitless)

    async def read(self, run: Run) -> None:
        """Read the catalogs."""
        async with task_group() as tasks:
            for catalog in list(self._unread):
                tasks.start_soon(self._read, run, catalog)

    def defer(self) -> None:
        """Tell of every rule as deferred whose repositories are not known."""
        unread, self._unread = self._unread, {}
        for catalog in unread:
            self._emit(ImagesFound(1))
            self._emit(outcome(catalog.rule, Status.DEFERRED))
        for rule in self.rules:
            if rule.catalog:
                place = str(rule.source.repository), str(rule.origin)
                self._catalogs[place] = rule.catalog

    def settled(self, image: ImageSettled) -> None:
        """Note what became of an image, or of a repository that could not be listed."""
        place = _repository(image.source), image.origin
        if (catalog := self._catalogs.get(place)) is not None:
            self._fruitless.pop(catalog, None)

    async def conclude(self, run: Run) -> None:
        """Tell of the rules of which nothing was found, now that all is known.

        Where other shares have repositories of them, those are asked first, until one of them
        has something that matches.
        """
        fruitless, self._fruitless = self._fruitless, {}
        async with task_group() as tasks:
            for catalog in fruitless.values():
                tasks.start_soon(self._look_elsewhere, run, catalog)

    async def _read(self, run: Run, catalog: _CatalogRule) -> None:
        rule, source = catalog.rule, catalog.rule.source
        below = source.path[: source.path.rfind("/") + 1] if source.registry.is_local else ""
        try:
            async for page in run.listings.repositories(source.registry, below):
                mine, others = self._ownership.divide(repositories(rule, page))
                before = len(self.rules)
                self.rules += mine
                catalog.repositories += len(self.rules) - before
                catalog.elsewhere += others
        except MirrorError as error:
            del self._unread[catalog]
            self._fail(rule, error)
            return
        del self._unread[catalog]
        if not catalog.repositories and not catalog.elsewhere:
            self._nothing_found(rule, "repository")
        elif source.many_tags:
            self._fruitless[catalog_of(rule)] = catalog

    async def _look_elsewhere(self, run: Run, catalog: _CatalogRule) -> None:
        while catalog.elsewhere:
            rule = catalog.elsewhere.pop()
            try:
                tags = (await run.listings.tags(rule.source.repository)).names
            except NotFound:
                continue
            except MirrorError:
                return  # the share that has it tells of that
            if any(True for _ in rules_per_tag(rule, matching_tags(rule, tags))):
                return
        self._nothing_found(catalog.rule, "tag")

    def _nothing_found(self, rule: Rule, noun: str) -> None:
        if rule.options is None or not rule.options.allow_empty:
            self._fail(rule, nothing_matches(rule, noun))

    def _fail(self, rule: Rule, error: MirrorError) -> None:
        self._emit(ImagesFound(1))
        if self._options.skip_missing and isinstance(error, NotFound):
            self._emit(outcome(rule, Status.SKIPPED))
        else:
            self._emit(outcome(rule, Status.FAILED, error))


def prunes(rule: Rule) -> bool:
    """Whether a mapping deletes what has left its source."""
    return rule.options is not None and rule.options.prune is not None


def without_pruning(rule: Rule) -> Rule:
    """Return a mapping that deletes nothing, and is otherwise the same."""
    if rule.options is None or rule.options.prune is None:
        return rule
    return replace(rule, options=replace(rule.options, prune=None))


def _repository(source: Reference | str) -> str:
    """Return the repository of a reference, or of a pattern."""
    if isinstance(source, Reference):
        return str(source.repository)
    return split_reference(source)[0]
