"""A catalog through bad weather: everything arrives, and little is moved twice."""

from dataclasses import dataclass
from random import Random

import pytest

from mirror.demo.fault import Fault
from mirror.demo.server import EmbeddedRegistry
from mirror.events import Status
from mirror.options import Timeouts
from tests.conftest import Copy
from tests.engine.test_copying import asked, same, simple


@dataclass(slots=True)
class Weather(Fault):
    """A fault that strikes now and then, by chance: the same chances for the same seed."""

    share: float = 0.0
    chance: Random | None = None

    def strikes(self, method: str, path: str) -> bool:
        """See `Fault`."""
        assert self.chance is not None
        return self.chance.random() < self.share


def storm(seed: int) -> list[Fault]:
    chance = Random(seed)
    now = {"Retry-After": "0"}
    cuts = [Weather(reset=chance.randrange(6000), share=0.01, chance=chance) for _ in range(3)]
    sent = [Weather(breaks=chance.randrange(6000), share=0.01, chance=chance) for _ in range(2)]
    return [
        Weather(status=503, headers=now, share=0.10, chance=chance),
        Weather(status=429, headers=now, share=0.05, chance=chance),
        Weather(stall=100, share=0.004, chance=chance),
        Weather(deaf=True, share=0.02, chance=chance),
        *cuts,
        *sent,
    ]


@pytest.mark.parametrize("seed", range(20))
async def test_everything_arrives_through_a_storm(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, seed: int
) -> None:
    for number in range(12):
        simple(source, f"team/app{number}", "1", "base", f"own{number}")
    source.faults, target.faults = storm(seed), storm(seed + 1000)

    result = await mirrored("S/*=T/*", retries=8, timeouts=Timeouts(stall=0.3, commit=0.3))
    requests = sum((asked(source) + asked(target)).values())

    assert [str(i.error) for i in result.failures] == []
    assert result.statuses == {Status.COPIED: 12}
    assert all(same(source, target, f"team/app{number}", "1") for number in range(12))
    # Each image alone: 2 HEADs, GET and PUT of its manifest, its config and its own layer
    # with GET, POST and PUT, one mount; and once the base, the catalog and the tags.
    least = 12 * (2 + 2 + 2 * 3 + 1 + 1) + 3
    assert requests <= 1.7 * least
