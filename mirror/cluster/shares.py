"""Limits that hold for all workers together: each unit under way has a share of them.

However workers come and go, the shares under way never are more than the whole.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from mirror.options import Options

_WHOLE = Fraction(1)
# A copy needs two registries, whatever the limit.
_PAIR = 2


@dataclass(frozen=True, slots=True)
class Share:
    """A part of every limit, for one unit as long as it is under way."""

    part: Fraction
    hosts: frozenset[str]

    def of(self, options: Options) -> Options:
        """Return the options of a unit: every limit is its part of that of the run."""
        rate = options.limit_rate
        registries = {
            host: replace(
                own,
                max_per_registry=self._slots(options.limit_at(host)),
                requests_per_second=(
                    own.requests_per_second * float(self.part)
                    if own.requests_per_second is not None
                    else None
                ),
            )
            for host, own in options.registries.items()
        }
        return replace(
            options,
            max_per_registry=self._slots(options.max_per_registry),
            limit_rate=max(1, int(rate * self.part)) if rate is not None else None,
            registries=registries,
        )

    def _slots(self, limit: int) -> int:
        return max(1, int(limit * self.part))


class Shares:
    """What of the limits is free, and for whom."""

    def __init__(self, options: Options, hosts: Iterable[str]) -> None:
        """Divide what the options allow at these registry hosts."""
        # With more units at once than requests some unit could send none.
        self._most = min((options.limit_at(host) for host in hosts), default=1)
        self._registries = options.max_registry
        self._free = _WHOLE
        self._hosts: Counter[str] = Counter()

    def take(self, hosts: frozenset[str], *, workers: int, units: int) -> Share | None:
        """Give a unit its share, if there is room for it now.

        ``workers`` is how many there are, ``units`` how many are left, those under way included.
        """
        part = Fraction(1, max(1, min(self._most, workers, units)))
        if part > self._free or not self._has_room(hosts):
            return None
        self._free -= part
        self._hosts.update(hosts)
        return Share(part, hosts)

    def give_back(self, share: Share) -> None:
        """Take back the share of a unit that is over."""
        self._free += share.part
        self._hosts -= Counter(share.hosts)

    def _has_room(self, hosts: frozenset[str]) -> bool:
        if self._registries is None or not self._hosts:
            return True
        return len({*self._hosts, *hosts}) <= max(_PAIR, self._registries)
