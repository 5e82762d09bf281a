"""Which request goes next: order and limits, as plain state.

Nothing here waits.  `mirror.engine.slots` hands in what is ready, asks what may start and
says what finished; every decision about order and limits is made here, where a
test can watch it without an event loop.

What is ready stands in lanes: one for the small requests and one for the bodies of
each set of registries.  A full registry blocks whole lanes, so choosing costs
time in the number of lanes that may have become free, and not in the number of
requests: 100,000 over two registries are scheduled in one to two seconds
(`benchmarks/schedule.py`).
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from enum import IntEnum

from msgspec import Struct, field

from mirror.engine.adaptive_limit import AdaptiveLimit
from mirror.image.reference import Registry


class Rank(IntEnum):
    """What goes first: finish before you begin, or memory grows with the file."""

    PUT = 0
    COPY = 1
    FIND = 2
    READ = 3
    RESOLVE = 4
    LIST = 5
    DELETE = 6


class Turn(Struct, eq=False):
    """Something that waits for slots, or has them."""

    rank: Rank
    registries: tuple[Registry, ...]
    """Where it has a request in flight, in order; twice for a copy within a registry."""
    size: int = 0
    """Bytes of the body that it moves; 0 for a small request."""
    content: str = ""
    """The blob that it moves, so that transfers of one blob start together; or empty."""
    withdrawn: bool = False
    """Whether it was given up."""
    lane: "_Lane | None" = None


_Entry = tuple[int, int, str, int, Turn]


class _Lane(Struct, eq=False):
    """Turns that need the same registries, best first."""

    registries: tuple[Registry, ...]
    """One for each request in flight: a copy within a registry reads and writes there."""
    bulk: bool
    slots: tuple[tuple[Registry, int], ...]
    """How many requests it has in flight at once to each registry."""
    waiting: list[_Entry] = field(default_factory=list)
    running: int = 0


class Schedule:
    """The turns that are ready or running.

    At most ``per_registry`` requests are in flight to each registry, fewer for a while where it
    pushes back, and at most ``registries`` registries are worked on at once, though a
    copy always gets its two.  Bodies leave a quarter of a registry's slots, at most
    eight, to small requests, which would starve behind layers.  What shares a registry
    with others leaves them their share of it, so that none waits behind a slow
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
        self._limits: defaultdict[Registry, AdaptiveLimit] = defaultdict(
            lambda: AdaptiveLimit(per_registry)
        )
        self._limits |= {
            registry: AdaptiveLimit(limit) for registry, limit in (limits or {}).items()
        }
        self._registries = registries
        self._busy: Counter[Registry] = Counter()
        self._bulky: Counter[Registry] = Counter()
        self._lanes: dict[tuple[tuple[Registry, ...], bool], _Lane] = {}
        self._lanes_of: defaultdict[Registry, list[_Lane]] = defaultdict(list)
        self._alike: defaultdict[tuple[Registry, bool], list[_Lane]] = defaultdict(list)
        self._changed: dict[_Lane, None] = {}
        self._sequence = 0

    def add(self, turn: Turn) -> None:
        """Take a turn that is ready to start."""
        lane = turn.lane = self._lane_of(turn)
        self._sequence += 1
        entry = (turn.rank, -turn.size, turn.content, self._sequence, turn)
        heapq.heappush(lane.waiting, entry)
        self._changed[lane] = None

    def start_now(self, turn: Turn) -> bool:
        """Start a turn at once, if nothing like it waits and there is room; say if it was."""
        lane = turn.lane = self._lane_of(turn)
        if lane.waiting or not self._has_room(lane) or self._has_its_share(lane):
            return False
        self._occupy(lane, 1)
        return True

    def start(self) -> list[Turn]:
        """Take every turn that may start now, best first; each occupies its registries."""
        started: list[Turn] = []
        # Lanes that nothing was added to and nothing made room for stay blocked.
        lanes = [lane for lane in self._changed if lane.waiting]
        self._changed.clear()
        # Each lane has its share first, and then whatever the others leave.
        left = self._start(lanes, started, self._has_its_share)
        self._start(left, started, lambda _: False)
        return started

    def _start(
        self, lanes: list[_Lane], started: list[Turn], satisfied: Callable[[_Lane], bool]
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
            turn = heapq.heappop(lane.waiting)[-1]
            if not turn.withdrawn:
                self._occupy(lane, 1)
                started.append(turn)
            if lane.waiting:
                heapq.heappush(queue, (lane.waiting[0][:-1], number, lane))
        return left

    def push_back(self, registry: Registry, now: float) -> None:
        """Note that a registry pushed back; fewer requests go there for a while."""
        self._limits[registry].push_back(now)

    def lend(self, registry: Registry) -> bool:
        """Occupy one more slot for what moves a body already, if no request waits for one."""
        window = self._limits[registry]
        if self._busy[registry] >= window.size or self._bulky[registry] >= window.bulk:
            return False
        if any(lane.waiting for lane in self._lanes_of[registry]):
            return False
        self._busy[registry] += 1
        self._bulky[registry] += 1
        return True

    def give_back(self, registry: Registry) -> None:
        """Free a slot that was lent."""
        self._busy[registry] -= 1
        self._bulky[registry] -= 1
        self._note_room(registry)

    def finish(self, turn: Turn, *, succeeded: bool, seconds: float | None = None) -> None:
        """Give back what a started turn occupied; ``seconds`` is how long it took."""
        if succeeded:
            for registry in turn.registries:
                self._limits[registry].answered(None if turn.size else seconds)
        assert turn.lane is not None, "what has started stands in a lane"
        self._occupy(turn.lane, -1)

    def _lane_of(self, turn: Turn) -> _Lane:
        key = turn.registries, turn.size > 0
        return self._lanes.get(key) or self._new_lane(*key)

    def _new_lane(self, registries: tuple[Registry, ...], bulk: bool) -> _Lane:
        lane = self._lanes[registries, bulk] = _Lane(
            registries, bulk, tuple(Counter(registries).items())
        )
        for registry in set(registries):
            self._lanes_of[registry].append(lane)
            self._alike[registry, bulk].append(lane)
        return lane

    def _has_room(self, lane: _Lane) -> bool:
        for registry, slots in lane.slots:
            window = self._limits[registry]
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
            window = self._limits[registry]
            slots = window.bulk if lane.bulk else window.size
            if rivals and lane.running >= max(1, slots // (rivals + 1)):
                return True
        return False

    def _occupy(self, lane: _Lane, count: int) -> None:
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
