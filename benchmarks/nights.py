"""A catalog of 10,000 tags in which nothing has changed: what a night costs."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Command, measured
from benchmarks.registries import workplace
from benchmarks.results import Check, Finding, Row
from benchmarks.stub import stub

_REPOSITORIES, _TAGS = 100, 100
_CONFIGURATION = """
version: 1
sync:
  - source: {here}/*
    destination: {there}/mirror/*
    tags: {{{tags}}}
"""


def findings(rounds: int) -> Iterator[Finding]:
    """Measure a night without a ledger, with one, and with tags that never move."""
    tags = _REPOSITORIES * _TAGS
    with workplace() as folder:
        plain = _night("mirror sync", folder, rounds)
        ledger = _night("the same with a ledger", folder, rounds, ledger=True)
        immutable = _night("and immutable tags", folder, rounds, 'immutable: ["v*"]', ledger=True)
    nights = plain, ledger, immutable
    yield Finding(
        "nights", f"a night in which {tags:,} tags have not changed",
        [row for row, _ in nights],
        [
            Check("requests per tag, both sides", plain[1] / tags, 2),
            Check("requests per tag with a ledger", ledger[1] / tags, 1),
            Check("requests per immutable tag with a ledger", immutable[1] / tags, 0.05),
        ],
        [f"besides: the catalog, {_REPOSITORIES} tag lists, pings"],
    )  # fmt: skip


def _night(
    name: str, folder: Path, rounds: int, tags: str = "", *, ledger: bool = False
) -> tuple[Row, float]:
    """Return what a night costs, and how many manifests were asked for in the last of them."""
    row, state = Row(name), folder / "state.db"
    state.unlink(missing_ok=True)
    with stub(_REPOSITORIES, _TAGS) as here, stub() as there:
        config = folder / "sync.yaml"
        config.write_text(_CONFIGURATION.format(here=here.host, there=there.host, tags=tags))
        words = [sys.executable, "-m", "mirror", "sync", str(config), "--quiet"]
        words += ["--ledger", str(state)] if ledger else []
        if ledger:
            measured(Command(words))  # the night before
        for _ in range(rounds):
            before = here.counted(), there.counted()
            row.costs.append(measured(Command(words)))
        places = ("source", here, before[0]), ("destination", there, before[1])
        row.requests = {name: place.counted() - counted for name, place, counted in places}
    return row, sum(counted["HEAD"] for counted in row.requests.values())
