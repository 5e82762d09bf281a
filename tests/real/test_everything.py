"""Everything that a registry may hold, between real registries, judged by others."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Run, command, serving, unmeasured
from tests.real.conftest import RealRegistry, running, skopeo
from tests.real.kinds import KINDS, NAME
from tests.real.pusher import OCI, Pusher, layer
from tests.real.walk import tags, walk

PLAIN = "--tls-verify=false"
# What docker-registry 2.8.2 takes from nobody.
NOT_THERE = {"withdrawn"}
_LENIENT = "validation: {manifests: {urls: {allow: ['.*']}}}"


@contextmanager
def registry(kind: str, folder: Path) -> Iterator[str]:
    """Run a registry of the kind while the block lasts; give where it listens."""
    folder.mkdir()
    if kind == "embedded":
        with serving() as (_, host):
            yield host
    else:
        with running(folder, _LENIENT) as real:
            yield real.host


@pytest.mark.parametrize("kind", ["embedded", "docker-registry"])
def test_one_of_each_kind_arrives_as_it_was(mirror: Run, tmp_path: Path, kind: str) -> None:
    with registry(kind, tmp_path / "here") as here, registry(kind, tmp_path / "there") as there:
        pusher = Pusher(here)
        held = [name for name in KINDS if kind == "embedded" or name not in NOT_THERE]
        for name in held:
            KINDS[name](pusher, name)

        ran = mirror(f"{here}/{NAME}={there}/{NAME}")
        checked = mirror("verify", "--deep", f"{here}/{NAME}={there}/{NAME}")

        assert ran.code == 0, ran.err
        assert checked.code == 0, checked.out + checked.err
        assert tags(there, NAME) == tags(here, NAME) == sorted([*held, "inner"])
        for name in held:
            assert walk(there, NAME, name) == walk(here, NAME, name), name
            raws = [
                skopeo("inspect", "--raw", PLAIN, f"docker://{host}/{NAME}:{name}")
                for host in (here, there)
            ]
            assert raws[0] == raws[1]


IMAGE_LAYERS = "/usr/share/zoneinfo/Europe"


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that run buildah over a storage of the module's own."""
    folder = tmp_path_factory.mktemp("buildah")
    return [
        "buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run"),
        "--storage-driver", "vfs",
    ]  # fmt: skip


def done(*words: str) -> str:
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_images_of_buildah_and_umoci_go_through_a_layout_and_come_back(
    mirror: Run, tmp_path: Path, origin: RealRegistry, replica: RealRegistry, buildah: list[str]
) -> None:
    container = done(*buildah, "from", "scratch")
    done(*buildah, "copy", container, "/etc/debian_version", "/etc/")
    done(*buildah, "copy", container, IMAGE_LAYERS, IMAGE_LAYERS)
    for form in ("oci", "docker"):
        done(*buildah, "commit", "--format", form, container, form)
        done(*buildah, "push", PLAIN, form, f"docker://{origin.host}/built:{form}")
    done(*buildah, "manifest", "create", "both")
    done(*buildah, "manifest", "add", "both", "oci")
    done(*buildah, "manifest", "push", PLAIN, "--all", "both", f"docker://{origin.host}/built:list")
    made = tmp_path / "made"
    done("umoci", "init", "--layout", str(made))
    done("umoci", "new", "--image", f"{made}:umoci")
    done("umoci", "insert", "--image", f"{made}:umoci", IMAGE_LAYERS, IMAGE_LAYERS)

    first = mirror(f"oci:{made}={origin.host}/built")
    out = mirror(f"{origin.host}/built=oci:{tmp_path}/out")
    again = mirror(f"{origin.host}/built=oci:{tmp_path}/out", "--output", "json")
    back = mirror(f"oci:{tmp_path}/out={replica.host}/built")

    assert (first.code, out.code, again.code, back.code) == (0, 0, 0, 0), out.err + back.err
    assert json.loads(again.out)["summary"]["unchanged"] == 4
    assert tags(replica.host, "built") == ["docker", "list", "oci", "umoci"]
    for tag in tags(replica.host, "built"):
        assert walk(replica.host, "built", tag) == walk(origin.host, "built", tag)
        if tag == "docker":
            continue  # skopeo makes another of it, and finds none of that type in a layout
        done("skopeo", "copy", "--all", PLAIN, f"docker://{replica.host}/built:{tag}",
             f"oci:{tmp_path}/judge:{tag}")  # fmt: skip
        there, here = (
            skopeo("inspect", "--raw", f"oci:{tmp_path}/{place}:{tag}")
            for place in ("judge", "out")
        )
        assert there == here
    unpacked = tmp_path / "unpacked"
    done("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/out:umoci", str(unpacked))
    assert (unpacked / f"rootfs{IMAGE_LAYERS}/Berlin").is_file()


def packed(name: str) -> bytes:
    """A layer that skopeo takes as it is."""
    return gzip.compress(layer(name, 3000), mtime=0)


def test_a_layout_of_skopeo_is_a_source(
    mirror: Run, tmp_path: Path, origin: RealRegistry, replica: RealRegistry
) -> None:
    pusher = Pusher(origin.host)
    children = [
        pusher.image("app", [pusher.blob("app", packed(name), f"{OCI}.layer.v1.tar+gzip")], name)
        for name in ("amd64", "arm64")
    ]
    index = pusher.index("app", "1", children)
    skopeo("copy", "--all", f"--src-{PLAIN[2:]}", f"docker://{origin.host}/app:1",
           f"oci:{tmp_path}/by-skopeo:1")  # fmt: skip

    ran = mirror(f"oci:{tmp_path}/by-skopeo:1={replica.host}/app")

    assert ran.out == f"{index['digest']} {replica.host}/app:1\n"
    assert walk(replica.host, "app", "1") == walk(origin.host, "app", "1")


def test_an_export_that_is_killed_leaves_a_valid_layout(
    mirror: Run, tmp_path: Path, origin: RealRegistry
) -> None:
    pusher = Pusher(origin.host)
    for number in range(6):
        blob = pusher.blob("big", layer(f"big {number}", 3_000_000), f"{OCI}.layer.v1.tar")
        pusher.index("big", str(number), [pusher.image("big", [blob], "amd64")])
    words = [f"{origin.host}/big=oci:{tmp_path}/out", "--limit-rate", "8MB/s"]
    process = subprocess.Popen(
        command(*words), env=unmeasured(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()  # one image is there
    process.kill()
    process.wait()
    process.stdout.close()

    names = json.loads((tmp_path / "out/index.json").read_text())["manifests"]
    assert names
    for entry in names:
        tag = entry["annotations"]["org.opencontainers.image.ref.name"]
        skopeo("copy", "--all", f"oci:{tmp_path}/out:{tag}", f"dir:{tmp_path}/judge")
    assert mirror(*words[:1]).code == 0
    assert mirror("verify", "--deep", *words[:1]).code == 0


def test_what_oc_would_write_is_a_source(
    mirror: Run, tmp_path: Path, origin: RealRegistry, replica: RealRegistry
) -> None:
    pusher = Pusher(origin.host)
    pusher.index("oc", "1", [pusher.image("oc", [], "amd64")])
    folder = ["--dir", str(tmp_path / "dir")]

    out = mirror(f"{origin.host}/oc=file://team/oc", *folder)
    shutil.move(tmp_path / "dir", tmp_path / "carried")
    back = mirror(f"file://team/*={replica.host}/*", "--dir", str(tmp_path / "carried"))

    assert (out.code, back.code) == (0, 0), out.err + back.err
    assert walk(replica.host, "oc", "1") == walk(origin.host, "oc", "1")
