"""A verification: both sides of every pair, compared to the last blob, and repaired if asked.

It decides what is asked like a `mirror.plan.planner.Planner`, and says what became
of each pair: unchanged if nothing differs, copied if what was missing was brought,
failed otherwise.  Tags that only a destination has are told of for each mapping
that names the tags of a whole repository.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import DeadlinePassed, Differs, MirrorError, NotFound, Place, Side
from mirror.events import (
    AdmissionClosed,
    Condition,
    Difference,
    Effort,
    Event,
    ImageSettled,
    ImagesFound,
    Status,
)
from mirror.image.digesttag import is_digest_tag
from mirror.image.reference import Reference, Repository, shared
from mirror.mapping.grammar import Rule
from mirror.mapping.terms import Terms
from mirror.mapping.wildcard import Pair, covered
from mirror.options import Options
from mirror.plan.case import Case
from mirror.plan.checking import Checking
from mirror.plan.following import Finder
from mirror.plan.inquiry import Asker, Inquiry, as_error
from mirror.plan.intake import Intake
from mirror.plan.knowledge import Knowledge
from mirror.plan.listings import Listings
from mirror.plan.mending import Mending
from mirror.plan.shelf import Shelf
from mirror.plan.task import Answer, ListTags, Task
from mirror.wire.listing import Names


@dataclass(slots=True, eq=False)
class _Surplus(Asker):
    """Tags of a destination that a mapping covers and its source does not have."""

    rule: Rule
    tags: tuple[str, ...]
    effort: Effort = field(default_factory=Effort)

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return False

    @property
    def repository(self) -> Repository:
        """The repository they are in."""
        return shared(self.rule.target.registry, self.rule.target.path)


class Audit:
    """What is compared, what was found, what is brought."""

    def __init__(self, rules: Iterable[Rule], options: Options) -> None:
        self.events: list[Event] = []
        """What was decided; whoever tells it empties the list."""
        self._options = options
        self._wanted = Terms.of(options).wanted
        self._inquiry = Inquiry()
        self._knowledge = Knowledge(options)
        shelf, listings = Shelf(), Listings(self._inquiry)
        finder = Finder(self._inquiry, listings, shelf)
        self._checking = Checking(self._inquiry, self._knowledge, finder, shelf, options)
        self._mending = Mending(self._inquiry, self._knowledge)
        self._listings = listings
        self._intake = Intake(self._inquiry, listings, options, self._note, self._open, self)
        self._cases: dict[Case, None] = {}
        self._mended: set[Case] = set()
        self._surpluses: list[_Surplus] = []
        self._intake.begin(rules)

    def tasks(self) -> list[Task]:
        """Take what is to be scheduled now."""
        self._intake.admit()
        if not self._cases and self._inquiry.idle:
            self._tell_surpluses()
        taken, self._inquiry.tasks = self._inquiry.tasks, []
        return taken

    def dispatch(self, task: Task) -> Task | None:
        """Return the task as it is to be carried out now; None if nobody needs it any more."""
        return self._knowledge.place(task) if self._inquiry.wants(task) else None

    def learn(self, task: Task, answer: Answer | MirrorError, attempts: int = 1) -> None:
        """Take the answer to a task, or the error it ended with, and how often it was tried."""
        self._inquiry.learn(task, answer, attempts)

    def close_admission(self) -> None:
        """Begin nothing new: what is being repaired goes on, the rest is deferred."""
        before = len(self.events)
        for case in [case for case in self._cases if case not in self._mended]:
            self._settle(case, Status.DEFERRED)
        self._intake.defer()
        settled = [e for e in self.events[before:] if isinstance(e, ImageSettled)]
        self.events.append(AdmissionClosed(len(settled)))

    def abandon(self) -> None:
        """Settle everything that is not settled yet as deferred."""
        for case in list(self._cases):
            self._settle(case, Status.DEFERRED)
        self._intake.defer()

    def _note(self, event: Event) -> None:
        self.events.append(event)

    def _open(self, pair: Pair) -> None:
        case = Case(pair, self._checked)
        self._cases[case] = None
        self._checking.check(case)

    def _checked(self, case: Case, error: MirrorError | None) -> None:
        if isinstance(error, NotFound) and self._options.skip_missing and case.source is None:
            self._settle(case, Status.SKIPPED)
        elif error is not None:
            self._settle(case, Status.FAILED, error)
        elif not case.differences:
            self._settle(case, Status.UNCHANGED)
        elif self._options.repair and not self._options.dry_run:
            self._mended.add(case)
            case.over = self._repaired
            self._mending.mend(case)
        else:
            self._settle(case, Status.FAILED, _differs(case.differences, case.pair.destination))

    def _repaired(self, case: Case, error: MirrorError | None) -> None:
        self._settle(case, Status.FAILED if error is not None else Status.COPIED, error)

    def _settle(self, case: Case, status: Status, error: MirrorError | None = None) -> None:
        if case.settled:
            return
        if isinstance(error, DeadlinePassed):
            status = Status.DEFERRED
        case.settled = True
        del self._cases[case]
        self._mended.discard(case)
        self._intake.close(case.pair)
        pair = case.pair
        names = str(pair.source), str(pair.destination), str(pair.origin)
        self.events.append(
            ImageSettled(
                *names,
                status,
                case.root or case.source,
                case.bytes_copied,
                case.effort.attempts,
                error,
                case.source,
                tuple(sorted(case.differences, key=str)),
                wanted=self._wanted,
            )
        )

    def asked(self, rule: Rule) -> None:
        """See `Watch`; nothing follows from it here."""

    def unlisted(self, rule: Rule) -> None:
        """See `Watch`; what is not known to have left its source is not told of."""

    def failed(self, destination: Reference) -> None:
        """See `Watch`; nothing follows from it here."""

    def listed(self, rule: Rule, tags: tuple[str, ...]) -> None:
        """Have the destination's tags listed too, for those that the source does not have."""
        surplus = _Surplus(rule, tags)
        task = ListTags(surplus.repository, Side.DESTINATION)
        self._listings.ask(surplus, task, partial(self._there_listed, surplus))

    def _there_listed(self, surplus: _Surplus, answer: Answer | MirrorError) -> None:
        if isinstance(answer, NotFound):
            return  # whatever should be there is told of as missing
        if not isinstance(answer, Names):
            self._intake.rule_failed(surplus.rule, as_error(answer))
            return
        there = covered(surplus.rule, answer.names)
        here = set(surplus.tags)
        # What tags stand for at a registry without lists is compared as what it is.
        surplus.tags = tuple(tag for tag in there if tag not in here and not is_digest_tag(tag))
        self._surpluses.append(surplus)

    def _tell_surpluses(self) -> None:
        """Tell of tags that no source has, now that all mappings are known."""
        surpluses, self._surpluses = self._surpluses, []
        for surplus in surpluses:
            named = ((tag, Reference(surplus.repository, tag)) for tag in surplus.tags)
            extra = [tag for tag, reference in named if not self._intake.claims(reference)]
            if not extra:
                continue
            differences = [Difference(Condition.EXTRA, "tag", tag) for tag in extra]
            rule = surplus.rule
            names = str(rule.source), str(rule.target), str(rule.origin)
            error = _differs(differences, rule.target)
            error.hint = "They are left alone: delete them there if nobody needs them."
            self.events.append(ImagesFound(1))
            self.events.append(
                ImageSettled(*names, Status.FAILED, error=error, differences=tuple(differences))
            )


def _differs(differences: list[Difference], where: object) -> Differs:
    counts: dict[tuple[Condition, str], int] = {}
    for one in differences:
        key = one.condition, one.noun
        counts[key] = counts.get(key, 0) + 1
    words = (
        f"{count} {noun}{'s' if count > 1 else ''} {condition}"
        for (condition, noun), count in counts.items()
    )
    return Differs(", ".join(words)).at(Place(Side.DESTINATION, str(where), "comparing"))
