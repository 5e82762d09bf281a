"""One catalog, by one process and by several: the same at the destination, and the same told."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.cli.conftest import Run, command, unmeasured
from tests.real.cluster import cluster
from tests.real.conftest import RealRegistry, running
from tests.real.pusher import OCI, Pusher, layer

PASSWORD = "write-secret"
LOGIN = ("--dest-creds", f"writer:{PASSWORD}")
LAYER = f"{OCI}.layer.v1.tar"
REPOSITORIES = 18
TAGS = ("1.0", "1.1")


@pytest.fixture(scope="module")
def catalog(origin: RealRegistry) -> RealRegistry:
    """Repositories with a layer of their own and one that all have, two tags each."""
    pusher = Pusher(origin.host)
    for number in range(REPOSITORIES):
        name = f"team/app-{number:02}"
        shared = pusher.blob(name, layer("base", 60_000), LAYER)
        for tag in TAGS:
            own = pusher.blob(name, layer(f"{name}{tag}", 5_000), LAYER)
            child = pusher.image(name, [shared, own], "amd64")
            pusher.index(name, tag, [child])
    return origin


@contextmanager
def replicas(folder: Path, *names: str) -> Iterator[list[RealRegistry]]:
    """Empty destinations that want a password."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    (folder / "htpasswd").write_text(f"writer:{hashed}\n")
    more = f"auth:\n  htpasswd: {{realm: lock, path: {folder}/htpasswd}}"
    with ExitStack() as stack:
        started = []
        for name in names:
            (folder / name).mkdir()
            started.append(stack.enter_context(running(folder / name, more)))
        yield started


def content(registry: RealRegistry) -> dict[str, str]:
    """What each tag names, as the registry's storage says."""
    root = registry.root / "docker/registry/v2/repositories"
    return {
        str(link.relative_to(root)): link.read_text()
        for link in root.glob("**/_manifests/tags/*/current/link")
    }


def images(report: dict[str, Any], registry: RealRegistry) -> set[tuple[str, ...]]:
    """What a report says of each image; where it went to is the same for all."""
    return {
        (one["source"], one["destination"].replace(registry.host, "HERE"), one["origin"],
         one["digest"], one["status"], str(one["error"]))
        for one in report["images"]
    }  # fmt: skip


def test_three_shares_are_the_whole(catalog: RealRegistry, tmp_path: Path, mirror: Run) -> None:
    with replicas(tmp_path, "one", "three") as (one, three):
        whole = tmp_path / "whole.json"
        assert (
            mirror(f"{catalog.host}/team/*={one.host}/m/*", *LOGIN, "--report", str(whole)).code
            == 0
        )
        words = [f"{catalog.host}/team/*={three.host}/m/*", *LOGIN]
        shares = [tmp_path / f"share-{index}.json" for index in (1, 2, 3)]
        planned = mirror(*words, "--dry-run", "--shard", "2/3").out.splitlines()[-1]
        at_once = [
            subprocess.Popen(
                command(*words, "--shard", f"{index}/3", "--report", str(path)),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=unmeasured(),
            )
            for index, path in enumerate(shares, start=1)
        ]  # fmt: skip
        assert [process.wait(timeout=60) for process in at_once] == [0, 0, 0]
        for process in at_once:
            process.communicate()

        assert content(one) == content(three)
        assert len(content(one)) == REPOSITORIES * len(TAGS)
        merged = mirror("report", *map(str, shares), "--output", "json")
        report, single = json.loads(merged.out), json.loads(whole.read_text())

    partly = mirror("report", str(shares[0]), str(shares[2]))
    assert partly.code == 1
    assert partly.out.startswith("There is no report of share 2/3.")
    assert images(report, three) == images(single, one)
    assert {key: report["summary"][key] for key in ("images", "copied", "failed")} == {
        "images": REPOSITORIES * 2, "copied": REPOSITORIES * 2, "failed": 0,
    }  # fmt: skip
    told = [share["repositories"] for share in report["shards"]]
    assert planned == f"share 2 of 3: {told[1]} of {REPOSITORIES} repositories"
    assert sum(told) == REPOSITORIES


def test_a_cluster_is_the_whole_though_a_worker_is_killed_half_way(
    catalog: RealRegistry, tmp_path: Path, mirror: Run
) -> None:
    whole, spread = tmp_path / "whole.json", tmp_path / "spread.json"
    with replicas(tmp_path, "one", "many") as (one, many), cluster(tmp_path, workers=2) as dask:
        ran = mirror(f"{catalog.host}/team/*={one.host}/m/*", *LOGIN, "--report", str(whole))
        assert ran.code == 0, ran.err
        words = [
            f"{catalog.host}/team/*={many.host}/m/*", *LOGIN, "--engine", "dask",
            "--scheduler", dask.address, "--report", str(spread), "--progress", "plain",
        ]  # fmt: skip
        with (tmp_path / "said").open("w") as errors:
            process = subprocess.Popen(
                command(*words), stdout=subprocess.PIPE, stderr=errors, text=True,
                env=unmeasured(**dask.environment),
            )  # fmt: skip
        assert process.stdout is not None, "it is a pipe"
        for _ in range(REPOSITORIES // 2):
            assert process.stdout.readline().startswith("sha256:")
        dask.kill(dask.workers[0])
        rest = process.stdout.read()

        said = (tmp_path / "said").read_text()
        assert process.wait(timeout=60) == 0, said
        assert content(one) == content(many)
        report, single = json.loads(spread.read_text()), json.loads(whole.read_text())
    told, expected = images(report, many), images(single, one)
    assert {one[:4] for one in told} == {one[:4] for one in expected}
    # What the lost worker brought in its last moments, and had not told of, is found there.
    statuses = Counter(one[4] for one in told)
    assert statuses.keys() <= {"copied", "unchanged"}
    assert statuses["copied"] == len(rest.splitlines()) + REPOSITORIES // 2
    assert report["summary"]["images"] == REPOSITORIES * len(TAGS)
    assert PASSWORD not in said + rest + spread.read_text()
