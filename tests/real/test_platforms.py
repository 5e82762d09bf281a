"""Some platforms of an image between real registries, judged by skopeo."""

import json

import pytest

from tests.cli.conftest import Run
from tests.real.conftest import RealRegistry, skopeo
from tests.real.pusher import OCI, Descriptor, Pusher, layer

PLAIN = "--tls-verify=false"


@pytest.fixture
def index(origin: RealRegistry) -> Descriptor:
    """An index of three platforms, with an attestation for one of them."""
    pusher = Pusher(origin.host)
    children = []
    for architecture in ("amd64", "arm64", "s390x"):
        blob = pusher.blob("app", layer(architecture, 3000), f"{OCI}.layer.v1.tar")
        children.append(pusher.image("app", [blob], architecture))
    statement = pusher.blob("app", b'{"predicateType":"x"}', "application/vnd.in-toto+json")
    attestation = {
        **pusher.image("app", [statement], "unknown"),
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": children[1]["digest"],
        },
    }
    return pusher.index("app", "1", [*children, attestation])


def raw(registry: RealRegistry, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        skopeo("inspect", "--raw", PLAIN, f"docker://{registry.host}/{name}")
    )
    return found


def listed(document: dict[str, object]) -> list[object]:
    entries = document["manifests"]
    assert isinstance(entries, list)
    return [entry["digest"] for entry in entries]


def test_two_platforms_are_an_index_of_two_and_the_next_night_changes_nothing(
    mirror: Run, index: Descriptor, origin: RealRegistry, replica: RealRegistry
) -> None:
    words = [f"{origin.host}/app:1={replica.host}/app", "--platform", "linux/amd64",
             "--platform", "linux/arm64", "--output", "json"]  # fmt: skip

    first = mirror(*words)
    replica.requests()
    second = mirror(*words)
    asked = replica.requests()

    whole, left = raw(origin, "app:1"), raw(replica, "app:1")
    amd, arm, _, attestation = listed(whole)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert listed(left) == [amd, arm, attestation]
    (image,) = json.loads(first.out)["images"]
    assert image["source_digest"] == index["digest"] != image["digest"]
    assert json.loads(second.out)["summary"]["unchanged"] == 1
    assert asked == {"HEAD manifests": 1}


def test_one_platform_is_that_image_itself(
    mirror: Run, index: Descriptor, origin: RealRegistry, replica: RealRegistry
) -> None:
    ran = mirror(f"{origin.host}/app:1={replica.host}/app", "--platform", "linux/s390x")

    child = listed(raw(origin, "app:1"))[2]
    assert ran.code == 0, ran.err
    assert ran.out == f"{child} {replica.host}/app:1\n"
    config = json.loads(
        skopeo("inspect", "--config", PLAIN, f"docker://{replica.host}/app@{child}")
    )
    assert config["architecture"] == "s390x"


def test_a_registry_that_wants_whole_indexes_refuses_a_sparse_one_at_once(
    mirror: Run, index: Descriptor, origin: RealRegistry, replica: RealRegistry
) -> None:
    ran = mirror(
        f"{origin.host}/app:1={replica.host}/app", "--filter-by-os", "amd64", "--keep-manifest-list"
    )

    assert ran.code == 1
    assert "leave out --keep-manifest-list" in ran.err
    assert replica.requests()["PUT manifests"] == 2


def test_no_platform_at_all_is_a_failure_that_names_those_there_are(
    mirror: Run, index: Descriptor, origin: RealRegistry, replica: RealRegistry
) -> None:
    ran = mirror(f"{origin.host}/app:1={replica.host}/app", "--platform", "windows/amd64")

    assert ran.code == 1
    assert "It has linux/amd64, linux/arm64, linux/s390x." in ran.err
    assert "PUT manifests" not in replica.requests()
