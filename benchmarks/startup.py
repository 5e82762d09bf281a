"""`mirror --help` against an empty typer application, in a process each, alternating."""

import statistics
import subprocess
import sys
import time

_ROUNDS = 15
_EMPTY = """
import typer
app = typer.Typer(rich_markup_mode=None)
@app.command()
def main() -> None: ...
app()
"""
_TARGET = 1.3


def line() -> str:
    """Measure, and say it in a line."""
    times: dict[str, list[float]] = {"empty": [], "mirror": []}
    for _ in range(_ROUNDS):
        times["empty"].append(_seconds("-c", _EMPTY, "--help"))
        times["mirror"].append(_seconds("-m", "mirror", "--help"))
    empty, mirror = (statistics.median(times[name]) for name in ("empty", "mirror"))
    ratio = mirror / empty
    verdict = "pass" if ratio <= _TARGET else "miss"
    return (
        f"mirror --help: {mirror * 1000:.0f} ms, an empty typer application {empty * 1000:.0f} ms, "
        f"ratio {ratio:.2f} (target {_TARGET}: {verdict})"
    )


def _seconds(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
