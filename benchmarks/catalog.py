"""Catalogs of many images that share layers: fresh, far away, unchanged, and mixed."""

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.measure import Failed
from benchmarks.peers import MIRROR, Floor, Peer, present, row_of
from benchmarks.registries import compare, fill, fresh, put_image, workplace
from benchmarks.results import Finding, against, against_best
from benchmarks.way import Distance

_MIB = 1024 * 1024


def findings(rounds: int) -> Iterator[Finding]:
    """Measure fresh catalogs at three distances, with default options."""
    title = "50 repositories x 4 tags x 2 platforms"
    with workplace() as folder, fresh(folder, "origin") as origin:
        images = fill(origin)
        for name, seconds, requests, wall in (
            ("catalog", 0.0, 32, 1.3), ("catalog-20ms", 0.02, 128, 1.4),
            ("catalog-100ms", 0.1, 128, 1.4),
        ):  # fmt: skip
            away = Distance(round_trip=seconds, opening=seconds)
            floor = Floor(requests)
            # Tools that copy one image after the other would take minutes over the longest way.
            peers = present() if seconds < 0.1 else [MIRROR]
            tools: list[Peer] = [*peers, *([floor] if floor.present else [])]
            rows = compare(tools, rounds, images, origin, folder, distance=away)
            targets = {"wall": wall} if seconds else {"wall": wall, "cpu": 2.5}
            checks = against(rows[0], row_of(Floor, rows), **targets)
            others = [row for row in rows if row.tool != floor.name]
            where = f"over {seconds * 1000:.0f} ms" if seconds else "near by"
            yield Finding(
                name, f"fresh catalog {where}: {title}", rows,
                [*checks, *against_best(others, wall=0.7)],
            )  # fmt: skip


def unchanged(rounds: int) -> Iterator[Finding]:
    """Measure 2000 tags that are there already."""
    with (
        workplace() as folder,
        fresh(folder, "origin") as origin,
        fresh(folder, "target") as target,
    ):
        images = fill(origin, repositories=50, tags=40, platforms=("amd64",))
        compare([MIRROR], 1, images, origin, folder, target=target)
        floor = Floor(32, "-noop")
        tools = [tool for tool in present() if tool.name in ("mirror", "regsync")]
        tools += [floor] if floor.present else []
        rows = compare(tools, rounds, images, origin, folder, target=target)
        checks = against(rows[0], row_of(Floor, rows), wall=1.15)
        yield Finding("unchanged", "2000 unchanged tags", rows, checks)


def mixed(rounds: int) -> Iterator[Finding]:
    """Measure when half of the images of a catalog of small and large ones are complete."""
    notes = []
    with workplace() as folder, fresh(folder, "origin") as origin:
        images = [put_image(origin, f"small{n}", [90_000, 300_000]) for n in range(60)]
        images += [
            put_image(origin, f"large{n}", [48 * _MIB + n, 16 * _MIB + n]) for n in range(12)
        ]
        for number in range(rounds):
            with fresh(folder, f"target{number}") as target:
                lines = "".join(f"{origin.host}/{one}={target.host}/{one}\n" for one in images)
                half, whole = _half_and_whole(lines, len(images))
                notes.append(f"half of the images after {half:.2f} s, all after {whole:.2f} s")
    yield Finding("mixed", "60 images of 0.4 MB and 12 of 64 MiB", [], [], notes)


def _half_and_whole(lines: str, count: int) -> tuple[float, float]:
    """Copy, and return the seconds until half of the images were pushed, and until all were."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "mirror", "--file", "-", "--progress", "none"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None, "its standard input is a pipe"
        assert process.stdout is not None, "its standard output is a pipe"
        process.stdin.write(lines)
        process.stdin.close()
        tagged, half = 0, 0.0
        for line in process.stdout:
            tagged += "@" not in line
            if not half and tagged >= count / 2:
                half = time.perf_counter() - began
    if process.returncode:
        raise Failed(f"the copy ended with {process.returncode}")
    return half, time.perf_counter() - began
