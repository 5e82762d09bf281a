"""The workers of a cluster beside one process: unchanged tags, a small catalog, shared layers."""

import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Command, measured
from benchmarks.registries import fill, fresh, workplace
from benchmarks.results import Check, Finding, Row
from benchmarks.still import still

_TAGS = 100
_FEW, _MANY = 100, 500
_UPLOAD = re.compile(r'"PUT /v2/\S*/uploads/\S*digest=(sha256%3A|sha256:)([0-9a-f]{64})')
_ENGINES = {"one process": (), "two workers": ("--engine", "dask")}


def findings(rounds: int) -> Iterator[Finding]:
    """Measure what two workers bring, what they cost, and what they bring twice."""
    with workplace() as folder:
        yield _unchanged(folder, rounds)
        yield _small(folder, rounds)
        yield _shared(folder)


def _unchanged(folder: Path, rounds: int) -> Finding:
    rows = {name: Row(name) for name in _ENGINES}
    few = {name: Row(name) for name in _ENGINES}
    for count, into in ((_FEW, few), (_MANY, rows)):
        with (
            still(folder / "here", count, _TAGS) as here,
            still(folder / "there") as there,
        ):
            for _ in range(rounds):
                for name, engine in _ENGINES.items():
                    into[name].costs.append(measured(_copy(here, there, *engine)))
    # What starting costs belongs to no tag.
    tags = (_MANY - _FEW) * _TAGS
    rates = {name: tags / (rows[name].wall - few[name].wall) for name in _ENGINES}
    return Finding(
        "spread", f"{_MANY * _TAGS:,} tags that have not changed, registries of nginx",
        list(rows.values()),
        [Check("tags per second, two workers / one process",
               rates["two workers"] / rates["one process"], 1.6, least=True)],
        [f"{name}: {rate:,.0f} tags/s from {_FEW * _TAGS:,} on" for name, rate in rates.items()],
    )  # fmt: skip


def _small(folder: Path, rounds: int) -> Finding:
    rows = [Row(name) for name in _ENGINES]
    with still(folder / "here", 10, 3) as here, still(folder / "there") as there:
        for _ in range(rounds):
            for row, engine in zip(rows, _ENGINES.values(), strict=True):
                row.costs.append(measured(_copy(here, there, *engine)))
    pairs = zip(rows[0].costs, rows[1].costs, strict=True)
    more = statistics.median(theirs.wall - ours.wall for ours, theirs in pairs)
    return Finding(
        "spread-small", "30 tags that have not changed", rows,
        [Check("seconds that a cluster of this machine's cores takes more", more, 2.0)],
    )  # fmt: skip


def _shared(folder: Path) -> Finding:
    """Copy repositories that share layers into a registry that mounts, and count its uploads."""
    rows, twice = [], {}
    with fresh(folder, "origin") as origin:
        fill(origin, repositories=40, tags=2)
        for name, engine in _ENGINES.items():
            with fresh(folder, "target") as target:
                row = Row(name, [measured(_copy(origin.host, target.host, *engine))])
                uploads = Counter(one[1] for one in _UPLOAD.findall(target.log.read_text()))
            rows.append(row)
            twice[name] = sum(count - 1 for count in uploads.values())
    return Finding(
        "spread-shared", "40 repositories that share two layers, a registry that mounts", rows,
        [Check("blobs that two workers upload more than once", twice["two workers"], 0)],
    )  # fmt: skip


def _copy(here: str, there: str, *words: str) -> Command:
    mapping = f"{here}/*={there}/m/*"
    return Command([sys.executable, "-m", "mirror", mapping, "--progress", "none", *words])
