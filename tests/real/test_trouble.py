"""Real registries in trouble: killed, throttled, cut off, and reached over a bad way."""

import json
from pathlib import Path

import pytest

from tests.real.conftest import RealRegistry, free_port, process, skopeo
from tests.real.pusher import OCI, Pusher, layer
from tests.real.test_fronts import nginx, run
from tests.real.trouble import Trouble, Way, by_chance, once

MIB = 1024 * 1024
IMAGES = 12
ALL = ["reset", "truncate", "stall", "corrupt"]


@pytest.fixture(scope="module")
def filled(origin: RealRegistry) -> RealRegistry:
    """Twelve images of one base, and a large one."""
    pusher = Pusher(origin.host)
    for number in range(IMAGES):
        name = f"team/app{number}"
        seeds = ("base", f"own{number}")
        layers = [pusher.blob(name, layer(seed, 300_000), f"{OCI}.layer.v1.tar") for seed in seeds]
        pusher.index(name, "1", [pusher.image(name, layers, "amd64")])
    block = layer("block", MIB)
    large = pusher.blob("large", block * 48, f"{OCI}.layer.v1.tar")
    pusher.index("large", "1", [pusher.image("large", [large], "amd64")])
    return origin


def same(here: RealRegistry, there: RealRegistry, name: str, folder: Path) -> bool:
    """Whether both have the same image, and skopeo reads the second to its last blob."""
    raw = [
        skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{one.host}/{name}:1")
        for one in (here, there)
    ]
    skopeo("copy", "--quiet", "--all", "--src-tls-verify=false",
           f"docker://{there.host}/{name}:1", f"dir:{folder}/{name.replace('/', '-')}")  # fmt: skip
    return raw[0] == raw[1]


@pytest.mark.parametrize("seed", range(3))
def test_a_catalog_arrives_over_a_bad_way(
    filled: RealRegistry, replica: RealRegistry, seed: int, tmp_path: Path
) -> None:
    away = Way(filled.port, by_chance(seed, 0.4, 700_000, ALL))
    back = Way(replica.port, by_chance(seed + 100, 0.4, 700_000, ALL[:3]))
    report = tmp_path / "run.json"
    with away.running() as source, back.running() as target:
        ran = run(
            f"127.0.0.1:{source}/team/*=127.0.0.1:{target}/team/*", "--stall-timeout", "1",
            "--commit-timeout", "2", "--retries", "9", "--report", str(report),
        )  # fmt: skip

    assert ran.code == 0, ran.err
    assert all(same(filled, replica, f"team/app{n}", tmp_path) for n in range(IMAGES))
    assert json.loads(report.read_text())["summary"]["copied"] == IMAGES


@pytest.mark.parametrize("way", ["whole", "chunks"])
def test_a_destination_that_is_killed_in_the_middle_of_uploads(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path, way: str
) -> None:
    # docker-registry gives up a session that was killed within a chunk, and goes on with
    # one that was killed between two: the answer to a chunk is where this one is hit.
    within, between = ("up", 20 * MIB), ("down", 1500)
    direction, byte = within if way == "whole" else between
    back = Way(replica.port, once(direction, Trouble(byte, replica.crash)))
    away = Way(filled.port, lambda *_: None)
    chunks = ["--chunk-size", "8MiB"] if way == "chunks" else []
    with away.running() as source, back.running() as target:
        ran = run(f"127.0.0.1:{source}/large:1=127.0.0.1:{target}/large", *chunks)

    assert ran.code == 0, ran.err
    assert same(filled, replica, "large", tmp_path)
    # What came before the crash was not lost where it was sent in chunks.
    needed = 48 * MIB
    assert away.moved["down"] < (1.5 if way == "chunks" else 2.1) * needed
    assert ("GET uploads" in replica.requests()) is (way == "chunks")


def test_a_source_that_is_killed_in_the_middle_of_downloads(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    away = Way(filled.port, once("down", Trouble(20 * MIB, filled.crash)))
    with away.running() as source:
        ran = run(f"127.0.0.1:{source}/large:1={replica.host}/large")

    assert ran.code == 0, ran.err
    assert same(filled, replica, "large", tmp_path)
    assert away.moved["down"] < 1.1 * 48 * MIB


def test_a_front_that_limits_requests(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    port = free_port()
    server = f"""limit_req_zone all zone=all:1m rate=60r/s;
    limit_req_status 429;
    server {{
      listen 127.0.0.1:{port};
      client_max_body_size 0;
      location / {{
        limit_req zone=all burst=20 nodelay;
        proxy_pass http://{replica.host}; proxy_set_header Host $http_host;
      }}
    }}"""
    with process(*nginx(tmp_path / "nginx", server), port=port):
        ran = run(f"{filled.host}/team/*=127.0.0.1:{port}/team/*", "--retries", "9",
                  "--report", str(tmp_path / "run.json"))  # fmt: skip

    assert ran.code == 0, ran.err
    images = json.loads((tmp_path / "run.json").read_text())["images"]
    assert {image["status"] for image in images} == {"copied"}
    assert max(image["attempts"] for image in images) > 1
    assert same(filled, replica, "team/app3", tmp_path)


def test_a_front_that_is_short_of_time(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    port = free_port()
    server = f"""server {{
      listen 127.0.0.1:{port};
      client_max_body_size 0;
      keepalive_requests 3; keepalive_timeout 1s; send_timeout 1s;
      client_header_timeout 1s; client_body_timeout 1s; proxy_read_timeout 1s;
      location / {{
        proxy_pass http://{replica.host}; proxy_set_header Host $http_host;
        proxy_request_buffering off;
      }}
    }}"""
    # The source stops in the middle of layers for longer than the front waits for more.
    away = Way(filled.port, by_chance(5, 0.5, 20 * MIB, ["stall"]))
    with process(*nginx(tmp_path / "nginx", server), port=port), away.running() as source:
        ran = run(
            f"127.0.0.1:{source}/team/*=127.0.0.1:{port}/team/*",
            f"127.0.0.1:{source}/large:1=127.0.0.1:{port}/large", "--stall-timeout", "2",
        )  # fmt: skip

    assert ran.code == 0, ran.err
    assert same(filled, replica, "large", tmp_path)
    assert same(filled, replica, "team/app7", tmp_path)
