"""Processing of the pairs of a run: one task for each, and exactly one outcome."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled

from mirror.effort import Effort, effort_of
from mirror.engine.admission import Admission
from mirror.engine.deletion import Deletion, Usages
from mirror.engine.destination_only_tags import ExtraTags
from mirror.engine.expansion import Expansion, Observer
from mirror.engine.image_copy import ImageCopy
from mirror.engine.pruning import Pruner
from mirror.engine.repair import repair
from mirror.engine.run_state import Run
from mirror.engine.task_groups import task_group
from mirror.engine.verification import Seen, Verification, differs
from mirror.errors import Bug, DeadlinePassed, MirrorError, NotFound, QuotaUsed
from mirror.events import AdmissionClosed, Event, ImageSettled, Status
from mirror.image.reference import Reference
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import Pair


class PairWork(Protocol):
    """One pair that is worked on."""

    def settled(self, status: Status, error: MirrorError | None = None) -> ImageSettled:
        """Return how it ended, and what it came to."""
        ...


_I = TypeVar("_I", bound=PairWork)


class PairProcessing(ABC, Generic[_I]):
    """What is done with the pairs of a run; every one is settled, however this is left."""

    def __init__(self, run: Run, observer: Observer) -> None:
        self.run = run
        self.admission = Admission(run.slots.in_flight, self.emit, self._open, observer.failed)
        run.slots.on_growth = self.admission.open_more
        self.expansion = Expansion(
            run.source, run.listings, run.options, self.emit, self.admission, observer
        )
        self._images: dict[_I, tuple[Pair, Effort, anyio.CancelScope]] = {}
        self._around = anyio.CancelScope()
        self._tasks: TaskGroup

    @abstractmethod
    def begin(self, pair: Pair) -> _I:
        """Return the copy or the verification of a pair, not yet begun."""

    @abstractmethod
    async def process(self, image: _I) -> tuple[Status, MirrorError | None]:
        """Process a pair, and return how that ended; raise MirrorError if it failed."""

    def ended(self, pair: Pair, outcome: ImageSettled) -> None:
        """Note how a pair ended."""

    async def conclude(self) -> None:
        """Do what has to wait until every pair is settled."""

    async def carry_out(self, rules: Iterable[Rule]) -> None:
        """Carry out what the rules say.

        An image that fails stops no other, unless the options say so.  After the deadline
        nothing new is begun, and what has begun is carried to its end.
        """
        deadline = self.run.options.deadline
        try:
            with self._around:
                async with task_group() as beside:
                    if deadline is not None:
                        beside.start_soon(self._close_at, anyio.current_time() + deadline)
                    async with task_group() as self._tasks:
                        await self.expansion.expand(rules)
                    await self.conclude()
                    beside.cancel_scope.cancel()
        finally:
            self.cancel_pending()

    def emit(self, event: Event) -> None:
        """Emit an event; a failure ends the run if that was asked for."""
        self.run.emit(event)
        failed = isinstance(event, ImageSettled) and event.status is Status.FAILED
        if failed and self.run.options.fail_fast:
            self._around.cancel()

    def defer(self) -> None:
        """Begin nothing new; what is not known or not open is deferred."""
        self.admission.defer()
        self.expansion.defer()

    def close(self) -> None:
        """Begin nothing new from now on, and say so at once: what runs may run for long.

        What nothing was moved for yet is deferred, the rest goes on.
        """
        deferred = self.admission.waiting + self.expansion.waiting
        self.defer()
        for image, (_, effort, scope) in list(self._images.items()):
            if not effort.begun:
                self._settle(image, Status.DEFERRED)
                scope.cancel()
                deferred += 1
        self.run.clients.shorten_deadlines()
        self.emit(AdmissionClosed(deferred))

    def cancel_pending(self) -> None:
        """Settle everything that is not settled yet as deferred."""
        self.defer()
        for image in list(self._images):
            self._settle(image, Status.DEFERRED)

    async def _close_at(self, moment: float) -> None:
        await anyio.sleep_until(moment)
        self.close()

    def _open(self, pair: Pair) -> None:
        self._tasks.start_soon(self._work_on, pair)

    async def _work_on(self, pair: Pair) -> None:
        image, effort = self.begin(pair), Effort()
        with anyio.CancelScope() as scope, effort_of(effort):
            self._images[image] = pair, effort, scope
            status, error = await self._outcome(image)
            if status is Status.FAILED:
                # What fails while the run is stopped already is not what stopped it.
                await checkpoint_if_cancelled()
            self._settle(image, status, error)

    async def _outcome(self, image: _I) -> tuple[Status, MirrorError | None]:
        try:
            return await self.process(image)
        except (QuotaUsed, DeadlinePassed) as error:
            return Status.DEFERRED, error
        except MirrorError as error:
            return Status.FAILED, error
        except Exception as error:  # noqa: BLE001 - one image's bug is no other image's
            return Status.FAILED, Bug.of(error)

    def _settle(self, image: _I, status: Status, error: MirrorError | None = None) -> None:
        """Emit the outcome of an image, unless it was emitted before."""
        if image not in self._images:
            return
        pair, effort, _ = self._images.pop(image)
        with effort_of(effort):
            outcome = image.settled(status, error)
        self.ended(pair, outcome)
        self.admission.close(pair)
        self.emit(outcome)


class CopyProcessing(PairProcessing[ImageCopy]):
    """A run that copies, and deletes in the end what has left its source."""

    def __init__(self, run: Run) -> None:
        self._usages = Usages(run.destination, run.listings, run.tasks)
        deletion = Deletion(run.source, run.destination, self._usages, run.emit)
        self._pruner = Pruner(run.listings, self._claims, deletion, run.emit)
        super().__init__(run, self._pruner)

    def begin(self, pair: Pair) -> ImageCopy:
        """See `PairProcessing`."""
        return ImageCopy(self.run, pair)

    async def process(self, image: ImageCopy) -> tuple[Status, MirrorError | None]:
        """See `PairProcessing`."""
        try:
            return await image.copy(), None
        except NotFound:
            if image.missing and self.run.options.skip_missing:
                return Status.SKIPPED, None
            raise

    def ended(self, pair: Pair, outcome: ImageSettled) -> None:
        """See `PairProcessing`; nothing is deleted beside what was not brought."""
        if outcome.status in (Status.FAILED, Status.DEFERRED):
            self._pruner.failed(pair.destination)
        elif outcome.digest is not None and pair.destination.tag is None:
            self._usages.keep(pair.destination.repository, outcome.digest)

    async def conclude(self) -> None:
        """See `PairProcessing`."""
        await self._pruner.prune()

    def defer(self) -> None:
        """See `PairProcessing`."""
        super().defer()
        self._pruner.defer()

    def cancel_pending(self) -> None:
        """See `PairProcessing`."""
        super().cancel_pending()
        self._pruner.cancel_pending()

    def _claims(self, destination: Reference) -> bool:
        return self.admission.claims(destination)


class PruneProcessing(CopyProcessing):
    """A run that only deletes what has left its source, after others have brought everything.

    The limit on deletions counts all repositories of a mapping, so a worker that knows only
    some of them cannot apply it.  Sources and destinations are listed, nothing is copied.
    """

    def __init__(self, run: Run, failed: Iterable[Reference]) -> None:
        """``failed`` is what others have not brought to where it belongs."""
        super().__init__(run)
        for destination in failed:
            self._pruner.failed(destination)

    def emit(self, event: Event) -> None:
        """Tell nothing of images a second time."""

    def _open(self, pair: Pair) -> None:
        """Take a pair that others have brought."""
        if pair.destination.tag is None and pair.source.digest is not None:
            self._usages.keep(pair.destination.repository, pair.source.digest)
        self.admission.close(pair)


class VerifyProcessing(PairProcessing[Verification]):
    """A run that compares both sides, and repairs what it finds if asked."""

    def __init__(self, run: Run) -> None:
        self._extra_tags = ExtraTags()
        self._seen: Seen = set()
        super().__init__(run, self._extra_tags)

    def begin(self, pair: Pair) -> Verification:
        """See `PairProcessing`."""
        return Verification(self.run, pair, self._seen)

    async def process(self, image: Verification) -> tuple[Status, MirrorError | None]:
        """See `PairProcessing`."""
        try:
            await image.compare()
        except NotFound:
            if image.source is None and self.run.options.skip_missing:
                return Status.SKIPPED, None
            raise
        if not image.differences:
            return Status.UNCHANGED, None
        if self.run.options.repair and not self.run.options.dry_run:
            await repair(self.run, image)
            return Status.COPIED, None
        return Status.FAILED, differs(image.differences, image.pair.destination)

    async def conclude(self) -> None:
        """See `PairProcessing`."""
        await self._extra_tags.emit(
            self.run, self.admission.claims, self.expansion.rule_failed, self.emit
        )
