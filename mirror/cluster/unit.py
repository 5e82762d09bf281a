"""Units: the work cut into parts that machines take one after the other.

    rules -by destination repository-> places -by source, in the order of names-> units

No two units write to one repository.  Repositories with the same source stay together, and so
do neighbours as far as there is room: what has the same layers mostly has the same namespace.
"""

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from mirror.mapping.grammar import Rule

# Units for each worker: enough that the last ones end at about the same time, and that a lost
# one costs little; few enough that beginning them costs little.
_FOR_EACH = 6
# Tags of a unit, about: what less than these would take, beginning a unit takes.
_LEAST, _MOST = 20, 5000
# Tags of a mapping whose tags are not known yet.
_GUESS = 20

_Name = tuple[str, str]


class Unit(Struct, frozen=True):
    """Mappings that one machine carries out, all that lead to each of their destinations."""

    number: int
    rules: tuple[Rule, ...]

    @property
    def hosts(self) -> frozenset[str]:
        """The registry hosts that it needs."""
        sources = {rule.source.registry.host for rule in self.rules}
        return frozenset(sources | {rule.target.registry.host for rule in self.rules})


def cut(rules: Iterable[Rule], workers: int) -> list[Unit]:
    """Cut mappings without ``*`` in their paths into units, the largest first."""
    places: defaultdict[_Name, list[Rule]] = defaultdict(list)
    for rule in rules:
        assert not rule.source.many_repositories, "a survey has named the repositories"
        places[rule.target.registry.host, rule.target.path].append(rule)
    parts = _fill(sorted(places.values(), key=_source), workers)
    parts.sort(key=_weight, reverse=True)
    return [Unit(number, tuple(part)) for number, part in enumerate(parts)]


def _fill(places: list[list[Rule]], workers: int) -> list[list[Rule]]:
    total = sum(map(_weight, places))
    enough = min(max(total // (workers * _FOR_EACH), _LEAST), _MOST)
    parts: list[list[Rule]] = []
    weight, last = enough, None
    for place in places:
        # What has the same source goes in as well, unless that would be a very large unit.
        together = _source(place) == last and weight < 2 * enough
        if weight >= enough and not together:
            parts.append([])
            weight = 0
        parts[-1] += place
        weight += _weight(place)
        last = _source(place)
    return parts


def _source(place: list[Rule]) -> _Name:
    return place[0].source.registry.host, place[0].source.path


def _weight(rules: list[Rule]) -> int:
    return sum(_GUESS if rule.source.many_tags else 1 for rule in rules)
