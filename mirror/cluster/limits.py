"""Limits that hold for all workers together: each unit under way has a share of them.

However workers come and go, the shares under way never are more than the whole.
"""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from mirror.options import Options
from mirror.wire.known_limits import limit_at

_WHOLE = Fraction(1)
# A copy needs two registries, whatever the limit.
_PAIR = 2


class Share(Struct, frozen=True):
    """The part of the limits that one unit has while it is under way."""

    slots: Mapping[str, int]
    """How many requests it may have in flight, for each registry host that it needs."""
    part: Fraction
    """Its fraction of every rate."""

    def of(self, options: Options) -> Options:
        """Return the options of the unit: those of the run, with its share of every limit."""
        rate = options.limit_rate
        registries = {}
        for host, slots in self.slots.items():
            own = options.at(host)
            often = own.requests_per_second
            registries[host] = replace(
                own,
                max_per_registry=slots,
                requests_per_second=often * float(self.part) if often is not None else None,
            )
        return replace(
            options,
            limit_rate=max(1, int(rate * self.part)) if rate is not None else None,
            registries=registries,
        )


class SharedLimits:
    """The limits of the whole run, and how much of each is free."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._free = _WHOLE
        self._used: Counter[str] = Counter()

    def take(self, hosts: frozenset[str], *, workers: int, units: int) -> Share | None:
        """Give a unit its share, if there is room for it now.

        ``workers`` is how many there are, ``units`` how many are left, those under way included.
        """
        among = max(1, min(workers, units))
        part = Fraction(1, among)
        slots = {host: self._slots(host, among) for host in sorted(hosts)}
        if part > self._free or not all(slots.values()) or not self._has_room(hosts):
            return None
        self._free -= part
        self._used.update(slots)
        return Share(slots, part)

    def give_back(self, share: Share) -> None:
        """Take back the share of a unit that is over."""
        self._free += share.part
        self._used -= Counter(share.slots)

    def _slots(self, host: str, among: int) -> int:
        """Return how many of a host's requests one of so many may have, rounded up; 0 for none."""
        limit = limit_at(host, self._options).most
        return min(-(-limit // among), limit - self._used[host])

    def _has_room(self, hosts: frozenset[str]) -> bool:
        most = self._options.max_registry
        if most is None or not self._used:
            return True
        return len({*self._used, *hosts}) <= max(_PAIR, most)
