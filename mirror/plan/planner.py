"""The state of a run: which images wait, which are under way, what each came to.

The planner never awaits.  It says in `tasks` what it wants to know or have
done, is told the answers with `learn`, and says in `events` what has become of
each image.  One image goes this way:

    rule -Discovery-> pair --Resolve both sides--> equal: unchanged
                                                   else -Gathering-> copied
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import Denied, MirrorError, NotFound, QuotaUsed, Side
from mirror.events import (
    AdmissionClosed,
    CopyForeseen,
    Effort,
    Event,
    ImageSettled,
    Status,
)
from mirror.image.digest import Digest
from mirror.image.digesttag import subject_of
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference
from mirror.image.selection import Selection
from mirror.mapping.grammar import Rule
from mirror.mapping.terms import Terms
from mirror.mapping.wildcard import Pair
from mirror.options import Options
from mirror.plan.foresight import AT_LEAST, foreseeable
from mirror.plan.gathering import Gathering
from mirror.plan.inquiry import Asker, Inquiry
from mirror.plan.intake import Intake, Route, route
from mirror.plan.knowledge import Knowledge
from mirror.plan.listings import Listings
from mirror.plan.memory import Recall, Remembered, nothing
from mirror.plan.node import Node
from mirror.plan.pruning import Pruner
from mirror.plan.task import Answer, Resolve, Task


@dataclass(slots=True, eq=False)
class _Image(Asker):
    """One pair under way."""

    pair: Pair
    terms: Terms
    effort: Effort = field(default_factory=Effort)
    node: Node | None = None
    """Its root, once there is something to bring."""
    settled: bool = False
    looked_again: bool = False
    """Whether its tag was looked up again, since what it named had gone."""
    bytes_copied: int = 0
    """Bytes moved for what the tag named before."""
    unanswered: int = 0
    selection: Selection | None = None
    """What of it is wanted, if it may be an index."""
    source: Digest | None = None
    found: Descriptor | None = None
    """What its source says that its tag names."""
    requests: int = 1
    """How many may be sent at once to copy it, as far as anybody can tell."""
    destination: Digest | None = None
    remembered: Remembered | None = None
    """What spares asking the destination, as long as the source names what it did then."""
    recalled: bool = False

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.settled

    @property
    def named(self) -> Digest | None:
        """What its destination names in the end, as far as is known."""
        if self.node is not None:
            return self.node.digest
        return self.destination if self.recalled else self.source


class Planner:
    """What is wanted, what is there, what is asked."""

    def __init__(self, rules: Iterable[Rule], options: Options, recall: Recall = nothing) -> None:
        self.events: list[Event] = []
        """What was decided; whoever tells it empties the list."""
        self._options = options
        self._usual = Terms.of(options)
        self._inquiry = Inquiry()
        self._knowledge = Knowledge(options)
        self._recall = recall
        self._listings = listings = Listings(self._inquiry)
        self._pruner = Pruner(
            self._inquiry, listings, self._is_claimed, self._note, rehearsing=options.dry_run
        )
        watch = self._pruner
        self._intake = Intake(self._inquiry, listings, options, self._note, self._open_image, watch)
        self._gathering = Gathering(self._inquiry, listings, self._knowledge, options)
        self._open: dict[_Image, None] = {}
        self._foreseen: Counter[Route] = Counter()
        self._intake.begin(rules)

    def tasks(self) -> list[Task]:
        """Take what is to be scheduled now; opens as many waiting images as there is room for."""
        self._intake.admit()
        if not self._open and self._inquiry.idle:
            self._pruner.begin()
        taken, self._inquiry.tasks = self._inquiry.tasks, []
        return taken

    def dispatch(self, task: Task) -> Task | None:
        """Return the task as it is to be carried out now; None if nobody needs it any more."""
        return self._knowledge.place(task) if self._gathering.dispatch(task) else None

    def learn(self, task: Task, answer: Answer | MirrorError, attempts: int = 1) -> None:
        """Take the answer to a task, or the error it ended with, and how often it was tried."""
        self._inquiry.learn(task, answer, attempts)

    def close_admission(self) -> None:
        """Begin nothing new: what nothing was moved for yet is deferred, the rest goes on."""
        before = len(self.events)
        for image in list(self._open):
            if image.node is None or not image.node.begun:
                self._settle(image, Status.DEFERRED)
        self._intake.defer()
        self._pruner.abandon()
        settled = [e for e in self.events[before:] if isinstance(e, ImageSettled)]
        self.events.append(AdmissionClosed(len(settled)))

    def _note(self, event: Event) -> None:
        self.events.append(event)

    def abandon(self) -> None:
        """Settle everything that is not settled yet as deferred."""
        for image in list(self._open):
            self._settle(image, Status.DEFERRED)
        self._intake.defer()
        self._pruner.abandon()

    def _is_claimed(self, destination: Reference) -> bool:
        return self._intake.claims(destination)

    def _open_image(self, pair: Pair) -> None:
        terms = pair.terms or self._usual
        image = _Image(pair, terms, source=pair.source.digest, selection=terms.selection)
        self._open[image] = None
        self._foresee(route(pair), AT_LEAST)
        known = self._recall(pair.destination, terms.wanted) if not self._options.force else None
        if known is not None and not known.sampled and terms.choice.is_immutable(_tag(pair)):
            self._recognize(image, known)
            return
        # A digest needs no looking up: it says itself what it names.
        if image.source is None and (listed := self._listings.described(pair.source)) is not None:
            self._see_source(image, listed)
        elif image.source is None:
            image.unanswered += 1
            task = Resolve(Side.SOURCE, pair.source)
            self._inquiry.ask(image, task, partial(self._source_known, image))
        if known is not None and known.fresh:
            image.remembered = known
        elif not self._options.force:
            self._ask_destination(image)
        if not image.unanswered:
            self._compare(image)

    def _recognize(self, image: _Image, known: Remembered) -> None:
        """Take an image for what it was when it was last looked at."""
        image.recalled = True
        image.source, image.destination = known.source, known.digest
        self._settle(image, Status.UNCHANGED)

    def _ask_destination(self, image: _Image) -> None:
        image.unanswered += 1
        task = Resolve(Side.DESTINATION, image.pair.destination)
        self._inquiry.ask(image, task, partial(self._destination_known, image))

    def _source_known(self, image: _Image, answer: Answer | MirrorError) -> None:
        if isinstance(answer, MirrorError):
            self._source_unknown(image, answer)
            return
        assert isinstance(answer, Descriptor), f"a descriptor was asked for, {answer!r} came"
        self._see_source(image, answer)
        self._answered(image)

    def _see_source(self, image: _Image, found: Descriptor) -> None:
        image.source, image.found = found.digest, found
        image.requests = foreseeable(found)
        image.selection = image.terms.selection if found.may_be_index else None

    def _source_unknown(self, image: _Image, error: MirrorError) -> None:
        if self._options.skip_missing and isinstance(error, NotFound):
            self._settle(image, Status.SKIPPED)
        else:
            self._settle(image, Status.FAILED, error)

    def _destination_known(self, image: _Image, answer: Answer | MirrorError) -> None:
        if isinstance(answer, MirrorError) and not isinstance(answer, Denied):
            self._settle(image, Status.FAILED, answer)
            return
        # Who may not look may still push, and hears of it then if not.
        if isinstance(answer, Descriptor):
            image.destination = answer.digest
            self._knowledge.found_repository(image.pair.destination.repository)
        self._answered(image)

    def _answered(self, image: _Image) -> None:
        image.unanswered -= 1
        if not image.unanswered and image in self._open:
            self._compare(image)

    def _compare(self, image: _Image) -> None:
        assert image.source is not None, "both sides have answered"
        if (known := image.remembered) is not None:
            image.remembered = None
            if known.source != image.source:
                self._ask_destination(image)
                return
            if not image.terms.referrers:
                self._recognize(image, known)
                return
            image.recalled, image.destination = True, known.digest
        selection = image.selection
        there = image.source == image.destination and selection is None
        if there and not image.terms.referrers:
            self._settle(image, Status.UNCHANGED)
            return
        pair = image.pair
        ended = partial(self._ended, image)
        image.node = Node(
            pair.source.repository, pair.destination, image.source, ended,
            selection=selection, present=image.destination, list_of=_list_of(image),
            referrers=image.terms.referrers, referrers_required=image.terms.require_referrers,
        )  # fmt: skip
        image.node.effort = image.effort
        if there:
            self._gathering.present(image.node, image.found or Descriptor(image.source, 0))
            return
        self._foresee(route(pair), image.requests)
        self._gathering.bring(image.node)

    def _foresee(self, route: Route, requests: int) -> None:
        """Tell how many requests at once an image will lead to, once more only if more."""
        if requests > self._foreseen[route] and not self._options.dry_run:
            self._foreseen[route] = requests
            self.events.append(CopyForeseen(*route, requests))

    def _ended(self, image: _Image, node: Node, error: MirrorError | None) -> None:
        if error is None and node.digest == node.present and not node.begun:
            self._settle(image, Status.UNCHANGED)
        elif error is None:
            self._settle(image, Status.PLANNED if self._options.dry_run else Status.COPIED)
        elif isinstance(error, QuotaUsed):
            self._settle(image, Status.DEFERRED, error)
        elif _may_have_moved(image, error):
            self._look_again(image, error)
        elif node.absent and node.digest == image.pair.source.digest:
            self._source_unknown(image, error)  # nobody has seen it at its source before
        else:
            self._settle(image, Status.FAILED, error)

    def _look_again(self, image: _Image, error: MirrorError) -> None:
        """Look its tag up once more, since something that it named is not there any more."""
        image.looked_again = True
        task = Resolve(Side.SOURCE, image.pair.source)
        self._inquiry.ask(image, task, partial(self._looked_again, image, error))

    def _looked_again(
        self, image: _Image, error: MirrorError, answer: Answer | MirrorError
    ) -> None:
        if image.settled:
            return
        if isinstance(answer, NotFound):
            self._source_unknown(image, answer)
            return
        if not isinstance(answer, Descriptor) or answer.digest == image.source:
            self._settle(image, Status.FAILED, error)
            return
        if image.node is not None:
            image.bytes_copied += image.node.bytes_copied
            image.node = None
        self._see_source(image, answer)
        self._compare(image)

    def _settle(self, image: _Image, status: Status, error: MirrorError | None = None) -> None:
        if image.settled:
            return  # the other side has failed already
        image.settled = True
        if image.node is not None:
            image.node.failed = True  # so that nothing more is asked for it
        del self._open[image]
        if status in (Status.FAILED, Status.DEFERRED):
            self._pruner.failed(image.pair.destination)
        elif (digest := image.named) is not None and image.pair.destination.tag is None:
            self._pruner.brought(image.pair.destination.repository, digest)
        self._intake.close(image.pair)
        self._tell(image, status, error)

    def _tell(self, image: _Image, status: Status, error: MirrorError | None = None) -> None:
        """Tell how an image ended, and what it came to."""
        pair = image.pair
        names = str(pair.source), str(pair.destination), str(pair.origin)
        moved = image.bytes_copied + (image.node.bytes_copied if image.node is not None else 0)
        if status is Status.PLANNED:
            moved = 0
        if image.node is not None:
            names = names[0], str(image.node.destination), names[2]
        new = status in (Status.COPIED, Status.PLANNED) and image.destination != image.named
        self.events.append(
            ImageSettled(
                *names,
                status,
                image.named,
                moved,
                image.effort.attempts,
                error,
                image.source,
                rule=image.terms.name,
                wanted=image.terms.wanted,
                replaced=image.destination if new else None,
                recalled=image.recalled,
            )
        )


def _tag(pair: Pair) -> str:
    """The tag of a source, empty for none."""
    return pair.source.tag or ""


def _list_of(image: _Image) -> Digest | None:
    """What the list is about that a tag stands for, where lists are looked after."""
    tag = image.pair.destination.tag
    return subject_of(tag) if tag is not None and image.terms.referrers else None


def _may_have_moved(image: _Image, error: MirrorError) -> bool:
    """Whether what was not found may have gone with the tag, which then names something else."""
    at_source = error.place is not None and error.place.side is Side.SOURCE
    by_tag = image.pair.source.digest is None
    return isinstance(error, NotFound) and at_source and by_tag and not image.looked_again
