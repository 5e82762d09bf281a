"""A catalog through bad weather: everything arrives, and little is moved twice."""

import pytest

from mirror.demo.server import EmbeddedRegistry
from mirror.events import Status
from mirror.options import Timeouts
from tests.conftest import Copy
from tests.engine.test_copying import asked, same, simple
from tests.weather import storm


@pytest.mark.parametrize("seed", range(20))
async def test_everything_arrives_through_a_storm(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, seed: int
) -> None:
    for number in range(12):
        simple(source, f"team/app{number}", "1", "base", f"own{number}")
    source.faults = storm(seed, 6000, stall=0.004)
    target.faults = storm(seed + 1000, 6000, stall=0.004)

    result = await mirrored("S/*=T/*", retries=8, timeouts=Timeouts(stall=0.3, commit=0.3))
    requests = sum((asked(source) + asked(target)).values())

    assert [str(i.error) for i in result.failures] == []
    assert result.statuses == {Status.COPIED: 12}
    assert all(same(source, target, f"team/app{number}", "1") for number in range(12))
    # Each image alone: 2 HEADs, GET and PUT of its manifest, its config and its own layer
    # with GET, POST and PUT, one mount; and once the base, the catalog and the tags.
    least = 12 * (2 + 2 + 2 * 3 + 1 + 1) + 3
    assert requests <= 1.7 * least
