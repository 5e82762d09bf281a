"""Which request goes next: order and limits, as plain state.

Nothing here waits.  `mirror.engine.slots` hands in what is ready, asks what may start and
says what finished; every decision about order and limits is made here, where a
test can watch it without an event loop.

What is ready stands in lanes: one for the small requests and one for the bodies of
each set of registries.  A blob of at most 64 KiB is a small request: it would wait for ever
behind slow layers.  A full registry blocks whole lanes, so choosing costs
time in the number of lanes that may have become free, and not in the number of
requests: 100,000 over two registries are scheduled in one to two seconds
(`benchmarks/schedule.py`).
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.lanes import RequestLane, SlotRequest
from mirror.image.reference import Registry


class Schedule:
    """The requests that are ready or running.

    How many are in flight to each registry is decided by `mirror.engine.adaptive_limit`, and at
    most ``registries`` registries are worked on at once, though a copy always gets its
    two.  What shares a registry with others leaves them their share of it, so that none
    waits behind a slow destination of another.
    """

    def __init__(
        self,
        limit: Callable[[Registry], HostLimit],
        *,
        registries: int | None = None,
    ) -> None:
        """``limit`` makes that of a registry, which is asked for once."""
        self._limit = limit
        self._limits: dict[Registry, HostLimit] = {}
        self._registries = registries
        self._requests: Counter[Registry] = Counter()
        self._bodies: Counter[Registry] = Counter()
        self._lanes: dict[tuple[tuple[Registry, ...], bool], RequestLane] = {}
        self._lanes_of: defaultdict[Registry, list[RequestLane]] = defaultdict(list)
        self._changed: dict[RequestLane, None] = {}
        self._sequence = 0
        self.grown: set[Registry] = set()
        """Registries to which more may be in flight than when this was emptied."""

    @property
    def limits(self) -> Mapping[Registry, HostLimit]:
        """What may be in flight to each registry that anything was sent to."""
        return self._limits

    def limit_of(self, registry: Registry) -> HostLimit:
        """Return what may be in flight to a registry."""
        if (limit := self._limits.get(registry)) is None:
            limit = self._limits[registry] = self._limit(registry)
        return limit

    def add(self, request: SlotRequest) -> None:
        """Take a request that is ready to start."""
        lane = request.lane = self._lane_of(request)
        self._sequence += 1
        lane.add(request, self._sequence)
        self._changed[lane] = None

    def start_now(self, request: SlotRequest) -> bool:
        """Start a request at once, if nothing like it waits and there is room; say if it was."""
        lane = request.lane = self._lane_of(request)
        if lane.waits or not self._has_room(lane) or self._has_its_share(lane):
            return False
        request.started = True
        self._occupy(lane, 1)
        return True

    def start(self) -> list[SlotRequest]:
        """Take every request that may start now, best first; each occupies its registries."""
        started: list[SlotRequest] = []
        # Lanes that nothing was added to and nothing made room for stay blocked.
        lanes = [lane for lane in self._changed if lane.waits]
        self._changed.clear()
        # Each lane has its share first, and then whatever the others leave.
        left = self._start(lanes, started, self._has_its_share)
        self._start(left, started, self._goes_alone)
        return started

    def _start(
        self,
        lanes: list[RequestLane],
        started: list[SlotRequest],
        satisfied: Callable[[RequestLane], bool],
    ) -> list[RequestLane]:
        """Start what there is room for, of each lane until it is satisfied; return those lanes."""
        left = []
        queue = [(lane.first(), number, lane) for number, lane in enumerate(lanes)]
        heapq.heapify(queue)
        while queue:
            _, number, lane = heapq.heappop(queue)
            if not self._has_room(lane):
                continue
            if satisfied(lane):
                left.append(lane)
                continue
            started.append(lane.pop())
            self._occupy(lane, 1)
            if (key := lane.first()) is not None:
                heapq.heappush(queue, (key, number, lane))
        return left

    def refuse(self, registry: Registry, now: float) -> None:
        """Note that a registry pushed back; fewer requests go there for a while."""
        self.limit_of(registry).refuse(now)

    def lend(self, registry: Registry) -> bool:
        """Occupy one more slot for what moves a body already, if no request waits for one."""
        limit, bodies = self.limit_of(registry), self._bodies[registry]
        if bodies >= limit.bodies.size or self._requests[registry] + bodies >= limit.most:
            return False
        if any(lane.waits for lane in self._lanes_of[registry]):
            return False
        self._bodies[registry] += 1
        return True

    def give_back(self, registry: Registry) -> None:
        """Free a slot that was lent."""
        self._bodies[registry] -= 1
        self._note_room(registry)

    def finish(self, request: SlotRequest, seconds: float | None = None, now: float = 0.0) -> None:
        """Give back what a started request occupied; ``seconds`` is how long a success took."""
        lane = request.lane
        assert lane is not None, "what has started stands in a lane"
        if lane.bodies and seconds is not None:
            for registry in set(lane.registries):
                limit = self.limit_of(registry)
                before = limit.size
                full = self._bodies[registry] >= limit.bodies.size or self._is_full(registry)
                waited = (full and self._waits(registry, bodies=True)) or self._is_cramped(registry)
                limit.bodies.move(request.size, seconds, now, waited=waited)
                self._note_growth(registry, before)
        lane.near -= request.near
        self._occupy(lane, -1)

    def answer(self, registry: Registry, kind: str, seconds: float, now: float) -> None:
        """Note that a registry answered a small request of a kind after so many seconds."""
        limit = self.limit_of(registry)
        before = limit.size
        full = self._requests[registry] >= limit.requests.size or self._is_full(registry)
        waited = full and self._waits(registry, bodies=False)
        limit.requests.answer(kind, seconds, now, waited=waited)
        self._note_growth(registry, before)

    def _is_cramped(self, registry: Registry) -> bool:
        """Whether bodies wait for more slots than are left, since they have to start together."""
        return any(self._goes_alone(lane) for lane in self._lanes_of[registry] if lane.bodies)

    def _is_full(self, registry: Registry) -> bool:
        in_flight = self._requests[registry] + self._bodies[registry]
        return in_flight >= self.limit_of(registry).most

    def _waits(self, registry: Registry, *, bodies: bool) -> bool:
        return any(lane.waits for lane in self._lanes_of[registry] if lane.bodies is bodies)

    def _note_growth(self, registry: Registry, before: int) -> None:
        if self.limit_of(registry).size > before:
            self.grown.add(registry)
            self._note_room(registry)

    def _lane_of(self, request: SlotRequest) -> RequestLane:
        key = request.registries, request.is_body
        return self._lanes.get(key) or self._new_lane(*key)

    def _new_lane(self, registries: tuple[Registry, ...], bodies: bool) -> RequestLane:
        lane = self._lanes[registries, bodies] = RequestLane(registries, bodies=bodies)
        for registry in set(registries):
            self._lanes_of[registry].append(lane)
        return lane

    def _has_room(self, lane: RequestLane) -> bool:
        for registry, slots in lane.slots:
            limit = self.limit_of(registry)
            requests, bodies = self._requests[registry], self._bodies[registry]
            if _over(requests + bodies, slots, limit.most):
                return False
            if lane.bodies and _over(bodies, slots, limit.bodies.size):
                return False
            if not lane.bodies and _over(requests, slots, limit.requests.size):
                return False
        if self._registries is None:
            return True
        # A copy needs two registries, even where only one is allowed at once.
        busy = {one for one in self._limits if self._requests[one] or self._bodies[one]}
        return len(busy | {*lane.registries}) <= max(self._registries, len(set(lane.registries)))

    def _has_its_share(self, lane: RequestLane) -> bool:
        """Whether a lane occupies its share of a registry where another waits for its own."""
        if len(lane.registries) == 1:
            return False  # what a registry is asked by itself goes by its priority
        for registry in lane.registries:
            lanes = self._lanes_of[registry]
            if len(lanes) == 1:
                continue
            rivals = sum(other.waits for other in lanes if lane.rivals(other))
            limit = self.limit_of(registry)
            slots = limit.bodies.size if lane.bodies else limit.requests.size
            if rivals and lane.running >= max(1, slots // (rivals + 1)):
                return True
        return False

    def _goes_alone(self, lane: RequestLane) -> bool:
        """Whether others that bring the same from the same source could not start with the next.

        They would come too late to share its reading.
        """
        content = lane.next_content
        if not content:
            return False
        for registry in lane.registries:
            bodies, limit = self._bodies[registry], self.limit_of(registry)
            lanes = self._lanes_of[registry]
            others = sum(lane.rivals(other) and other.next_content == content for other in lanes)
            if others and _over(bodies, 1 + others, limit.bodies.size):
                return True
        return False

    def _occupy(self, lane: RequestLane, count: int) -> None:
        lane.running += count
        busy = self._bodies if lane.bodies else self._requests
        for registry in lane.registries:
            busy[registry] += count
            if count < 0:
                self._note_room(registry)

    def _note_room(self, registry: Registry) -> None:
        """Have the lanes looked at again for which there may be room now."""
        self._changed.update(dict.fromkeys(self._lanes_of[registry]))
        if self._registries is not None and not (
            self._requests[registry] or self._bodies[registry]
        ):
            self._changed.update(dict.fromkeys(self._lanes.values()))


def _over(busy: int, slots: int, limit: int) -> bool:
    """Whether a limit forbids these slots; what needs more than there are may have all."""
    return busy > 0 and busy + slots > limit
