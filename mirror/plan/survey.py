"""Which repositories the mappings are about, so that the work can be cut between them.

Catalogs are read, and nothing else is asked: rules for many repositories become rules for
one each, whose tags others will list.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import MirrorError, NotFound
from mirror.events import Effort, Event, ImagesFound, Status
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import catalog_of, covered, repositories, singles
from mirror.options import Options
from mirror.plan.discovery import nothing_matches
from mirror.plan.inquiry import Asker, Inquiry
from mirror.plan.intake import outcome
from mirror.plan.listings import Listings
from mirror.plan.ownership import Ownership
from mirror.plan.task import Answer, ListTags, Task
from mirror.wire.listing import Names


@dataclass(slots=True, eq=False)
class _Catalog(Asker):
    """A rule whose repositories are not all known."""

    rule: Rule
    effort: Effort = field(default_factory=Effort)
    over: bool = False
    repositories: int = 0
    """Those that are for this run."""
    elsewhere: list[Rule] = field(default_factory=list)
    """Its repositories that are for other shares of the work."""

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.over


class Survey:
    """Rules on their way to single repositories; a decider like `mirror.plan.planner.Planner`."""

    def __init__(self, rules: Iterable[Rule], options: Options) -> None:
        self.events: list[Event] = []
        """What was decided; whoever tells it empties the list."""
        self.rules: list[Rule] = []
        """Those for one repository each, as far as they are known."""
        self._options = options
        self._inquiry = Inquiry()
        self._ownership = Ownership(options.shard, self._tell)
        self._listings = Listings(self._inquiry)
        self._catalogs: dict[_Catalog, None] = {}
        self._fruitless: dict[str, _Catalog] = {}
        """Those of which no image is known, though there are repositories; by `Rule.catalog`."""
        for rule in self._ownership.divide(rules)[0]:
            self._begin(rule)

    @property
    def reads(self) -> bool:
        """Whether there are catalogs to read."""
        return bool(self._catalogs)

    def tasks(self) -> list[Task]:
        """See `mirror.engine.run.Decider`."""
        taken, self._inquiry.tasks = self._inquiry.tasks, []
        return taken

    def dispatch(self, task: Task) -> Task | None:
        """See `mirror.engine.run.Decider`."""
        return task if self._inquiry.wants(task) else None

    def learn(self, task: Task, answer: Answer | MirrorError, attempts: int = 1) -> None:
        """See `mirror.engine.run.Decider`."""
        self._inquiry.learn(task, answer, attempts)

    def close_admission(self) -> None:
        """See `mirror.engine.run.Decider`."""
        self.abandon()

    def abandon(self) -> None:
        """Settle every rule as deferred whose repositories are not known."""
        for catalog in list(self._catalogs):
            self._settle(catalog, Status.DEFERRED)

    def bore_fruit(self, catalog: str) -> None:
        """Learn that something was found of a rule for many repositories."""
        self._fruitless.pop(catalog, None)

    def conclude(self) -> None:
        """Settle the rules as failed of which nothing was found, now that all is known.

        Where other shares have repositories of them, those are asked first, until one of them
        has something that matches.
        """
        fruitless, self._fruitless = self._fruitless, {}
        for catalog in fruitless.values():
            self._catalogs[catalog] = None
            catalog.over = False
            self._look_elsewhere(catalog)

    def _begin(self, rule: Rule) -> None:
        if not rule.source.many_repositories:
            self.rules.append(rule)
            return
        catalog = _Catalog(rule)
        self._catalogs[catalog] = None
        source = rule.source
        local = source.registry.is_local
        below = source.path[: source.path.rfind("/") + 1] if local else ""
        self._listings.read(catalog, source.registry, below, partial(self._turned, catalog))

    def _turned(self, catalog: _Catalog, page: Names | MirrorError) -> None:
        """Take the next page of a catalog."""
        if catalog.over:
            return
        if isinstance(page, MirrorError):
            self._end(catalog)
            self._fail(catalog.rule, page)
            return
        mine, others = self._ownership.divide(repositories(catalog.rule, page.names))
        before = len(self.rules)
        self.rules += mine
        catalog.repositories += len(self.rules) - before
        catalog.elsewhere += others
        if page.rest is None:
            self._end(catalog)
            if not catalog.repositories and not catalog.elsewhere:
                self._nothing_found(catalog.rule, "repository")
            elif catalog.rule.source.many_tags:
                self._fruitless[catalog_of(catalog.rule)] = catalog

    def _look_elsewhere(self, catalog: _Catalog) -> None:
        if not catalog.elsewhere:
            self._end(catalog)
            self._nothing_found(catalog.rule, "tag")
            return
        rule = catalog.elsewhere.pop()
        task = ListTags(rule.source.repository)
        self._listings.ask(catalog, task, partial(self._seen_elsewhere, catalog, rule))

    def _seen_elsewhere(self, catalog: _Catalog, rule: Rule, answer: Answer | MirrorError) -> None:
        if catalog.over:
            return
        tags = answer.names if isinstance(answer, Names) else ()
        matches = any(True for _ in singles(rule, covered(rule, tags)))
        if matches or not isinstance(answer, Names | NotFound):  # of which its own share tells
            self._end(catalog)
        else:
            self._look_elsewhere(catalog)

    def _nothing_found(self, rule: Rule, noun: str) -> None:
        if rule.terms is None or not rule.terms.allow_empty:
            self._fail(rule, nothing_matches(rule, noun))

    def _fail(self, rule: Rule, error: MirrorError) -> None:
        self._tell(ImagesFound(1))
        if self._options.skip_missing and isinstance(error, NotFound):
            self._tell(outcome(rule, Status.SKIPPED))
        else:
            self._tell(outcome(rule, Status.FAILED, error))

    def _tell(self, event: Event) -> None:
        self.events.append(event)

    def _end(self, catalog: _Catalog) -> None:
        catalog.over = True
        del self._catalogs[catalog]

    def _settle(self, catalog: _Catalog, status: Status) -> None:
        self._end(catalog)
        self._tell(ImagesFound(1))
        self._tell(outcome(catalog.rule, status))
