"""Pairs that wait for their turn: out of the mappings, a bounded number at a time.

Every destination is promised to one source, and what cannot be opened any more
is told of as deferred.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable

from mirror.errors import MirrorError, NotFound, Place, Refused, Side
from mirror.events import Event, ImageSettled, ImagesFound, Status
from mirror.image.reference import Reference, Registry
from mirror.mapping.grammar import Rule
from mirror.mapping.terms import name_of
from mirror.mapping.wildcard import Pair, pair
from mirror.options import Options
from mirror.plan.discovery import Discovery, Watch
from mirror.plan.inquiry import Inquiry
from mirror.plan.listings import Listings
from mirror.plan.ownership import Ownership

# Images under way between two registries, for each request that may be in
# flight: enough to keep every slot busy, few enough to be forgotten soon.
_OPEN_PER_SLOT = 4

Route = tuple[Registry, Registry]


class Intake:
    """The mappings on their way to pairs that are opened."""

    def __init__(
        self,
        inquiry: Inquiry,
        listings: Listings,
        options: Options,
        tell: Callable[[Event], None],
        opened: Callable[[Pair], None],
        watch: Watch | None = None,
    ) -> None:
        """Be told who takes events, pairs whose turn it is, and what sources listed."""
        self._options = options
        self._tell = tell
        self._opened = opened
        self._watch = watch
        self._ownership = Ownership(options.shard, tell)
        self._discovery = Discovery(
            inquiry, listings, self._ownership, self._queue, self.rule_failed, watch
        )
        self._queues: defaultdict[Route, deque[Rule]] = defaultdict(deque)
        self._open_on: Counter[Route] = Counter()
        self._claimed: dict[tuple[Reference, Reference | None], Pair] = {}

    def begin(self, rules: Iterable[Rule]) -> None:
        """Take the mappings."""
        self._discovery.begin(rules)

    def admit(self) -> None:
        """Open as many pairs as there is room for."""
        for on, queue in list(self._queues.items()):
            slots = max(self._options.limit_at(registry.host) for registry in on)
            window = _OPEN_PER_SLOT * slots
            while queue and self._open_on[on] < window:
                self._open_on[on] += 1
                self._opened(pair(queue.popleft()))
            if not queue:
                del self._queues[on]

    def close(self, pair: Pair) -> None:
        """Learn that a pair that was opened is over."""
        self._open_on[route(pair)] -= 1

    def defer(self) -> None:
        """Open nothing more; tell of all that waits as deferred."""
        for queue in self._queues.values():
            for rule in queue:
                self._tell(outcome(rule, Status.DEFERRED))
        for rule in self._discovery.abandon():
            self._settle_rule(rule, Status.DEFERRED)
        self._queues.clear()

    def claims(self, destination: Reference) -> bool:
        """Whether a tag was promised to a source."""
        return (destination, None) in self._claimed

    def rule_failed(self, rule: Rule, error: MirrorError) -> None:
        """Tell of a mapping whose images are not known."""
        if self._watch is not None:
            self._watch.unlisted(rule)
        if self._options.skip_missing and isinstance(error, NotFound):
            self._settle_rule(rule, Status.SKIPPED)
        else:
            self._settle_rule(rule, Status.FAILED, error)

    def _queue(self, rules: Iterable[Rule], *, unique: bool = False) -> None:
        count = 0
        for rule in rules:
            if unique or self._claim(rule):
                count += 1
                self._queues[rule.source.registry, rule.target.registry].append(rule)
        if count:
            self._tell(ImagesFound(count))

    def _claim(self, rule: Rule) -> bool:
        """Whether a rule is the first to its destination; a second one from elsewhere fails."""
        one = pair(rule)
        # Only a tag can be claimed: a digest is the same whoever brings it.
        claimed = (one.destination, None if one.destination.tag else one.source)
        other = self._claimed.setdefault(claimed, one)
        if other.source != one.source:
            self._tell(ImagesFound(1))
            self._tell(outcome(rule, Status.FAILED, _taken(one, other.source)))
            if self._watch is not None:
                self._watch.failed(one.destination)
        return other is one

    def _settle_rule(self, rule: Rule, status: Status, error: MirrorError | None = None) -> None:
        self._tell(ImagesFound(1))
        self._tell(outcome(rule, status, error))


def outcome(rule: Rule, status: Status, error: MirrorError | None = None) -> ImageSettled:
    """Say what became of a mapping of which no image was worked on, or of its one image."""
    names = str(rule.source), str(rule.target)
    if not rule.source.many:
        one = pair(rule)
        names = str(one.source), str(one.destination)
    return ImageSettled(*names, str(rule.origin), status, error=error, rule=name_of(rule.terms))


def route(pair: Pair) -> Route:
    """The registries between which a pair goes."""
    return pair.source.repository.registry, pair.destination.repository.registry


def _taken(pair: Pair, other: Reference) -> MirrorError:
    error = Refused(
        f"{other} goes there too", hint="Give one of the two another destination or tag."
    )
    place = Place(Side.DESTINATION, str(pair.destination), f"claiming it for {pair.source}")
    return error.at(place)
