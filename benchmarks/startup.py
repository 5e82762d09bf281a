"""`mirror --help` against an empty typer application, in a process each, alternating."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

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


def _seconds(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
