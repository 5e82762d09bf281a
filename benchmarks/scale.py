"""1,000 to 100,000 unchanged tags against a registry that costs nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import measured
from benchmarks.peers import MIRROR, Job
from benchmarks.registries import workplace
from benchmarks.results import Check, Finding, Row
from benchmarks.stub import stub

_COUNTS = (1_000, 10_000, 100_000)
_MIB = 1024 * 1024


def findings(rounds: int) -> Iterator[Finding]:
    """Measure ever more tags, the most of them once."""
    rows, began = [], 0.0
    with workplace() as folder:
        for count in _COUNTS:
            row = Row(f"{count:,} tags")
            for _ in range(rounds if count < _COUNTS[-1] else 1):
                began = _run(folder, count, row)
            rows.append(row)
    # What starting costs belongs to no tag, and is most of the first row.
    ours = [row.wall for row in rows]
    each = [(ours[n + 1] - ours[n]) / (_COUNTS[n + 1] - _COUNTS[n]) * 1000 for n in range(2)]
    yield Finding(
        "scale", "unchanged tags against a stub", rows,
        [
            Check("ms per tag, 10,000 to 100,000 / 1,000 to 10,000", each[1] / each[0], 1.2),
            Check("peak MiB at the last", rows[-1].memory / _MIB, 200),
            Check("seconds to the first request at the last", began, 1.0),
        ],
        [f"{each[1]:.3f} ms per tag from 10,000 to 100,000"],
    )  # fmt: skip


def _run(folder: Path, count: int, row: Row) -> float:
    """Run once; return the seconds until the first request."""
    with stub() as here, stub() as there:
        pairs = [
            (f"{here.host}/team{n % 100}/app{n % 1000}:v{n}",
             f"{there.host}/team{n % 100}/app{n % 1000}:v{n}")
            for n in range(count)
        ]  # fmt: skip
        command = MIRROR.command(Job(pairs, folder))
        started = time.time()
        row.costs.append(measured(command))
        return here.first_asked() - started
