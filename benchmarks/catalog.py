"""50 repositories x 4 tags x 2 platforms between two docker-registry processes, beside skopeo."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tests.real.conftest import RealRegistry, running
from tests.real.pusher import OCI, Pusher, layer

_ROUNDS = 3
_REPOSITORIES, _TAGS, _PLATFORMS = 50, 4, ("amd64", "arm64")


def line() -> str:
    """Measure, and say it in a line."""
    if shutil.which("docker-registry") is None or shutil.which("skopeo") is None:
        return "catalog: docker-registry and skopeo are needed on PATH"
    times: dict[str, list[float]] = {"mirror": [], "skopeo": [], "unchanged": []}
    requests = 0
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        Path(folder, "origin").mkdir()
        with running(Path(folder, "origin")) as origin:
            names = fill(origin)
            for number in range(_ROUNDS):
                with fresh(folder, f"m{number}") as target:
                    words = Path(folder, "mappings.txt")
                    words.write_text(mappings(names, origin, target))
                    target.requests()
                    times["mirror"].append(_timed(partial(_mirror, words)))
                    requests = target.requests().total()
                    times["unchanged"].append(_timed(partial(_mirror, words)))
                with fresh(folder, f"s{number}") as target:
                    times["skopeo"].append(
                        _timed(partial(_skopeo, names, origin, target, workers=4))
                    )
    mirror, skopeo, unchanged = (statistics.median(times[k]) for k in times)
    return (
        f"catalog, {_REPOSITORIES} repositories x {_TAGS} tags x {len(_PLATFORMS)} platforms: "
        f"mirror {mirror:.2f} s with {requests} destination requests, skopeo (4 at once) "
        f"{skopeo:.2f} s, ratio {mirror / skopeo:.2f}; unchanged {unchanged:.2f} s "
        f"(medians of {_ROUNDS})"
    )


def in_memory() -> str | None:
    """Keep registries on a memory file system where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - not a fixed name


def fresh(folder: str, name: str) -> AbstractContextManager[RealRegistry]:
    """Run a registry with nothing in it while the block lasts."""
    Path(folder, name).mkdir()
    return running(Path(folder, name))


def fill(origin: RealRegistry) -> list[str]:
    pusher = Pusher(origin.host)
    names = [f"team{n % 5}/app{n}" for n in range(_REPOSITORIES)]
    bases = {arch: layer(f"base-{arch}", 400_000) for arch in _PLATFORMS}
    for name in names:
        for tag in range(_TAGS):
            children = []
            for arch, base in bases.items():
                blobs = (base, layer(f"{name}-{arch}", 60_000), layer(f"{name}-{tag}-{arch}", 9000))
                layers = [pusher.blob(name, blob, f"{OCI}.layer.v1.tar") for blob in blobs]
                children.append(pusher.image(name, layers, arch))
            pusher.index(name, f"v{tag}", children)
    return names


def mappings(names: list[str], origin: RealRegistry, target: RealRegistry) -> str:
    lines = (
        f"{origin.host}/{name}:v{tag}={target.host}/{name}\n"
        for name in names
        for tag in range(_TAGS)
    )
    return "".join(lines)


def _mirror(mappings: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "mirror", "-q", "--file", str(mappings)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _skopeo(names: list[str], origin: RealRegistry, target: RealRegistry, *, workers: int) -> None:
    pairs = "".join(
        f"docker://{origin.host}/{name}:v{tag} docker://{target.host}/{name}:v{tag}\n"
        for name in names
        for tag in range(_TAGS)
    )
    subprocess.run(
        ["xargs", "-P", str(workers), "-L", "1", "skopeo", "copy", "--all", "--quiet",
         "--src-tls-verify=false", "--dest-tls-verify=false"],
        input=pairs.encode(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
