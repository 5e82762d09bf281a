"""`mirror --help` against an empty typer application, in a process each, alternating."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.registries import fresh, put_image, workplace
from benchmarks.results import Check, Finding

_ROUNDS = 15
_EMPTY = """
import typer
app = typer.Typer(rich_markup_mode=None)
@app.command()
def main() -> None: ...
app()
"""
_TARGET = 1.3
# What a copy cannot do without, and the seconds that it may take besides.
_LIBRARIES = "import aiohttp, uvloop"
_COPY_TARGET, _COPY_SECONDS = 1.25, 0.03


def findings(_: int) -> Iterator[Finding]:
    """Measure what the help costs."""
    times: dict[str, list[float]] = {"empty": [], "mirror": []}
    for _ in range(_ROUNDS):
        times["empty"].append(_seconds("-c", _EMPTY, "--help"))
        times["mirror"].append(_seconds("-m", "mirror", "--help"))
    empty, mirror = (statistics.median(times[name]) for name in ("empty", "mirror"))
    ratio = mirror / empty
    yield Finding(
        "startup", "mirror --help beside an empty typer application", [],
        [Check("wall / empty application", ratio, _TARGET)],
        [f"{mirror * 1000:.0f} ms, {empty * 1000:.0f} ms, medians of {_ROUNDS}"],
    )  # fmt: skip


def tiny(_: int) -> Iterator[Finding]:
    """Measure a copy of one small image beside what its libraries take to load."""
    libraries, copies = list[float](), list[float]()
    with workplace() as folder, fresh(folder, "origin") as origin, fresh(folder, "t") as target:
        image = put_image(origin, "tiny", [3000])
        for number in range(_ROUNDS):
            libraries.append(_seconds("-c", _LIBRARIES))
            pair = f"{origin.host}/{image}={target.host}/tiny{number}:1"
            copies.append(_seconds("-m", "mirror", pair, "-q"))
    loading, copy = statistics.median(libraries), statistics.median(copies)
    yield Finding(
        "tiny", "one image of 3 kB between two registries near by", [],
        [Check(f"wall - {_COPY_SECONDS} s / {_LIBRARIES}", (copy - _COPY_SECONDS) / loading,
               _COPY_TARGET)],
        [f"{copy * 1000:.0f} ms, {loading * 1000:.0f} ms to load, medians of {_ROUNDS}"],
    )  # fmt: skip


def _seconds(*words: str) -> float:
    # As a user has it: what was compiled once is kept.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=kept)
    return time.perf_counter() - began
