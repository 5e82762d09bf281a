"""Single images: far away, large, throttled, and to several places."""

import os
import shutil
from collections.abc import Iterator

from benchmarks.measure import Command
from benchmarks.peers import MIRROR, Job, Mirror, Peer, present, row_of
from benchmarks.registries import compare, fresh, layers_of, put_image, workplace
from benchmarks.results import Check, Finding, against, against_best
from benchmarks.way import Distance

_MIB = 1024 * 1024
_FAR_AWAY = Distance(round_trip=0.1, opening=0.2)
_THROTTLED = Distance(rate=8_000_000)


def distant(rounds: int) -> Iterator[Finding]:
    """Measure one image between two distant registries."""
    with workplace() as folder, fresh(folder, "origin") as origin:
        image = put_image(origin, "app", [200_000, 400_000, 600_000], platforms=2)
        rows = compare(present(), rounds, [image], origin, folder, distance=_FAR_AWAY)
        title = "one image of two platforms, 100 ms round trip, 200 ms to open a connection"
        yield Finding("distant", title, rows, against_best(rows, wall=0.65))


class _Pipes(Peer):
    """A GET of each layer into a PUT, side by side: what must move, and nothing else."""

    name = "curl pipes"

    def __init__(self, layers: list[str]) -> None:
        self._layers = layers

    @property
    def present(self) -> bool:
        """See `Peer`."""
        return shutil.which("curl") is not None

    def command(self, job: Job) -> Command:
        """See `Peer`; the image itself stays behind."""
        ((source, target),) = job.pairs
        scheme = "https" if job.tls else "http"
        here, there = (
            f"{scheme}://{host}/v2/{path.partition(':')[0]}/blobs"
            for host, _, path in (source.partition("/"), target.partition("/"))
        )
        script = "".join(
            f"(at=$(curl -sik -X POST {there}/uploads/ | tr -d '\\r' | "
            "sed -n 's/^[Ll]ocation: //p'); "
            f"curl -sfk {here}/{layer} | curl -sfk -T - -H 'Expect:' -H 'Content-Type: "
            f'application/octet-stream\' "$at&digest={layer}") &\n'
            for layer in self._layers
        )
        # What failed on the way is missing now, and must not count as fast.
        arrived = " && ".join(f"curl -sfkI {there}/{layer}" for layer in self._layers)
        return Command(["sh", "-c", f"{script}wait; {arrived}"])


def large(rounds: int) -> Iterator[Finding]:
    """Measure an image of 1 GiB over http and https."""
    for tls in (False, True):
        scheme = "https" if tls else "http"
        with workplace() as folder, fresh(folder, "origin", tls=tls) as origin:
            image = put_image(origin, "big", [256 * _MIB] * 4)
            pipes = _Pipes(layers_of(origin, image))
            tools: list[Peer] = [*present(), *([pipes] if pipes.present else [])]
            rows = compare(tools, rounds, [image], origin, folder)
            memory = Check("peak MiB", rows[0].memory / _MIB, 80)
            checks = against(rows[0], row_of(_Pipes, rows), wall=1.03)
            others = [row for row in rows if row.tool != pipes.name]
            checks += [*against_best(others, wall=1.05, cpu=1.3), memory]
            title = f"one image of 1 GiB in four layers, {scheme}"
            yield Finding(f"large-{scheme}", title, rows, checks)


class _Alone(Mirror):
    """Ours, with one connection to each registry."""

    name = "mirror, one connection"

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        command = super().command(job)
        return Command([*command.words, "--max-per-registry", "1"])


def throttled(rounds: int) -> Iterator[Finding]:
    """Measure a layer whose source gives each connection only so much."""
    with workplace() as folder, fresh(folder, "origin") as origin:
        image = put_image(origin, "layer", [96 * _MIB])
        tools: list[Peer] = [*present(), _Alone()]
        rows = compare(tools, rounds, [image], origin, folder, distance=_THROTTLED)
        times = rows[-1].wall / rows[0].wall
        title = "one layer of 96 MiB, its source limited to 8 MB/s per connection"
        yield Finding("throttled", title, rows, [Check("times as fast", times, 3, least=True)])


class _ToThree(Mirror):
    """Ours, from one source to three registries."""

    name = "mirror, to three"

    def __init__(self, others: list[str]) -> None:
        self._others = others

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        pairs = [
            (source, f"{host}/{target.partition('/')[2]}")
            for source, target in job.pairs
            for host in (target.partition("/")[0], *self._others)
        ]
        return super().command(Job(pairs, job.folder, requests=job.requests))


def fan(rounds: int) -> Iterator[Finding]:
    """Measure one source to three registries, beside one source to one."""
    rows = []
    with workplace() as folder, fresh(folder, "origin") as origin:
        images = [put_image(origin, f"app{n}", [4 * _MIB, 8 * _MIB + n]) for n in range(10)]
        for number in range(rounds):
            with fresh(folder, f"b{number}") as second, fresh(folder, f"c{number}") as third:
                tools: list[Peer] = [MIRROR, _ToThree([second.host, third.host])]
                rows.append(compare(tools, 1, images, origin, folder))
    one, three = ([row for pair in rows for row in pair if row.tool == name]
                  for name in ("mirror", "mirror, to three"))  # fmt: skip
    for merged in (one, three):
        merged[0].costs += [cost for row in merged[1:] for cost in row.costs]
    sent = three[0].sent["source"] / one[0].sent["source"]
    checks = [
        Check("source bytes / one destination", round(sent, 3), 1.0),
        Check("wall / one destination", three[0].wall / one[0].wall, 1.2),
    ]
    note = f"{os.cpu_count()} cores read, hash, send and store for five processes"
    yield Finding("fan", "one source to three registries", [one[0], three[0]], checks, [note])
