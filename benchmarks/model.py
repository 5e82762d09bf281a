"""What a night costs, as docs/scale.md has it, and what it costs when it is measured.

    python -m benchmarks.model [REPOSITORIES TAGS]

prints the model for 10^3 to 10^7 tags, or measures one point of it against a stub.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.measure import Command, measured
from benchmarks.registries import workplace
from benchmarks.results import Check, Finding, Row
from benchmarks.stub import stub

_MIB = 1 << 20
# Names on a page of a list.
_PAGE = 1000
# Measured, as docs/scale.md says: bytes of a process that has done nothing, and for each image
# that it has to remember until the report is written; seconds of processor for each unchanged tag.
_BASE, _IMAGE = 58 * _MIB, 1_060
_SECONDS = 0.0005
# Bytes of an entry of the report, and of a HEAD and its answer on the wire, head and all.
_ENTRY, _HEAD = 445, 900
_POINTS = ((10, 100), (100, 100), (1_000, 100))


@dataclass(frozen=True, slots=True)
class Night:
    """A catalog in which nothing has changed, by repositories and tags of each."""

    repositories: int
    tags: int
    ledger: bool = False

    @property
    def images(self) -> int:
        """Tags in all."""
        return self.repositories * self.tags

    @property
    def source(self) -> int:
        """Requests to the source: the ping, the catalog, tag lists, a HEAD for each tag."""
        return 1 + _pages(self.repositories) + self.repositories * _pages(self.tags) + self.images

    @property
    def destination(self) -> int:
        """Requests to the destination: the ping, and a HEAD that a ledger spares."""
        return 1 + (0 if self.ledger else self.images)

    @property
    def tokens(self) -> int:
        """Requests for tokens, where a registry wants one for each repository."""
        return self.repositories * (1 if self.ledger else 2)

    @property
    def memory(self) -> int:
        """Bytes of one process at its peak."""
        return _BASE + self.images * _IMAGE

    @property
    def seconds(self) -> float:
        """Seconds of one core, where registries answer at once."""
        return self.images * _SECONDS

    def hours_at(self, rate: int) -> float:
        """Hours, if a registry answers so many requests in a second."""
        return max(self.source, self.destination) / rate / 3600


def _pages(names: int) -> int:
    return names // _PAGE + 1  # after a full page the next one is asked for


def findings(_: int) -> Iterator[Finding]:
    """Measure what can be measured in minutes, and hold the model to it."""
    rows, checks = [], []
    for repositories, tags in _POINTS:
        night, (row, requests, entry) = Night(repositories, tags), _measure(repositories, tags)
        rows.append(row)
        expected = night.source + night.destination
        checks += [
            Check(f"{night.images:,} tags: requests / model", requests / expected, 1.001),
            Check(f"{night.images:,} tags: peak / model", row.memory / night.memory, 1.2),
            Check(f"{night.images:,} tags: bytes of a report's entry / model", entry / _ENTRY, 1.1),
        ]
    yield Finding("model", "what docs/scale.md says of a night, and what it takes", rows, checks)


def _measure(repositories: int, tags: int) -> tuple[Row, int, float]:
    """Return what a night costs, its requests, and the bytes of an entry of its report."""
    with workplace() as folder, stub(repositories, tags) as here, stub() as there:
        report = folder / "run.json"
        words = [sys.executable, "-m", "mirror", f"{here.host}/*={there.host}/m/*"]
        words += ["--progress", "none", "--report", str(report)]
        row = Row(f"{repositories * tags:,} tags", [measured(Command(words))])
        size = report.stat().st_size / (repositories * tags)
        return row, here.counted().total() + there.counted().total(), size


def _table() -> Iterator[str]:
    titles = ("tags", "requests", "with ledger", "tokens", "on the wire", "core", "memory",
              "report", "at 100/s", "at 2000/s")  # fmt: skip
    yield "  ".join(title.rjust(11) for title in titles)
    for power in range(3, 8):
        night = Night(10 ** (power - 2), 100)
        spared = Night(night.repositories, night.tags, ledger=True)
        requests = night.source + night.destination
        cells = (
            f"{night.images:,}", f"{requests:,}", f"{spared.source + spared.destination:,}",
            f"{night.tokens:,}", f"{requests * _HEAD / 1e9:.3f} GB", f"{night.seconds:.1f} s",
            f"{night.memory / _MIB:.0f} MiB", f"{night.images * _ENTRY / 1e9:.3f} GB",
            f"{night.hours_at(100):.2f} h", f"{night.hours_at(2000):.2f} h",
        )  # fmt: skip
        yield "  ".join(cell.rjust(11) for cell in cells)


def main() -> None:
    """Print the model, or one point of it as it is measured."""
    if len(sys.argv) == 1:
        print("\n".join(_table()))
        return
    repositories, tags = map(int, sys.argv[1:])
    row, requests, entry = _measure(repositories, tags)
    night = Night(repositories, tags)
    print(json.dumps({
        "tags": night.images, "requests": [requests, night.source + night.destination],
        "MiB": [row.memory // _MIB, night.memory // _MIB], "bytes of an entry": [entry, _ENTRY],
        "seconds of processor": [round(row.cpu, 1), round(night.seconds, 1)],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
