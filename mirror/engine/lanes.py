"""What waits for slots, best first.

A lane is of requests that need the same registries: one for small requests, and one for bodies.
"""

import heapq
from collections import Counter
from enum import IntEnum

from msgspec import Struct

from mirror.image.reference import Registry


class Priority(IntEnum):
    """What goes first: finish before you begin, or memory grows with the file."""

    PUT = 0
    COPY = 1
    FIND = 2
    READ = 3
    RESOLVE = 4
    LIST = 5
    DELETE = 6


# Bytes of a body that is no more than a small request.
SMALL = 64 * 1024
# Of so many bodies that run, one is of what lacks the least, if that is so many times less than
# what the largest is for lacks.
_OF_EACH, _MUCH_LESS = 4, 4
# Entries of a heap, at least, before those are taken out that are gone.
_CROWDED = 1024


class SlotRequest(Struct, eq=False):
    """Something that waits for slots, or has them."""

    priority: Priority
    registries: tuple[Registry, ...]
    """Where it has a request in flight, in order; twice for a copy within a registry."""
    size: int = 0
    """Bytes of the body that it moves; 0 for a small request."""
    content: str = ""
    """The blob that it moves, so that transfers of one blob start together; or empty."""
    missing: int = 0
    """Bytes that what it is for still lacks, this body included; 0 where that is not known."""
    withdrawn: bool = False
    """Whether it was given up."""
    started: bool = False
    near: bool = False
    """Whether it was chosen because what it is for lacks little."""
    lane: "RequestLane | None" = None

    @property
    def is_gone(self) -> bool:
        """Whether it waits no more."""
        return self.started or self.withdrawn

    @property
    def is_body(self) -> bool:
        """Whether it moves so much that it would hold up small requests."""
        return self.size > SMALL


class _Queue:
    """Requests of one lane, best first by one measure; those that are gone are passed over."""

    __slots__ = ("_crowded", "_entries")

    def __init__(self) -> None:
        self._entries: list[tuple[tuple[int, int, str, int], SlotRequest]] = []
        self._crowded = _CROWDED

    def push(self, key: tuple[int, int, str, int], request: SlotRequest) -> None:
        """Add a request; no two have the same key."""
        heapq.heappush(self._entries, (key, request))
        if len(self._entries) >= self._crowded:
            # What went by another measure would stay for ever, deep in the heap.
            self._entries = [one for one in self._entries if not one[1].is_gone]
            heapq.heapify(self._entries)
            self._crowded = max(_CROWDED, 2 * len(self._entries))

    def first(self) -> tuple[int, int, str, int] | None:
        """Return the key of the best that waits; None if none does."""
        entries = self._entries
        while entries and entries[0][1].is_gone:
            heapq.heappop(entries)
        return entries[0][0] if entries else None

    @property
    def top(self) -> SlotRequest:
        """The best that waits; only after `first` has found one."""
        return self._entries[0][1]

    def pop(self) -> SlotRequest:
        """Take the best out; there must be one."""
        self.first()
        return heapq.heappop(self._entries)[1]


class RequestLane:
    """Requests that need the same registries."""

    __slots__ = ("_largest", "_nearest", "bodies", "near", "registries", "running", "slots")

    def __init__(self, registries: tuple[Registry, ...], *, bodies: bool) -> None:
        self.registries = registries
        """One for each request in flight: a copy within a registry reads and writes there."""
        self.bodies = bodies
        self.slots = tuple(Counter(registries).items())
        """How many requests it has in flight at once to each registry."""
        self.running = 0
        self.near = 0
        """How many of those that run were chosen because what they are for lacks little."""
        self._largest = _Queue()
        self._nearest = _Queue()

    def add(self, request: SlotRequest, sequence: int) -> None:
        """Take a request that is ready."""
        priority, content = request.priority, request.content
        self._largest.push((priority, -request.size, content, sequence), request)
        if self.bodies:
            self._nearest.push((priority, request.missing, content, sequence), request)

    def rivals(self, other: "RequestLane") -> bool:
        """Whether another lane is for copies of the same kind, to or from somewhere else."""
        return other is not self and other.bodies is self.bodies and len(other.registries) > 1

    @property
    def waits(self) -> bool:
        """Whether anything waits in it."""
        return self._largest.first() is not None

    def first(self) -> tuple[int, int, str, int] | None:
        """Return the key by which lanes are compared; None if nothing waits."""
        return self._largest.first()

    @property
    def next_content(self) -> str:
        """The blob of the largest body that waits; empty if there is none."""
        key = self.first() if self.bodies else None
        return key[2] if key is not None else ""

    def pop(self) -> SlotRequest:
        """Take the next out.

        The largest bodies are begun first, or the end would wait for them alone; but of
        every four, one is of what lacks the least, so that images are completed all the time.
        """
        if self.bodies and self.near * _OF_EACH < self.running and self._lacks_little():
            request = self._nearest.pop()
            self.near += 1
            request.near = True
        else:
            request = self._largest.pop()
        request.started = True
        return request

    def _lacks_little(self) -> bool:
        """Whether something waits that is for much less than the largest that waits is for."""
        if self._nearest.first() is None or self._largest.first() is None:
            return False
        return self._nearest.top.missing * _MUCH_LESS < self._largest.top.missing
