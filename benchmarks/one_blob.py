"""One image of 1 GiB in four layers between two docker-registry processes, beside skopeo."""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.catalog import fresh, in_memory
from tests.real.pusher import OCI, Pusher, layer

_ROUNDS = 3
_LAYER = 256 * 1024 * 1024


def line() -> str:
    """Measure, and say it in a line."""
    if shutil.which("docker-registry") is None or shutil.which("skopeo") is None:
        return "one image: docker-registry and skopeo are needed on PATH"
    times: dict[str, list[float]] = {"mirror": [], "skopeo": []}
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder, fresh(folder, "o") as origin:
        pusher = Pusher(origin.host)
        block = layer("block", 1 << 20)
        blobs = (bytes([n]) + block * (_LAYER // len(block)) for n in range(4))
        layers = [pusher.blob("big", blob, f"{OCI}.layer.v1.tar") for blob in blobs]
        pusher.index("big", "1", [pusher.image("big", layers, "amd64")])
        for number in range(_ROUNDS):
            for name in times:
                with fresh(folder, f"{name}{number}") as target:
                    words = {
                        "mirror": [sys.executable, "-m", "mirror", "-q",
                                   f"{origin.host}/big:1={target.host}/big"],
                        "skopeo": ["skopeo", "copy", "--all", "--quiet", "--src-tls-verify=false",
                                   "--dest-tls-verify=false", f"docker://{origin.host}/big:1",
                                   f"docker://{target.host}/big:1"],
                    }[name]  # fmt: skip
                    began = time.perf_counter()
                    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
                    times[name].append(time.perf_counter() - began)
                shutil.rmtree(Path(folder, f"{name}{number}"))
    mirror, skopeo = (statistics.median(times[name]) for name in times)
    return (
        f"one image of 1 GiB: mirror {mirror:.2f} s, skopeo {skopeo:.2f} s, "
        f"ratio {mirror / skopeo:.2f} (medians of {_ROUNDS})"
    )
