"""The units of a run: which wait, which are under way, and what was heard of each.

Pure state: told what workers say and how units end, it tells the events of the run, says what
can be handed out, and what is to be answered.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from mirror.cluster.claims import ClaimAnswer, Claims
from mirror.cluster.limits import Share, SharedLimits
from mirror.cluster.protocol import CoordinatorReply, UnitNews
from mirror.cluster.unit import Unit
from mirror.cluster.unit_outcomes import UnitOutcomes
from mirror.engine.admission import outcome
from mirror.engine.dry_run import Plan
from mirror.errors import MirrorError
from mirror.events import (
    BlobLanded,
    BlobStopped,
    Emit,
    Event,
    ImageSettled,
    RequestSent,
    Status,
    Traffic,
)
from mirror.options import Options

# Seconds after the end of a unit in which its last news must have come.
_NEWS_TIMEOUT = 30.0


@dataclass(slots=True, eq=False)
class _Running:
    """A unit that was handed out."""

    unit: Unit
    share: Share
    attempt: str = ""
    """Who runs it, as far as was heard."""
    lost: set[str] = field(default_factory=set)
    """Who ran it before."""
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
        self._waiting: deque[Unit] = deque()
        self._running: dict[int, _Running] = {}
        self._shares = SharedLimits(options)
        self._emit = emit
        self._traffic = traffic
        self._over = over
        self._account = UnitOutcomes()
        self._claims = Claims()
        self._workers: dict[str, str] = {}
        """Where each attempt is made."""

    def begin(self, units: Iterable[Unit]) -> None:
        """Take the units of the run."""
        self._waiting.extend(units)

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
        for unit in self._waiting:
            share = self._shares.take(unit.hosts, workers=workers, units=left)
            if share is not None:
                self._waiting.remove(unit)
                self._running[unit.number] = _Running(unit, share)
                return unit, share
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
            self._forward(self._account.take(news.unit, news.attempt, event))
        for blob in news.asks:
            self._answer(self._claims.ask(news.attempt, blob))
        if news.last:
            running.last = news
        if news.needs_logins:
            self.wants_logins.append((news.worker, news.attempt))

    def present(self, workers: Collection[str]) -> None:
        """Note which workers are present; what another one was bringing is for the next.

        Whoever waits for it may be the one who would have to do the lost one's unit again.
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
            self._settle(unit, Status.FAILED, error)
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
                    self._settle(running.unit, Status.FAILED, last.failure)
                self._forward(self._account.close(running.unit.number))
                self._drop(running)
                self._over(running.unit)
            elif running.finished is not None and now - running.finished > _NEWS_TIMEOUT:
                # What a worker told was lost with it; what it did was not, and is found.
                self._drop(running)
                self._waiting.append(running.unit)
        return len(self._running) < before

    def defer(self) -> int:
        """Hand nothing out any more; return how many images were deferred by that."""
        count = sum(self._settle(unit, Status.DEFERRED) for unit in self._waiting)
        self._waiting.clear()
        return count

    def give_up(self) -> None:
        """Settle every image that has no outcome as deferred."""
        self.defer()
        for running in list(self._running.values()):
            self._settle(running.unit, Status.DEFERRED)
            self._drop(running)

    def _begin(self, running: _Running, news: UnitNews) -> None:
        """Note which worker runs a unit now; the one before, if any, is lost."""
        if running.attempt:
            self._answer(self._claims.gone(running.attempt))
            self._workers.pop(running.attempt, None)
            running.lost.add(running.attempt)
        running.attempt, running.heard, running.last = news.attempt, 0, None
        self._workers[news.attempt] = news.worker
        self._forward(self._account.begin(news.unit, news.attempt))

    def _settle(self, unit: Unit, status: Status, error: MirrorError | None = None) -> int:
        rest = [outcome(rule, status, error) for rule in unit.rules]
        return self._forward(self._account.give_up(unit.number, rest))

    def _drop(self, running: _Running) -> None:
        del self._running[running.unit.number]
        self._shares.give_back(running.share)
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
