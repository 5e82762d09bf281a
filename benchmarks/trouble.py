"""Bad weather: what faults, cuts and a killed run cost in requests and bytes."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import anyio

from benchmarks.registries import fill, fresh, workplace
from benchmarks.results import Finding
from mirror.demo.images import CONFIG, Blob, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.run import copy
from mirror.events import Status, Traffic
from mirror.mapping.grammar import parse
from mirror.options import Options
from mirror.report.result import Result
from tests.real.conftest import RealRegistry
from tests.real.pusher import OCI, Pusher
from tests.real.pusher import layer as content
from tests.real.trouble import Trouble, Way
from tests.weather import storm

_IMAGES, _BASES = 200, 5
_MIB = 1024 * 1024
_CUTS = 10


def findings(_: int) -> Iterator[Finding]:
    """Measure faults, cuts and a killed run."""
    notes = [anyio.run(_storm), _cuts(), _killed()]
    yield Finding("trouble", "what faults, cuts and a kill cost", [], [], notes)


async def _storm() -> str:
    """200 images through 10 % 503, 5 % 429 and 5 % resets, over ways that count bytes."""
    calm, _ = await _through(0)
    stormy, result = await _through(1)
    # One request in five fails, so of 2,300 requests one in seven storms has one that fails six
    # times in a row: that is a failure of the default retries, and is told as what it is.
    return (
        f"storm over {_IMAGES} images: {result.statuses[Status.COPIED]} arrive, "
        f"{result.statuses[Status.FAILED]} fail; "
        f"bytes fetched {stormy['down'] / calm['down']:.2f} x those of calm weather, "
        f"requests {stormy['requests'] / calm['requests']:.2f} x"
    )


async def _through(seed: int) -> tuple[Counter[str], Result]:
    source, target = EmbeddedRegistry(), EmbeddedRegistry()
    for number in range(_IMAGES):
        layers = [layer(f"base{number % _BASES}", 400_000), layer(f"own{number}", 200_000)]
        put(source.store, f"app{number}", Blob(b"{}" + b" " * number, CONFIG), layers, "1")
    if seed:
        source.faults = storm(seed, 200_000)
        target.faults = storm(seed + 1, 200_000)
    result = Result(datetime.now(UTC))
    async with source.running() as here, target.running() as there:
        way = Way(int(here.rpartition(":")[2]), lambda *_: None)
        with way.running() as port:
            rules = parse([f"127.0.0.1:{port}/*={there}/*"])
            await copy(rules, Options(), result.take, Traffic())
    return Counter(down=way.moved["down"], requests=result.requests.total()), result


def _cuts() -> str:
    """Read a blob of 1 GiB over a way that is cut ten times."""
    size = 1024 * _MIB

    def plan(_: int, direction: str) -> Trouble | None:
        # Each connection ends after an eleventh of the blob, so that ten do not suffice.
        return Trouble(size // (_CUTS + 1), "reset") if direction == "down" else None

    with (
        workplace() as folder,
        fresh(folder, "origin") as origin,
        fresh(folder, "target") as target,
    ):
        pusher = Pusher(origin.host)
        block = content("block", _MIB)
        blob = pusher.blob("big", block * (size // len(block)), f"{OCI}.layer.v1.tar")
        pusher.index("big", "1", [pusher.image("big", [blob], "amd64")])
        way = Way(origin.port, plan)
        with way.running() as port:
            assert _mirror(f"127.0.0.1:{port}/big:1={target.host}/big").wait() == 0
    return f"1 GiB cut {_CUTS} times: bytes fetched {way.moved['down'] / size:.3f} x its size"


def _killed() -> str:
    """Kill a run in its middle and run again."""
    with (
        workplace() as folder,
        fresh(folder, "origin") as origin,
    ):
        images = fill(origin)
        words = folder / "mappings.txt"
        with fresh(folder, "whole") as target:
            words.write_text(_mappings(images, origin, target))
            _mirror("--file", str(words)).wait()
            whole = target.requests()
        with fresh(folder, "killed") as target:
            words.write_text(_mappings(images, origin, target))
            first = _mirror("--file", str(words))
            half = whole["PUT uploads"] // 2
            while first.poll() is None and target.log.read_text().count('"PUT /v2/') < half:
                time.sleep(0.01)
            first.send_signal(signal.SIGKILL)
            first.wait()
            before = target.requests()
            assert _mirror("--file", str(words)).wait() == 0
            after = target.requests()
    again = before["PUT uploads"] + after["PUT uploads"] - whole["PUT uploads"]
    return (
        f"killed half-way and run again: {before['PUT uploads']} blobs uploaded before, "
        f"{after['PUT uploads']} after, {again} of {whole['PUT uploads']} twice"
    )


def _mappings(images: list[str], origin: RealRegistry, target: RealRegistry) -> str:
    return "".join(f"{origin.host}/{name}={target.host}/{name}\n" for name in images)


def _mirror(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mirror", "-q", *words], stdout=subprocess.DEVNULL
    )
