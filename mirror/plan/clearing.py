"""Deleting what has left its source, after others have brought everything.

How much of a mapping may go is a question about all repositories to which it leads, so it
is not for those who know of some.  Sources and destinations are listed, nothing is copied.
"""

from collections.abc import Iterable
from dataclasses import replace

from mirror.errors import MirrorError
from mirror.events import Event, ImageSettled, PruneSettled, Status
from mirror.image.reference import Reference
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import Pair
from mirror.options import Options
from mirror.plan.inquiry import Inquiry
from mirror.plan.intake import Intake
from mirror.plan.listings import Listings
from mirror.plan.pruning import Pruner
from mirror.plan.task import Answer, DeleteManifest, Task


def without_pruning(rule: Rule) -> Rule:
    """Return a mapping that deletes nothing, and is otherwise the same."""
    if rule.terms is None or rule.terms.prune is None:
        return rule
    return replace(rule, terms=replace(rule.terms, prune=None))


def clearing_of(rules: Iterable[Rule], options: Options) -> "Clearing | None":
    """Return what deletes for these mappings, if any of them does."""
    rules = list(rules)
    if not any(rule.terms is not None and rule.terms.prune is not None for rule in rules):
        return None
    return Clearing(rules, options)


class Clearing:
    """A decider like `mirror.plan.planner.Planner`: feed it what became of the images first."""

    def __init__(self, rules: list[Rule], options: Options) -> None:
        self.events: list[Event] = []
        """What was decided; whoever tells it empties the list."""
        self._rules = rules
        self._inquiry = Inquiry()
        listings = Listings(self._inquiry)
        self._pruner = Pruner(
            self._inquiry, listings, self._is_claimed, self._tell, rehearsing=options.dry_run
        )
        self._intake = Intake(
            self._inquiry, listings, options, self._keep_quiet, self._pass_over, self._pruner
        )
        self._begun = False

    def settled(self, image: ImageSettled) -> None:
        """Learn what became of an image."""
        if "*" in image.destination or image.status not in (Status.FAILED, Status.DEFERRED):
            return
        self._pruner.failed(Reference.parse(image.destination))

    def tasks(self) -> list[Task]:
        """See `mirror.engine.run.Decider`."""
        if not self._begun:
            self._begun = True
            self._intake.begin(self._rules)
        self._intake.admit()
        if self._inquiry.idle:
            self._pruner.begin()
        taken, self._inquiry.tasks = self._inquiry.tasks, []
        return taken

    def dispatch(self, task: Task) -> Task | None:
        """See `mirror.engine.run.Decider`."""
        if not self._inquiry.wants(task):
            return None
        if isinstance(task, DeleteManifest):
            self._pruner.dispatch(task)
        return task

    def learn(self, task: Task, answer: Answer | MirrorError, attempts: int = 1) -> None:
        """See `mirror.engine.run.Decider`."""
        self._inquiry.learn(task, answer, attempts)

    def close_admission(self) -> None:
        """See `mirror.engine.run.Decider`."""
        self._pruner.close()

    def abandon(self) -> None:
        """See `mirror.engine.run.Decider`."""
        self._pruner.abandon()

    def _is_claimed(self, destination: Reference) -> bool:
        return self._intake.claims(destination)

    def _pass_over(self, pair: Pair) -> None:
        """Take a pair that somebody else has brought."""
        if pair.destination.tag is None and pair.source.digest is not None:
            self._pruner.brought(pair.destination.repository, pair.source.digest)
        self._intake.close(pair)

    def _tell(self, event: Event) -> None:
        self.events.append(event)

    def _keep_quiet(self, event: Event) -> None:
        """Tell nothing of images a second time."""
        assert not isinstance(event, PruneSettled), "the pruner tells of these"
