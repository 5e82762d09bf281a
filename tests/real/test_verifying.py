"""A real registry that lost something: what verify says of it, and what a repair sends."""

import http.client
import json
from collections import Counter

import pytest

from tests.cli.conftest import Run
from tests.real.conftest import RealRegistry
from tests.real.pusher import OCI, Descriptor, Pusher, layer
from tests.real.walk import walk

ARCHITECTURES = ("amd64", "arm64", "s390x", "ppc64le")


@pytest.fixture(scope="module")
def index(origin: RealRegistry) -> list[Descriptor]:
    """An index of four images of one layer each; give the images, and the index last."""
    pusher = Pusher(origin.host)
    children = []
    for name in ARCHITECTURES:
        blob = pusher.blob("app", layer(name, 3000), f"{OCI}.layer.v1.tar")
        children.append(pusher.image("app", [blob], name))
    return [*children, pusher.index("app", "1", children)]


def delete(registry: RealRegistry, path: str) -> None:
    connection = http.client.HTTPConnection(registry.host, timeout=10)
    connection.request("DELETE", f"/v2/app/{path}")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 202, (path, answer.status)
    connection.close()


def blobs_of(registry: RealRegistry, child: Descriptor) -> list[str]:
    return sorted(walk(registry.host, "app", str(child["digest"])) - {str(child["digest"])})


def test_two_children_and_a_blob_are_named_and_brought_back(
    mirror: Run, index: list[Descriptor], origin: RealRegistry, replica: RealRegistry
) -> None:
    words = [f"{origin.host}/app:1={replica.host}/app"]
    mirror(*words)
    blob = blobs_of(origin, index[0])[0]
    for child in index[1:3]:
        delete(replica, f"manifests/{child['digest']}")
    delete(replica, f"blobs/{blob}")
    replica.requests()

    found = mirror("verify", *words)
    looked = replica.requests()
    mended = mirror("verify", "--repair", *words)
    sent = replica.requests()
    after = mirror("verify", "--deep", *words)

    name = f"{replica.host}/app:1"
    missing = [f"{name}: missing manifest {child['digest']}" for child in index[1:3]]
    assert found.code == 3
    assert sorted(found.out.splitlines()) == sorted([*missing, f"{name}: missing blob {blob}"])
    # The tag and five manifests; four configs and four layers.
    assert looked == {"HEAD manifests": 6, "HEAD blobs": 8}
    assert mended.code == 0, mended.err
    assert sent - looked == Counter({"POST uploads": 1, "PUT uploads": 1, "PUT manifests": 2})
    assert (after.code, after.out) == (0, "")
    assert walk(replica.host, "app", "1") == walk(origin.host, "app", "1")


def test_a_blob_that_rotted_on_the_disk_shows_when_it_is_read(
    mirror: Run, index: list[Descriptor], origin: RealRegistry, replica: RealRegistry
) -> None:
    words = [f"{origin.host}/app:1={replica.host}/app", "--output", "json"]
    mirror(*words)
    blob = blobs_of(origin, index[0])[0]
    path = replica.root / "docker/registry/v2/blobs/sha256" / blob[7:9] / blob[7:] / "data"
    path.write_bytes(bytes(len(path.read_bytes())))

    shallow = mirror("verify", *words)
    deep = mirror("verify", "--deep", *words)

    (image,) = json.loads(deep.out)["images"]
    (difference,) = image["differences"]
    assert (shallow.code, deep.code) == (0, 3)
    assert (difference["condition"], difference["name"]) == ("different", blob)
    assert difference["found"].startswith(f"expected {blob}, received sha256:")


@pytest.mark.parametrize("deep", [[], ["--deep"]])
def test_a_blob_of_another_length_is_different_however_it_is_looked_at(
    mirror: Run,
    index: list[Descriptor],
    origin: RealRegistry,
    replica: RealRegistry,
    deep: list[str],
) -> None:
    words = [f"{origin.host}/app:1={replica.host}/app"]
    mirror(*words)
    blob = blobs_of(origin, index[0])[0]
    path = replica.root / "docker/registry/v2/blobs/sha256" / blob[7:9] / blob[7:] / "data"
    path.write_bytes(path.read_bytes()[:50])

    found = mirror("verify", *deep, *words)
    mended = mirror("verify", "--repair", *deep, *words)

    assert found.code == 3, found.err
    assert found.out.startswith(f"{replica.host}/app:1: different blob {blob}: expected ")
    assert "1 different" in found.err
    assert mended.code == 1
    assert "still has something else" in mended.err
