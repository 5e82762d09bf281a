"""The units of a run: which wait, which are under way, and what was heard of each.

Pure state: told what workers say and how units end, it tells the events of the run, says what
can be handed out, and what is to be answered.  A unit whose worker is lost is run again, by
another attempt; each of its images is told once all the same.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from mirror.cluster.claims import ClaimAnswer, Claims
from mirror.cluster.limits import Share, SharedLimits
from mirror.cluster.protocol import CoordinatorReply, UnitNews
from mirror.cluster.unit import Unit
from mirror.engine.admission import outcome
from mirror.engine.dry_run import Plan
from mirror.errors import MirrorError
from mirror.events import (
    AdmissionClosed,
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Emit,
    Event,
    ImageSettled,
    ImagesFound,
    RequestSent,
    Status,
    Traffic,
)
from mirror.image.digest import Digest
from mirror.image.reference import Reference, Repository
from mirror.options import Options

# Seconds after the end of a unit in which its last news must have come.
_NEWS_TIMEOUT = 30.0
_BAD = (Status.FAILED, Status.DEFERRED)
_Names = tuple[Reference | str, Reference | str]


class UnitOutcomes:
    """What one unit came to; what comes out of the methods is to be told.

    What an attempt said of images that are at their destination holds, also when its worker
    is lost.  Bad news is kept until the unit is over: the next attempt may bring better.
    """

    def __init__(self) -> None:
        self._found = 0
        self._told = 0
        self._settled: set[_Names] = set()
        self._held: dict[_Names, ImageSettled] = {}
        self._moving: dict[tuple[Repository, Digest], None] = {}

    def begin_again(self) -> Iterator[Event]:
        """Forget what the attempt before had found, had failed at, and was moving."""
        self._found = 0
        self._held.clear()
        for repository, digest in self._moving:
            yield BlobStopped(repository, digest)
        self._moving.clear()

    def take(self, event: Event) -> Iterator[Event]:
        """Take an event from the attempt that runs the unit now."""
        match event:
            case ImagesFound():
                self._found += event.count
                if (more := self._found - self._told) > 0:
                    self._told += more
                    yield ImagesFound(more)
            case ImageSettled():
                yield from self._settle(event)
            case AdmissionClosed():
                pass  # that is a unit's own affair
            case BlobStarted():
                self._moving[event.destination, event.digest] = None
                yield event
            case BlobLanded() | BlobStopped():
                self._moving.pop((event.destination, event.digest), None)
                yield event
            case _:
                yield event

    def close(self) -> Iterator[Event]:
        """Emit what was kept back, now that the unit is over."""
        yield from self._held.values()

    def give_up(self, rest: list[ImageSettled]) -> Iterator[Event]:
        """Emit the outcomes that were not emitted yet, now that no worker runs the unit."""
        yield from (BlobStopped(repository, digest) for repository, digest in self._moving)
        left = {_names(one): one for one in rest} | self._held
        fresh = [one for names, one in left.items() if names not in self._settled]
        if (more := len(fresh) + len(self._settled) - self._told) > 0:
            yield ImagesFound(more)
        yield from fresh

    def _settle(self, image: ImageSettled) -> Iterator[Event]:
        names = _names(image)
        if names in self._settled:
            return
        if image.status in _BAD:
            self._held[names] = image
            return
        self._settled.add(names)
        yield image


def _names(image: ImageSettled) -> _Names:
    return image.source, image.destination


class _UnitState(Struct, eq=False):
    """A unit, its attempts, and what was heard."""

    unit: Unit
    outcomes: UnitOutcomes = field(default_factory=UnitOutcomes)
    share: Share | None = None
    """Its share of the limits while it is under way; None while it waits."""
    attempt: str = ""
    """The attempt that runs it now, as far as was heard."""
    lost: set[str] = field(default_factory=set)
    """Attempts whose worker was lost."""
    heard: int = 0
    """Pieces of news of this attempt."""
    last: UnitNews | None = None
    """The last of them."""
    finished: float | None = None
    """When dask said that it is over, by the clock of the coordinator."""


class UnitTracker:
    """What became of each unit so far."""

    def __init__(
        self,
        options: Options,
        emit: Emit,
        traffic: Traffic,
        *,
        over: Callable[[Unit], None],
    ) -> None:
        """``over`` is called with each unit once all its events are emitted."""
        self.plan = Plan()
        """What the units of a dry run came to."""
        self.replies: dict[str, dict[str, CoordinatorReply]] = {}
        """What is to be answered, by the addresses of workers and by attempts."""
        self.wants_logins: list[tuple[str, str]] = []
        """The workers and attempts that wait for logins."""
        self._waiting: deque[_UnitState] = deque()
        self._running: dict[int, _UnitState] = {}
        self._shares = SharedLimits(options)
        self._emit = emit
        self._traffic = traffic
        self._over = over
        self._claims = Claims()
        self._workers: dict[str, str] = {}
        """Where each attempt is made."""

    def begin(self, units: Iterable[Unit]) -> None:
        """Take the units of the run."""
        self._waiting.extend(map(_UnitState, units))

    @property
    def done(self) -> bool:
        """Whether every unit is over."""
        return not self._waiting and not self._running

    @property
    def under_way(self) -> int:
        """How many units are with workers."""
        return len(self._running)

    def hand_out(self, workers: int) -> tuple[Unit, Share] | None:
        """Take the next unit, with its share of the limits, if one more can be under way."""
        left = len(self._waiting) + len(self._running)
        for state in self._waiting:
            share = self._shares.take(state.unit.hosts, workers=workers, units=left)
            if share is not None:
                self._waiting.remove(state)
                state.share = share
                self._running[state.unit.number] = state
                return state.unit, share
        return None

    def hear(self, news: UnitNews) -> None:
        """Take what a worker tells."""
        running = self._running.get(news.unit)
        if running is not None and news.number == 0 and news.attempt not in running.lost:
            self._begin(running, news)
        if running is None or news.attempt != running.attempt:
            return  # of one who was taken for lost
        running.heard += 1
        self._traffic.moved += news.moved
        for (host, method), count in news.requests.items():
            self._emit(RequestSent(host, method, count))
        for event in news.events:
            self._claim(news.attempt, event)
            self._forward(running.outcomes.take(event))
        for blob in news.asks:
            self._answer(self._claims.ask(news.attempt, blob))
        if news.last:
            running.last = news
        if news.needs_logins:
            self.wants_logins.append((news.worker, news.attempt))

    def present(self, workers: Collection[str]) -> None:
        """Note which workers are present; what another one was bringing is for the next.

        A worker that waits for it may be the one that has to do the lost worker's unit again.
        """
        for attempt, worker in list(self._workers.items()):
            if worker not in workers:
                self._answer(self._claims.gone(attempt))

    def finished(self, unit: Unit, now: float) -> None:
        """Note that a unit was carried out to its end; its last news may still be under way."""
        if (running := self._running.get(unit.number)) is not None:
            running.finished = now

    def failed(self, unit: Unit, error: MirrorError) -> None:
        """Note that no worker can carry a unit out; its images that are not settled have failed."""
        if (running := self._running.get(unit.number)) is not None:
            self._settle(running, Status.FAILED, error)
            self._drop(running)
            self._over(unit)

    def close(self, now: float) -> bool:
        """Close the units that have ended and of which all was heard; say if there is room."""
        before = len(self._running)
        for running in list(self._running.values()):
            if (last := running.last) is not None and running.heard > last.number:
                if last.plan is not None:
                    self.plan.add(last.plan)
                if last.failure is not None:
                    self._settle(running, Status.FAILED, last.failure)
                else:
                    self._forward(running.outcomes.close())
                self._drop(running)
                self._over(running.unit)
            elif running.finished is not None and now - running.finished > _NEWS_TIMEOUT:
                # What a worker told was lost with it; what it did was not, and is found.
                self._drop(running)
                self._waiting.append(running)
        return len(self._running) < before

    def defer(self) -> int:
        """Hand nothing out any more; return how many images were deferred by that."""
        count = sum(self._settle(state, Status.DEFERRED) for state in self._waiting)
        self._waiting.clear()
        return count

    def give_up(self) -> None:
        """Settle every image that has no outcome as deferred."""
        self.defer()
        for running in list(self._running.values()):
            self._settle(running, Status.DEFERRED)
            self._drop(running)

    def _begin(self, running: _UnitState, news: UnitNews) -> None:
        """Note which attempt runs a unit now; the one before, if any, is lost."""
        if running.attempt == news.attempt:
            return
        if running.attempt:
            self._leave(running)
            running.lost.add(running.attempt)
            self._forward(running.outcomes.begin_again())
        running.attempt, running.heard, running.last = news.attempt, 0, None
        self._workers[news.attempt] = news.worker

    def _settle(self, state: _UnitState, status: Status, error: MirrorError | None = None) -> int:
        rest = [outcome(rule, status, error) for rule in state.unit.rules]
        return self._forward(state.outcomes.give_up(rest))

    def _drop(self, running: _UnitState) -> None:
        """Note that a unit is not under way any more."""
        assert running.share is not None, "what is under way has a share of the limits"
        del self._running[running.unit.number]
        self._shares.give_back(running.share)
        self._leave(running)
        running.share = running.finished = None

    def _leave(self, running: _UnitState) -> None:
        """Pass on what an attempt was copying to those who wait for it."""
        self._answer(self._claims.gone(running.attempt))
        self._workers.pop(running.attempt, None)

    def _claim(self, attempt: str, event: Event) -> None:
        if isinstance(event, BlobLanded):
            self._answer(self._claims.landed(event.destination, event.digest))
        elif isinstance(event, BlobStopped):
            registry = event.destination.registry
            self._answer(self._claims.stopped(attempt, registry, event.digest))

    def _answer(self, answers: Iterable[ClaimAnswer]) -> None:
        for answer in answers:
            if (worker := self._workers.get(answer.asker)) is not None:
                replies = self.replies.setdefault(worker, {})
                reply = replies.get(answer.asker, CoordinatorReply(answer.asker))
                replies[answer.asker] = replace(reply, answers=(*reply.answers, answer))

    def _forward(self, events: Iterable[Event]) -> int:
        """Tell events; return how many there were of images that are settled."""
        count = 0
        for event in events:
            count += isinstance(event, ImageSettled)
            self._emit(event)
        return count
