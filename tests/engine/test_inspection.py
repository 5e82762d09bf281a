"""Looking at an image of a registry that does not tell everything."""

import pytest

from mirror.demo.fault import Fault
from mirror.demo.images import catalog
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.inspection import inspect
from mirror.image.reference import Reference
from mirror.options import Options


@pytest.mark.parametrize(
    ("path", "status", "untold"),
    [("/tags/list", 403, "tags"), ("/referrers/", 401, "referrers"),
     ("/referrers/", 500, "referrers")],
)  # fmt: skip
async def test_what_is_not_told_is_not_taken_for_nothing(
    source: EmbeddedRegistry, path: str, status: int, untold: str
) -> None:
    catalog(source.store, 1000)
    source.faults.append(Fault("GET", path, status, times=9))

    found = await inspect(Reference.parse(f"{source.host}/shop/cart:1.0"), Options(retries=0))

    assert list(found.untold) == [untold]
    assert str(status) in str(found.untold[untold])
    assert len(found.parts) == 2


async def test_a_registry_without_referrers_has_told_that(source: EmbeddedRegistry) -> None:
    catalog(source.store, 1000)
    source.faults.append(Fault("GET", "/referrers/", 404, times=9))

    found = await inspect(Reference.parse(f"{source.host}/shop/cart:1.0"), Options(retries=0))

    assert (found.referrers, found.untold) == ((), {})
    assert "1.0" in found.tags
