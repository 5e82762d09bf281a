"""Real registries on a memory file system, what is put into them, and what they were asked."""

import json
import os
import re
import shutil
import ssl
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme

from benchmarks.measure import measured
from benchmarks.peers import Job, Peer
from benchmarks.results import Row
from benchmarks.way import Distance, away
from tests.real.conftest import RealRegistry, running, skopeo
from tests.real.pusher import OCI, Descriptor, Pusher, layer

NEEDED = ("docker-registry", "skopeo")

_ASKED = re.compile(r'"([A-Z]+) (/v2/\S*) HTTP/1\.[01]" ([0-9]{3}) ([0-9]+)')
_NOUNS = ("manifests", "uploads", "blobs", "tags", "_catalog")
NEAR = Distance()


@contextmanager
def workplace() -> Iterator[Path]:
    """Give a folder while the block lasts: below TMPDIR, which `make bench` sets to memory."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def fresh(folder: Path, name: str, *, tls: bool = False) -> Iterator[RealRegistry]:
    """Run a registry with nothing in it while the block lasts; nothing of it stays."""
    place = folder / name
    place.mkdir()
    try:
        if not tls:
            with running(place) as registry:
                yield registry
            return
        authority = trustme.CA()
        key = place / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(key)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        more = f"  tls: {{certificate: {key}, key: {key}}}"
        with running(place, more, context) as registry:
            yield registry
    finally:
        shutil.rmtree(place)


def traffic(registry: RealRegistry) -> tuple[Counter[str], int]:
    """Return what it was asked since the last call, by kind, and how many bytes it sent."""
    kinds: Counter[str] = Counter()
    sent = 0
    for method, path, _, count in _ASKED.findall(registry.log.read_text()):
        noun = next((noun for noun in _NOUNS if noun in path.partition("?")[0]), "ping")
        kinds[f"{method} {noun}"] += 1
        sent += int(count)
    os.truncate(registry.log, 0)
    return kinds, sent


def stored(registry: RealRegistry) -> int:
    """Return the bytes of all blobs and manifests that it has."""
    return sum(file.stat().st_size for file in registry.root.rglob("blobs/*/*/*/data"))


def compare(
    tools: list[Peer],
    rounds: int,
    images: list[str],
    origin: RealRegistry,
    folder: Path,
    *,
    distance: Distance = NEAR,
    target: RealRegistry | None = None,
    **limits: int,
) -> list[Row]:
    """Let tools copy images into an empty registry, in turns; into ``target`` if that is given."""
    rows = [Row(tool.name) for tool in tools]
    tls = origin.context is not None
    for number in range(rounds):
        for place, (tool, row) in enumerate(zip(tools, rows, strict=True)):
            with ExitStack() as stack:
                there = target or stack.enter_context(
                    fresh(folder, f"target{place}-{number}", tls=tls)
                )
                ports = [origin.port, there.port]
                if distance != NEAR:
                    ports = [stack.enter_context(away(port, distance)) for port in ports]
                pairs = [(f"127.0.0.1:{ports[0]}/{name}", f"127.0.0.1:{ports[1]}/{name}")
                         for name in images]  # fmt: skip
                traffic(origin)
                traffic(there)
                row.costs.append(measured(tool.command(Job(pairs, folder, tls=tls, **limits))))
                row.requests["source"], row.sent["source"] = traffic(origin)
                row.requests["destination"], _ = traffic(there)
                row.stored = stored(there)
    return rows


def fill(
    origin: RealRegistry,
    *,
    repositories: int = 50,
    tags: int = 4,
    platforms: tuple[str, ...] = ("amd64", "arm64"),
) -> list[str]:
    """Put a catalog into a registry, whose images share layers; return ``path:tag`` of each."""
    pusher = Pusher(origin.host)
    bases = {arch: layer(f"base-{arch}", 400_000) for arch in platforms}
    for name in (names := [f"team{n % 5}/app{n}" for n in range(repositories)]):
        for tag in range(tags):
            children = []
            for arch, base in bases.items():
                blobs = (base, layer(f"{name}-{arch}", 60_000), layer(f"{name}-{tag}-{arch}", 9000))
                layers = [pusher.blob(name, blob, f"{OCI}.layer.v1.tar") for blob in blobs]
                children.append(pusher.image(name, layers, arch))
            pusher.index(name, f"v{tag}", children)
    return [f"{name}:v{tag}" for name in names for tag in range(tags)]


def layers_of(origin: RealRegistry, image: str) -> list[str]:
    """Return the digests of the layers of an image of one platform."""
    said = skopeo("inspect", "--tls-verify=false", f"docker://{origin.host}/{image}")
    layers: list[str] = json.loads(said)["Layers"]
    return layers


def put_image(origin: RealRegistry, name: str, sizes: list[int], platforms: int = 1) -> str:
    """Put an image with layers of these sizes into a registry; return its ``path:tag``."""
    pusher = Pusher(origin.host, origin.context)
    block = layer("block", 1 << 20)
    children: list[Descriptor] = []
    for number, arch in enumerate(["amd64", "arm64"][:platforms]):
        blobs = (
            bytes([number, n]) + (block * (size // len(block) + 1))[: size - 2]
            for n, size in enumerate(sizes)
        )
        layers = [pusher.blob(name, blob, f"{OCI}.layer.v1.tar") for blob in blobs]
        children.append(pusher.image(name, layers, arch))
    pusher.index(name, "1", children)
    return f"{name}:1"
