"""A catalog of 50 repositories x 4 tags x 2 platforms between two real registries."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.real.conftest import RealRegistry, skopeo
from tests.real.pusher import OCI, Pusher, layer

REPOSITORIES, TAGS, PLATFORMS = 50, 4, ("amd64", "arm64")
LAYER = f"{OCI}.layer.v1.tar"


@pytest.fixture(scope="module")
def names(origin: RealRegistry) -> list[str]:
    """Fill the origin: a base layer per platform shared by all, one layer per tag."""
    pusher = Pusher(origin.host)
    found = [f"team{n % 5}/app{n}" for n in range(REPOSITORIES)]
    bases = {arch: layer(f"base-{arch}", 30_000) for arch in PLATFORMS}
    for name in found:
        for tag in range(TAGS):
            children = []
            for arch, base in bases.items():
                layers = [pusher.blob(name, base, LAYER)]
                layers.append(pusher.blob(name, layer(f"{name}-{tag}-{arch}", 3000), LAYER))
                children.append(pusher.image(name, layers, arch))
            pusher.index(name, f"v{tag}", children)
    origin.requests()
    return found


@pytest.fixture
def mappings(names: list[str], origin: RealRegistry, replica: RealRegistry, tmp_path: Path) -> Path:
    file = tmp_path / "mappings.txt"
    file.write_text(
        "".join(
            f"{origin.host}/{name}:v{tag}={replica.host}/mirror/{name}\n"
            for name in names
            for tag in range(TAGS)
        )
    )
    return file


def test_the_whole_catalog_arrives_at_the_least_cost_and_then_rests(
    mirror: Run, mappings: Path, names: list[str], origin: RealRegistry, replica: RealRegistry
) -> None:
    tags = REPOSITORIES * TAGS
    images = tags * len(PLATFORMS)
    # For each image a config and a layer of its own, and once per platform the base.
    copied, mounted = images * 2 + len(PLATFORMS), (REPOSITORIES - 1) * len(PLATFORMS)
    report = mappings.with_name("run.json")

    ran = mirror("--file", str(mappings), "--report", str(report))
    document = json.loads(report.read_text())

    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) == tags
    assert origin.requests() == {
        "HEAD manifests": tags, "GET manifests": tags + images, "GET blobs": copied,
    }  # fmt: skip
    assert replica.requests() == {
        "HEAD manifests": tags, "POST uploads": copied + mounted, "PUT uploads": copied,
        "PUT manifests": tags + images,
    }  # fmt: skip
    summary = document["summary"]
    assert (summary["copied"], summary["blobs_copied"], summary["blobs_mounted"]) == (
        tags, copied, mounted,
    )  # fmt: skip
    for name in names[::10]:
        here = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{origin.host}/{name}:v1")
        there = skopeo(
            "inspect", "--raw", "--tls-verify=false", f"docker://{replica.host}/mirror/{name}:v1"
        )
        assert here == there
    assert _content(replica.root) == _content(origin.root)

    replica.requests()
    origin.requests()
    again = mirror("--file", str(mappings), "-o", "json")
    assert json.loads(again.out)["summary"]["unchanged"] == tags
    assert origin.requests() == {"HEAD manifests": tags}
    assert replica.requests() == {"HEAD manifests": tags}


def test_the_same_by_wildcards(
    mirror: Run, names: list[str], origin: RealRegistry, replica: RealRegistry
) -> None:
    ran = mirror(f"{origin.host}/team3/*:v[1]={replica.host}/x/*")
    assert ran.code == 2, "brackets are not part of a pattern"

    ran = mirror(f"{origin.host}/team3/*:v*={replica.host}/x/*")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 10 * TAGS
    listed = json.loads(
        skopeo("list-tags", "--tls-verify=false", f"docker://{replica.host}/x/app3")
    )
    assert sorted(listed["Tags"]) == ["v0", "v1", "v2", "v3"]


def test_a_stranger_can_pull_what_arrived(
    mirror: Run, names: list[str], origin: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    assert mirror(f"{origin.host}/{names[0]}:v0={replica.host}/y").code == 0

    skopeo(
        "copy", "--all", "--preserve-digests", "--src-tls-verify=false", f"docker://{replica.host}/y:v0",
        f"oci:{tmp_path}/layout:v0",
    )  # fmt: skip
    index = json.loads((tmp_path / "layout/index.json").read_text())
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{origin.host}/{names[0]}:v0")
    blob = index["manifests"][0]["digest"].partition(":")[2]
    assert (tmp_path / "layout/blobs/sha256" / blob).read_text() == raw


def _content(root: Path) -> set[str]:
    """Every blob and manifest that a registry keeps, by its digest."""
    return {path.parent.name for path in root.glob("docker/registry/v2/blobs/*/*/*/data")}
