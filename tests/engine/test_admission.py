"""Pairs that wait for their turn: how many are open, and whose each destination is."""

import pytest

from mirror.engine.admission import Admission
from mirror.events import Event, ImageSettled, ImagesFound
from mirror.image.digest import Digest
from mirror.image.reference import Reference, Registry
from mirror.mapping.grammar import Rule, parse
from mirror.mapping.wildcard import Pair

X = f"@{Digest.of(b'x')}"
LANE = [f"s.io/a:{number}=d.io/a" for number in range(20)]


def rules(*lines: str) -> list[Rule]:
    """Read each line by itself: whether two go to one place is not for the grammar to say."""
    return [rule for line in lines for rule in parse([line])]


class Waiting(Admission):
    """An admission, and what it opened, told and refused."""

    def __init__(self, **in_flight: int) -> None:
        self.events, self.pairs, self.refused = list[Event](), list[Pair](), list[Reference]()
        around = self.events.append, self.pairs.append, self.refused.append
        self.limits = in_flight
        super().__init__(lambda registry: self.limits.get(registry.host[0], 1), *around)

    def sources(self) -> list[str]:
        return [str(pair.source) for pair in self.pairs]

    def settled(self) -> list[str]:
        return [f"{e.source} {e.status}" for e in self.events if isinstance(e, ImageSettled)]


@pytest.mark.parametrize(
    ("in_flight", "opened"),
    [({}, 4), ({"s": 3, "d": 3}, 12), ({"s": 1, "d": 2}, 8), ({"s": 2, "d": 1}, 8)],
)
def test_four_pairs_are_open_for_each_request_that_the_roomier_registry_takes(
    in_flight: dict[str, int], opened: int
) -> None:
    waiting = Waiting(**in_flight)
    waiting.add(rules(*LANE))
    assert (len(waiting.pairs), waiting.waiting) == (opened, 20 - opened)
    for pair in waiting.pairs[:2]:
        waiting.close(pair)
    waiting.add(rules("r.io/b:1=d.io/b"))

    lane = [f"s.io/a:{number}" for number in range(opened + 2)]
    assert waiting.sources() == [*lane, "r.io/b:1"], "between other registries nothing waits"
    assert waiting.events == [ImagesFound(20), ImagesFound(1)]


@pytest.mark.parametrize(
    ("lines", "opened", "failed"),
    [
        (["s.io/a:1=d.io/a", "s.io/a:1=d.io/a"], ["s.io/a:1"], []),
        (["s.io/a:1=d.io/a", "s.io/b:1=d.io/a"], ["s.io/a:1"], ["s.io/b:1 failed"]),
        ([f"s.io/a{X}=d.io/a", f"s.io/b{X}=d.io/a"], [f"s.io/a{X}", f"s.io/b{X}"], []),
        ([f"s.io/a{X}=d.io/a", f"s.io/a{X}=d.io/a"], [f"s.io/a{X}"], []),
    ],
)
def test_a_tag_is_for_its_first_source_and_a_digest_for_every_source(
    lines: list[str], opened: list[str], failed: list[str]
) -> None:
    waiting = Waiting()
    waiting.add(rules(*lines))

    assert (waiting.sources(), waiting.settled()) == (opened, failed)
    assert waiting.refused == [Reference.parse("d.io/a:1")] * len(failed)
    found = sum(event.count for event in waiting.events if isinstance(event, ImagesFound))
    assert found == len(opened) + len(failed)


def test_more_are_open_as_soon_as_more_may_be_in_flight() -> None:
    waiting = Waiting()
    waiting.add(rules(*LANE))
    waiting.limits["d"] = 3
    waiting.open_more({Registry("r.io")})
    assert len(waiting.pairs) == 4

    waiting.open_more({Registry("d.io")})
    assert len(waiting.pairs) == 12


def test_after_a_deferral_nothing_is_opened_and_each_that_waits_is_told_once() -> None:
    waiting = Waiting()
    waiting.add(rules(*LANE[:6]))
    waiting.defer()
    waiting.close(waiting.pairs[0])
    waiting.add(rules("s.io/b:1=d.io/b"))
    waiting.defer()

    assert len(waiting.pairs) == 4
    assert waiting.settled() == [f"s.io/{name} deferred" for name in ("a:4", "a:5", "b:1")]
