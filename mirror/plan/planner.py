"""The state of a run: which images wait, which are under way, what each came to.

The planner never awaits.  It says in `tasks` what it wants to know or have
done, is told the answers with `learn`, and says in `events` what has become of
each image.  One image goes this way:

    rule -Discovery-> pair --Resolve both sides--> equal: unchanged
                                                   else -Gathering-> copied
"""

from collections import Counter
from collections.abc import Iterable
from functools import partial

from mirror.errors import DeadlinePassed, Denied, MirrorError, NotFound, QuotaUsed, Side
from mirror.events import (
    AdmissionClosed,
    CopyForeseen,
    DestinationChanging,
    Event,
    ImageSettled,
    Status,
)
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference
from mirror.mapping.grammar import Rule
from mirror.mapping.terms import Terms
from mirror.mapping.wildcard import Pair
from mirror.options import Options
from mirror.plan.foresight import AT_LEAST, foreseeable
from mirror.plan.gathering import Gathering
from mirror.plan.inquiry import Inquiry
from mirror.plan.intake import Intake, Route, route
from mirror.plan.knowledge import Knowledge
from mirror.plan.listings import Listings
from mirror.plan.memory import Recall, Remembered, nothing
from mirror.plan.node import Node
from mirror.plan.pruning import Pruner
from mirror.plan.task import Answer, DeleteManifest, Resolve, Task
from mirror.plan.underway import Image


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
        self._open: dict[Image, None] = {}
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
        if not self._gathering.dispatch(task):
            return None
        if isinstance(task, DeleteManifest):
            self._pruner.dispatch(task)
        return self._knowledge.place(task)

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
        self._pruner.close()
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
        image = Image(pair, terms, source=pair.source.digest, selection=terms.selection)
        self._open[image] = None
        self._foresee(route(pair), AT_LEAST)
        image.known = known = self._remembered(image)
        if known is not None and image.never_moves:
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
            image.spared = True
        elif not self._options.force:
            self._ask_destination(image)
        if not image.unanswered:
            self._compare(image)

    def _remembered(self, image: Image) -> Remembered | None:
        """What earlier runs saw at its destination; a folder may have been changed for another."""
        destination = image.pair.destination
        if self._options.force or destination.repository.registry.is_local:
            return None
        return self._recall(destination, image.terms.wanted)

    def _recognize(self, image: Image, known: Remembered) -> None:
        """Take an image for what it was when it was last looked at."""
        image.recalled = True
        image.source, image.destination = known.source, known.digest
        self._settle(image, Status.UNCHANGED)

    def _ask_destination(self, image: Image) -> None:
        image.unanswered += 1
        task = Resolve(Side.DESTINATION, image.pair.destination)
        self._inquiry.ask(image, task, partial(self._destination_known, image))

    def _source_known(self, image: Image, answer: Answer | MirrorError) -> None:
        if isinstance(answer, MirrorError):
            self._source_unknown(image, answer)
            return
        assert isinstance(answer, Descriptor), f"a descriptor was asked for, {answer!r} came"
        self._see_source(image, answer)
        self._answered(image)

    def _see_source(self, image: Image, found: Descriptor) -> None:
        image.source, image.found = found.digest, found
        image.requests = foreseeable(found)
        image.selection = image.terms.selection if found.may_be_index else None

    def _source_unknown(self, image: Image, error: MirrorError) -> None:
        if self._options.skip_missing and isinstance(error, NotFound):
            self._settle(image, Status.SKIPPED)
        else:
            self._settle(image, Status.FAILED, error)

    def _destination_known(self, image: Image, answer: Answer | MirrorError) -> None:
        if isinstance(answer, MirrorError) and not isinstance(answer, Denied):
            self._settle(image, Status.FAILED, answer)
            return
        # Who may not look may still push, and hears of it then if not.
        if isinstance(answer, Descriptor):
            image.destination = answer.digest
            self._knowledge.found_repository(image.pair.destination.repository)
        self._answered(image)

    def _answered(self, image: Image) -> None:
        image.unanswered -= 1
        if not image.unanswered and image in self._open:
            self._compare(image)

    def _compare(self, image: Image) -> None:
        assert image.source is not None, "both sides have answered"
        if image.spared and (known := image.known) is not None:
            image.spared = False
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
            selection=selection, present=image.destination, list_of=image.list_of,
            referrers=image.terms.referrers, referrers_required=image.terms.require_referrers,
        )  # fmt: skip
        image.node.effort = image.effort
        if there:
            self._gathering.present(image.node, image.found or Descriptor(image.source, 0))
            return
        self._foresee(route(pair), image.requests)
        if image.known is not None and not self._options.dry_run:
            self.events.append(DestinationChanging(str(pair.destination)))
        self._gathering.bring(image.node)

    def _foresee(self, route: Route, requests: int) -> None:
        """Tell how many requests at once an image will lead to, once more only if more."""
        if requests > self._foreseen[route] and not self._options.dry_run:
            self._foreseen[route] = requests
            self.events.append(CopyForeseen(*route, requests))

    def _ended(self, image: Image, node: Node, error: MirrorError | None) -> None:
        if error is None and node.digest == node.present and not node.begun:
            self._settle(image, Status.UNCHANGED)
        elif error is None:
            self._settle(image, Status.PLANNED if self._options.dry_run else Status.COPIED)
        elif isinstance(error, QuotaUsed):
            self._settle(image, Status.DEFERRED, error)
        elif image.may_have_moved(error):
            self._look_again(image, error)
        elif node.absent and node.digest == image.pair.source.digest:
            self._source_unknown(image, error)  # nobody has seen it at its source before
        else:
            self._settle(image, Status.FAILED, error)

    def _look_again(self, image: Image, error: MirrorError) -> None:
        """Look its tag up once more, since something that it named is not there any more."""
        image.looked_again = True
        task = Resolve(Side.SOURCE, image.pair.source)
        self._inquiry.ask(image, task, partial(self._looked_again, image, error))

    def _looked_again(self, image: Image, error: MirrorError, answer: Answer | MirrorError) -> None:
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

    def _settle(self, image: Image, status: Status, error: MirrorError | None = None) -> None:
        if image.settled:
            return  # the other side has failed already
        if isinstance(error, DeadlinePassed):
            status = Status.DEFERRED
        del self._open[image]
        if status in (Status.FAILED, Status.DEFERRED):
            self._pruner.failed(image.pair.destination)
        elif (digest := image.named) is not None and image.pair.destination.tag is None:
            self._pruner.brought(image.pair.destination.repository, digest)
        self._intake.close(image.pair)
        self.events.append(image.settle(status, error))
