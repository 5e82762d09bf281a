"""Pairs that wait for their turn, a bounded number of them open at a time.

Every destination is promised to one source, and pairs that cannot be opened any more end
as deferred.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Set

from mirror.errors import MirrorError, Refused
from mirror.events import Emit, ImageSettled, ImagesFound, Status
from mirror.image.reference import Reference, Registry
from mirror.mapping.grammar import Rule
from mirror.mapping.rule_options import name_of
from mirror.mapping.wildcard import Pair, pair
from mirror.place import Place, Side

RegistryPair = tuple[Registry, Registry]
"""From one registry to another."""

# Pairs under way between two registries, for each request that may be in flight: enough to
# keep every slot busy, few enough to be forgotten soon.
_OPEN_PER_SLOT = 4


class Admission:
    """The pairs that are known, open or not."""

    def __init__(
        self,
        in_flight: Callable[[Registry], int],
        emit: Emit,
        opened: Callable[[Pair], None],
        refused: Callable[[Reference], None],
    ) -> None:
        """``in_flight`` is how many requests may be in flight to a registry now.

        ``opened`` begins with a pair, and has `close` called when that is over.

        ``refused`` is called with each destination that was promised to another source.
        """
        self._in_flight = in_flight
        self._emit = emit
        self._opened = opened
        self._refused = refused
        self._queues: defaultdict[RegistryPair, deque[Rule]] = defaultdict(deque)
        self._open_on: Counter[RegistryPair] = Counter()
        self._claimed: dict[tuple[Reference, Reference | None], Pair] = {}
        self._over = False

    @property
    def waiting(self) -> int:
        """How many pairs `defer` would tell of."""
        return sum(map(len, self._queues.values()))

    def add(self, rules: Iterable[Rule], *, unique: bool = False) -> None:
        """Take pairs that are known; ``unique`` says that no two go to one place."""
        count = 0
        lanes = set()
        for rule in rules:
            if unique or self._claim(rule):
                count += 1
                lane = rule.source.registry, rule.target.registry
                self._queues[lane].append(rule)
                lanes.add(lane)
        if count:
            self._emit(ImagesFound(count))
        for lane in lanes:
            self._admit(lane)

    def close(self, pair: Pair) -> None:
        """Note that a pair that was opened is over."""
        lane = registry_pair_of(pair)
        self._open_on[lane] -= 1
        self._admit(lane)

    def open_more(self, registries: Set[Registry]) -> None:
        """Open what there is room for now that more may be in flight to these registries."""
        for lane in list(self._queues):
            if not registries.isdisjoint(lane):
                self._admit(lane)

    def defer(self) -> None:
        """Open nothing more; tell of all that waits as deferred."""
        self._over = True
        for queue in self._queues.values():
            for rule in queue:
                self._emit(outcome(rule, Status.DEFERRED))
        self._queues.clear()

    def claims(self, destination: Reference) -> bool:
        """Whether a tag was promised to a source."""
        return (destination, None) in self._claimed

    def _admit(self, lane: RegistryPair) -> None:
        """Open as many pairs between two registries as there is room for."""
        queue = self._queues.get(lane)
        slots = max(map(self._in_flight, lane))
        while queue and not self._over and self._open_on[lane] < _OPEN_PER_SLOT * slots:
            self._open_on[lane] += 1
            self._opened(pair(queue.popleft()))

    def _claim(self, rule: Rule) -> bool:
        """Whether a rule is the first to its destination; a second one from elsewhere fails."""
        one = pair(rule)
        # Only a tag can be claimed: a digest is the same from every source.
        claimed = (one.destination, None if one.destination.tag else one.source)
        other = self._claimed.setdefault(claimed, one)
        if other.source != one.source:
            self._emit(ImagesFound(1))
            self._emit(outcome(rule, Status.FAILED, _taken(one, other.source)))
            self._refused(one.destination)
        return other is one


def outcome(rule: Rule, status: Status, error: MirrorError | None = None) -> ImageSettled:
    """Return what became of a mapping of which no image was worked on, or of its one image."""
    origin, name = str(rule.origin), name_of(rule.options)
    if rule.source.many:
        source, destination = str(rule.source), str(rule.target)
        return ImageSettled(source, destination, origin, status, error=error, rule=name)
    one = pair(rule)
    return ImageSettled(one.source, one.destination, origin, status, error=error, rule=name)


def registry_pair_of(pair: Pair) -> RegistryPair:
    """Return the registries between which a pair goes."""
    return pair.source.repository.registry, pair.destination.repository.registry


def _taken(pair: Pair, other: Reference) -> MirrorError:
    error = Refused(
        f"{other} goes there too", hint="Give one of the two another destination or tag."
    )
    place = Place(Side.DESTINATION, str(pair.destination), f"claiming it for {pair.source}")
    return error.at(place)
