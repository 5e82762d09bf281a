"""Registries of each kind, as far as the embedded one can be made to behave like them.

One row for each kind in which some answer differs from the specification's plain
course; the faults are what its users report.  A copy of two images that share a
layer has to arrive all the same.
"""

from collections.abc import Callable

import pytest

from mirror.demo.fault import Fault
from mirror.demo.server import EmbeddedRegistry, TokenIssuer
from mirror.events import Landing, Status
from tests.conftest import Copy
from tests.engine.test_copying import same, simple


def challenged(registry: EmbeddedRegistry, header: str, method: str, path: str) -> None:
    registry.faults.append(Fault(method, path, 401, {"WWW-Authenticate": header}))


def ecr(registry: EmbeddedRegistry) -> None:
    """Mounts are switched off, and answered with a session."""
    registry.mounts = False


def artifactory(registry: EmbeddedRegistry) -> None:
    """A whole blob by PUT is refused; mounts are too."""
    registry.faults.append(Fault("POST", "mount=.*from=(?!b)", status=404, times=99))
    registry.faults.append(Fault("PUT", "uploads.*digest", status=405))


def nexus(registry: EmbeddedRegistry) -> None:
    """A mount gets an odd status, and a body without a length 411."""
    registry.faults.append(Fault("POST", "mount=", status=400, times=99))
    registry.needs_length = True


def harbor(registry: EmbeddedRegistry) -> None:
    """Whoever showed a token that is not taken is asked for a password, of which it has none."""
    registry.tokens = TokenIssuer(uses=99)
    challenged(registry, 'Basic realm="harbor"', method="PUT", path="/manifests/")


def gitlab(registry: EmbeddedRegistry) -> None:
    """Mounts from where the token does not reach are answered with 401."""
    registry.tokens = TokenIssuer(uses=99)
    registry.faults.append(Fault("POST", "mount=", status=401, times=99))


def openshift(registry: EmbeddedRegistry) -> None:
    """The challenge has no quotes, and mounts open a session."""
    realm = f"Bearer realm=http://{registry.host}/token,service=openshift"
    challenged(registry, realm, method="GET", path="^/v2/$")
    registry.tokens = TokenIssuer(uses=99)
    registry.mounts = False


def acr(registry: EmbeddedRegistry) -> None:
    """Bodies above a limit are refused; chunks are taken."""
    registry.body_limit = 300_000


def hub(registry: EmbeddedRegistry) -> None:
    """A mount from a repository that is not ours is a bad request."""
    registry.faults.append(Fault("POST", "mount=", status=400, times=99))


def quay(registry: EmbeddedRegistry) -> None:
    """The token service makes the repository; a blob there is not shown before."""
    registry.tokens = TokenIssuer(uses=99)
    registry.faults.append(Fault("HEAD", "/manifests/", status=401, times=4))
    registry.faults.append(Fault("GET", "/manifests/", status=401, times=4))


@pytest.mark.parametrize(
    ("kind", "mounts"),
    [(ecr, False), (artifactory, False), (nexus, False), (harbor, True), (gitlab, False),
     (openshift, False), (acr, True), (hub, False), (quay, True)],
)  # fmt: skip
async def test_a_registry_of_each_kind_gets_what_it_takes(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    kind: Callable[[EmbeddedRegistry], None],
    mounts: bool,
) -> None:
    simple(source, "a", "1", "shared", "x")
    simple(source, "b", "1", "shared", "y")
    kind(target)

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b", max_per_registry=1)

    assert result.statuses == {Status.COPIED: 2}, [str(i.error) for i in result.failures]
    assert same(source, target, "a", "1")
    assert same(source, target, "b", "1")
    assert (result.blobs[Landing.MOUNTED] > 0) is mounts
    assert target.store.sessions == {}


async def test_a_registry_that_never_mounts_is_soon_not_asked_to(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    for number in range(12):
        simple(source, f"a{number}", "1", "shared")
    target.mounts = False

    result = await mirrored(*(f"S/a{n}:1=T/a{n}" for n in range(12)), max_per_registry=1)
    asked = [r for r in target.log if "mount=" in r.path and "from=a0" in r.path]

    assert result.statuses == {Status.COPIED: 12}
    assert len(asked) < 12
