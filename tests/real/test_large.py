"""One image of 1 GiB: what it costs in memory, and that nothing is staged on disk."""

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import command, unmeasured
from tests.real.conftest import RealRegistry, skopeo
from tests.real.pusher import OCI, Pusher, layer

LAYERS, LAYER_SIZE = 4, 256 * 1024 * 1024
# Kibibytes of resident memory.
PEAK_LIMIT = 96 * 1024
# A small process in between, since a child's peak begins at that of its parent.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_maxrss, used.ru_oublock)
"""


def test_memory_stays_small_and_nothing_is_written(
    origin: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    pusher = Pusher(origin.host)
    block = layer("block", 1024 * 1024)
    layers = [
        pusher.blob("big", bytes([n]) + block * (LAYER_SIZE // len(block)), f"{OCI}.layer.v1.tar")
        for n in range(LAYERS)
    ]
    pusher.index("big", "1", [pusher.image("big", layers, "amd64")])
    folder = tmp_path / "work"
    folder.mkdir()

    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command(f"{origin.host}/big:1={replica.host}/big")],
        cwd=folder, env=unmeasured(TMPDIR=str(folder), PYTHONPATH=str(Path.cwd())),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    code, peak, written = map(int, done.stdout.splitlines()[-1].split())

    assert code == 0, done.stderr
    assert peak < PEAK_LIMIT
    assert written <= 64, "blocks of 512 bytes: no blob is among them"
    assert list(folder.iterdir()) == []
    assert skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{replica.host}/big:1")
