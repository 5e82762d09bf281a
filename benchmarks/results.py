"""What was measured: rows of figures, checks against targets, and how both are written."""

import json
import os
import platform
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Cost

_MIB = 1024 * 1024


@dataclass(slots=True)
class Row:
    """One tool in one scenario, every round of it."""

    tool: str
    costs: list[Cost] = field(default_factory=list)
    requests: dict[str, Counter[str]] = field(default_factory=dict)
    """By registry and kind, in the last round."""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes of bodies that each registry sent, in the last round."""
    stored: int = 0
    """Bytes at the destination afterwards."""

    @property
    def wall(self) -> float:
        """Seconds, in the median."""
        return statistics.median(cost.wall for cost in self.costs)

    @property
    def cpu(self) -> float:
        """Seconds of processor, in the median."""
        return statistics.median(cost.cpu for cost in self.costs)

    @property
    def memory(self) -> int:
        """Bytes, at the most."""
        return max(cost.memory for cost in self.costs)

    @property
    def spread(self) -> tuple[float, float]:
        """The shortest and the longest time."""
        walls = [cost.wall for cost in self.costs]
        return min(walls), max(walls)


@dataclass(frozen=True, slots=True)
class Check:
    """A target, and whether it is met; ``value`` is None where nothing was there to compare."""

    what: str
    value: float | None
    limit: float
    least: bool = False
    """Whether the limit is the least the value may be, and not the most."""

    @property
    def verdict(self) -> str:
        """One word."""
        if self.value is None:
            return "no peer"
        met = self.value >= self.limit if self.least else self.value <= self.limit
        return "pass" if met else "MISS"

    def __str__(self) -> str:
        value = f"{self.value:.2f}" if self.value is not None else "-"
        return f"{self.what} {value} (target {'>=' if self.least else '<='} {self.limit:g})"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a scenario came to."""

    name: str
    title: str
    rows: Sequence[Row]
    checks: Sequence[Check]
    notes: Sequence[str] = ()


def against_best(rows: Sequence[Row], *, wall: float, cpu: float | None = None) -> list[Check]:
    """Hold the first row to the fastest of the others, by these ratios."""
    ours, others = rows[0], rows[1:]
    best = min(others, key=lambda row: row.wall, default=None)
    checks = [Check("wall / best peer", ours.wall / best.wall if best else None, wall)]
    if cpu is not None:
        checks.append(Check("CPU / best peer", ours.cpu / best.cpu if best else None, cpu))
    return checks


def against(row: Row, other: Row | None, **limits: float) -> list[Check]:
    """Hold a row to another by ``wall`` and ``cpu`` ratios; without the other nothing is held."""
    checks = []
    for what, limit in limits.items():
        ratio = getattr(row, what) / getattr(other, what) if other is not None else None
        checks.append(Check(f"{what} / {other.tool if other else 'floor'}", ratio, limit))
    return checks


def table(findings: Iterable[Finding]) -> str:
    """Everything as a table in Markdown."""
    head = ("scenario", "tool", "wall s (min-max)", "CPU s", "peak MiB",
            "requests: source + destination", "MiB read", "verdict")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for finding in findings:
        for number, row in enumerate(finding.rows):
            title = finding.title if not number else ""
            verdict = _verdict(finding) if not number else ""
            low, high = row.spread
            counts = " + ".join(str(count.total()) for count in row.requests.values()) or "-"
            read = f"{row.sent['source'] / _MIB:.0f}" if "source" in row.sent else "-"
            lines.append(
                f"| {title} | {row.tool} | {row.wall:.2f} ({low:.2f}-{high:.2f}) | {row.cpu:.2f} "
                f"| {row.memory / _MIB:.0f} | {counts} | {read} | {verdict} |"
            )
        if not finding.rows:
            lines.append(f"| {finding.title} |  |  |  |  |  |  | {_verdict(finding)} |")
        lines += [f"|  | {note} |  |  |  |  |  |  |" for note in finding.notes]
    return "\n".join(lines) + "\n"


def _verdict(finding: Finding) -> str:
    return "; ".join(f"**{check.verdict}** {check}" for check in finding.checks)


def as_json(findings: Iterable[Finding]) -> str:
    """Everything as JSON, with what it was measured on."""
    return json.dumps(
        {
            "schema": "mirror.benchmark/v1",
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version(),
                        "system": f"{platform.system()} {platform.machine()}"},
            "scenarios": [
                {"name": finding.name, "title": finding.title,
                 "rows": [_as_data(row) for row in finding.rows],
                 "checks": [{**asdict(check), "verdict": check.verdict}
                            for check in finding.checks],
                 "notes": list(finding.notes)}
                for finding in findings
            ],
        },
        indent=1,
    )  # fmt: skip


def _as_data(row: Row) -> dict[str, object]:
    return {
        "tool": row.tool,
        "wall_median": row.wall,
        "rounds": [asdict(cost) for cost in row.costs],
        "requests": {place: dict(kinds) for place, kinds in row.requests.items()},
        "bytes_sent": row.sent,
        "bytes_stored_at_destination": row.stored,
    }


def write(folder: Path, findings: Sequence[Finding]) -> None:
    """Write ``results.json`` and ``results.md``."""
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(as_json(findings) + "\n")
    (folder / "results.md").write_text(table(findings))
