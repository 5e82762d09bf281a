"""Run the benchmarks, print what was measured against its targets, and keep it.

    python -m benchmarks [--rounds N] [NAME ...]

Names are those of the scenarios in ``benchmarks/README.md``; without any, all are run.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    catalog,
    model,
    nights,
    refusing,
    scale,
    schedule,
    single,
    spread,
    startup,
    trouble,
)
from benchmarks.measure import Failed
from benchmarks.registries import NEEDED
from benchmarks.results import Finding, table, write

Scenario = Callable[[int], Iterator[Finding]]
SCENARIOS: dict[str, Scenario] = {
    "startup": startup.findings,
    "tiny": startup.tiny,
    "schedule": schedule.findings,
    "catalog": catalog.findings,
    "distant": single.distant,
    "unchanged": catalog.unchanged,
    "mixed": catalog.mixed,
    "refusing": refusing.findings,
    "large": single.large,
    "throttled": single.throttled,
    "fan": single.fan,
    "scale": scale.findings,
    "nights": nights.findings,
    "spread": spread.findings,
    "model": model.findings,
    "trouble": trouble.findings,
}
_RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measure what was asked for; 1 if a target was missed or a scenario failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, default=3, help="of each tool, in turns (3)")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="where to write them")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in SCENARIOS]:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        parser.error(f"{' and '.join(missing)} must be on PATH")
    found: list[Finding] = []
    failed: list[str] = []
    for name in asked.names or SCENARIOS:
        # A quarter of an hour of the others' figures must not be lost with one of them.
        try:
            for finding in SCENARIOS[name](asked.rounds):
                found.append(finding)
                print(_said(finding), flush=True)
        except Failed as error:
            failed.append(name)
            print(f"{name}: {error}", flush=True)
    print("\n" + table(found))
    write(asked.results, found)
    _draw(asked.results, found)
    missed = [check for finding in found for check in finding.checks if check.verdict == "MISS"]
    print(
        f"written to {asked.results}; {len(missed)} targets missed, {len(failed)} scenarios failed"
    )
    return 1 if missed or failed else 0


def _said(finding: Finding) -> str:
    lines = [f"{finding.name}: {finding.title}"]
    lines += [f"  {row.tool:24} {row.wall:7.2f} s wall {row.cpu:7.2f} s CPU "
              f"{row.memory / 2**20:6.0f} MiB" for row in finding.rows]  # fmt: skip
    lines += [f"  {check.verdict:7} {check}" for check in finding.checks]
    return "\n".join([*lines, *(f"  {note}" for note in finding.notes)])


def _draw(folder: Path, found: list[Finding]) -> None:
    try:
        from benchmarks import plot
    except ImportError:
        print("no pictures: pip install 'oci-mirror[bench]' brings matplotlib", file=sys.stderr)
        return
    plot.write(folder, found)


if __name__ == "__main__":
    sys.exit(main())
