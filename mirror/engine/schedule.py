"""Which task goes next: order and limits, as plain state.

The schedule never awaits.  The engine gives it tasks, asks what may start and
says what finished; every decision about order and limits is made here, where a
test can watch it without an event loop.

Ready tasks stand in lanes: one for the small requests and one for the bodies of
each set of registries.  A full registry blocks whole lanes, so choosing costs
time in the number of lanes that may have become free, and not in the number of
tasks: 100,000 tasks over two registries are scheduled in one to two seconds
(`benchmarks/schedule.py`).
"""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mirror.engine.window import Window
from mirror.image.reference import Registry
from mirror.plan.task import Flight, Task

_Entry = tuple[int, int, str, int, Task]


@dataclass(slots=True, eq=False)
class _Lane:
    """Tasks that need the same registries, best first."""

    registries: tuple[Registry, ...]
    """One for each request in flight: a copy within a registry reads and writes there."""
    bulk: bool
    waiting: list[_Entry] = field(default_factory=list)
    running: int = 0


class Schedule:
    """The tasks that are ready or running.

    At most ``per_registry`` tasks run on each registry, fewer for a while where it
    pushes back, and at most ``registries`` registries are worked on at once, though a
    copy always gets its two.  Bodies leave a quarter of a registry's slots, at most
    eight, to small requests, which would starve behind layers.  Who shares a registry
    with others leaves them their share of it, so that nobody waits behind a slow
    destination of another.
    """

    def __init__(
        self,
        *,
        per_registry: int,
        registries: int | None = None,
        limits: Mapping[Registry, int] | None = None,
    ) -> None:
        """``limits`` are those of single registries, in place of ``per_registry``."""
        self._windows: defaultdict[Registry, Window] = defaultdict(lambda: Window(per_registry))
        self._windows |= {registry: Window(limit) for registry, limit in (limits or {}).items()}
        self._registries = registries
        self._busy: Counter[Registry] = Counter()
        self._bulky: Counter[Registry] = Counter()
        self._lanes: dict[tuple[tuple[Registry, ...], bool], _Lane] = {}
        self._lanes_of: defaultdict[Registry, list[_Lane]] = defaultdict(list)
        self._alike: defaultdict[tuple[Registry, bool], list[_Lane]] = defaultdict(list)
        self._changed: dict[_Lane, None] = {}
        self._flying: set[Flight] = set()
        self._landed: set[Flight] = set()
        self._parked: defaultdict[Flight, deque[Task]] = defaultdict(deque)
        self._running = 0
        self._sequence = 0
        self.freed: Callable[[], None] = lambda: None
        """Called when a slot became free while nothing finished."""

    @property
    def idle(self) -> bool:
        """Whether nothing is running or lent; after `start` gave nothing, that is the end."""
        return not self._running

    def add(self, tasks: Iterable[Task]) -> None:
        """Take tasks that are ready to start."""
        for task in tasks:
            bulk = task.weight > 0
            registries = tuple(sorted(task.registries))
            lane = self._lanes.get((registries, bulk)) or self._new_lane(registries, bulk)
            self._sequence += 1
            entry = (task.rank, -task.weight, task.content, self._sequence, task)
            heapq.heappush(lane.waiting, entry)
            self._changed[lane] = None

    def start(self) -> list[Task]:
        """Take every task that may start now, best first; each occupies its registries."""
        started: list[Task] = []
        # Lanes that nothing was added to and nothing made room for stay blocked.
        lanes = [lane for lane in self._changed if lane.waiting]
        self._changed.clear()
        # Each lane has its share first, and then whatever the others leave.
        left = self._start(lanes, started, self._has_its_share)
        self._start(left, started, lambda _: False)
        return started

    def _start(
        self, lanes: list[_Lane], started: list[Task], satisfied: Callable[[_Lane], bool]
    ) -> list[_Lane]:
        """Start what there is room for, of each lane until it is satisfied; return those lanes."""
        left = []
        queue = [(lane.waiting[0][:-1], number, lane) for number, lane in enumerate(lanes)]
        heapq.heapify(queue)
        while queue:
            _, number, lane = heapq.heappop(queue)
            if not self._has_room(lane):
                continue
            if satisfied(lane):
                left.append(lane)
                continue
            task = heapq.heappop(lane.waiting)[-1]
            if self._may_fly(task):
                self._occupy(lane, 1)
                started.append(task)
            if lane.waiting:
                heapq.heappush(queue, (lane.waiting[0][:-1], number, lane))
        return left

    def push_back(self, registry: Registry, now: float) -> None:
        """Learn that a registry had too much, so that fewer tasks run there for a while."""
        self._windows[registry].push_back(now)

    def lend(self, registry: Registry) -> bool:
        """Occupy one more slot for what moves a body already, if nobody waits for one."""
        window = self._windows[registry]
        if self._busy[registry] >= window.size or self._bulky[registry] >= window.bulk:
            return False
        if any(lane.waiting for lane in self._lanes_of[registry]):
            return False
        self._running += 1
        self._busy[registry] += 1
        self._bulky[registry] += 1
        return True

    def give_back(self, registry: Registry) -> None:
        """Free a slot that was lent."""
        self._running -= 1
        self._busy[registry] -= 1
        self._bulky[registry] -= 1
        self._note_room(registry)
        self.freed()

    def finish(self, task: Task, *, succeeded: bool, seconds: float | None = None) -> None:
        """Give back what a started task occupied; ``seconds`` is how long it took."""
        if succeeded:
            for registry in task.registries:
                self._windows[registry].answered(None if task.weight else seconds)
        self._occupy(self._lanes[tuple(sorted(task.registries)), task.weight > 0], -1)
        if task.flight is None:
            return
        self._flying.discard(task.flight)
        if succeeded:
            self._landed.add(task.flight)
        parked = self._parked.pop(task.flight, deque())
        if succeeded:
            self.add(parked)
        elif parked:
            self.add([parked.popleft()])
            self._parked[task.flight] = parked

    def _new_lane(self, registries: tuple[Registry, ...], bulk: bool) -> _Lane:
        lane = self._lanes[registries, bulk] = _Lane(registries, bulk)
        for registry in set(registries):
            self._lanes_of[registry].append(lane)
            self._alike[registry, bulk].append(lane)
        return lane

    def _has_room(self, lane: _Lane) -> bool:
        for registry, slots in Counter(lane.registries).items():
            window = self._windows[registry]
            if _over(self._busy[registry], slots, window.size):
                return False
            if lane.bulk and _over(self._bulky[registry], slots, window.bulk):
                return False
        if self._registries is None:
            return True
        # A copy needs two registries, even where only one is allowed at once.
        wanted = {registry for registry, busy in self._busy.items() if busy} | {*lane.registries}
        return len(wanted) <= max(self._registries, len(set(lane.registries)))

    def _has_its_share(self, lane: _Lane) -> bool:
        """Whether a lane occupies its share of a registry where another waits for its own."""
        for registry in lane.registries:
            lanes = self._alike[registry, lane.bulk]
            if len(lanes) == 1:
                continue
            rivals = sum(other is not lane and bool(other.waiting) for other in lanes)
            window = self._windows[registry]
            slots = window.bulk if lane.bulk else window.size
            if rivals and lane.running >= max(1, slots // (rivals + 1)):
                return True
        return False

    def _may_fly(self, task: Task) -> bool:
        flight = task.flight
        if flight is None or flight in self._landed:
            return True
        if flight in self._flying:
            self._parked[flight].append(task)
            return False
        self._flying.add(flight)
        return True

    def _occupy(self, lane: _Lane, count: int) -> None:
        self._running += count
        lane.running += count
        for registry in lane.registries:
            self._busy[registry] += count
            self._bulky[registry] += count * lane.bulk
            if count < 0:
                self._note_room(registry)

    def _note_room(self, registry: Registry) -> None:
        """Have the lanes looked at again for which there may be room now."""
        self._changed.update(dict.fromkeys(self._lanes_of[registry]))
        if self._registries is not None and not self._busy[registry]:
            self._changed.update(dict.fromkeys(self._lanes.values()))


def _over(busy: int, slots: int, limit: int) -> bool:
    """Whether a limit forbids these slots; what needs more than there are may have all."""
    return busy > 0 and busy + slots > limit
