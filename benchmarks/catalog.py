"""Catalogs of many images that share layers: fresh, far away, and unchanged."""

import shutil
from collections.abc import Iterator

from benchmarks.measure import Command
from benchmarks.peers import MIRROR, Job, Peer, present
from benchmarks.registries import compare, fill, fresh, workplace
from benchmarks.results import Finding, against_best
from benchmarks.way import Distance

_NEAR_BY = Distance(round_trip=0.02, opening=0.02)
_FAR_AWAY = Distance(round_trip=0.1, opening=0.1)


def findings(rounds: int) -> Iterator[Finding]:
    """Measure fresh catalogs at three distances."""
    with workplace() as folder, fresh(folder, "origin") as origin:
        images = fill(origin)
        for name, title, distance, target in (
            ("catalog", "fresh catalog: 50 repositories x 4 tags x 2 platforms", Distance(), 0.7),
            ("catalog-20ms", "the same, 20 ms round trip", _NEAR_BY, 0.6),
        ):
            rows = compare(present(), rounds, images, origin, folder, distance=distance)
            cpu = 0.8 if name == "catalog" else None
            yield Finding(name, title, rows, against_best(rows, wall=target, cpu=cpu))
        rows = compare(
            present(), rounds, images[::8], origin, folder,
            distance=_FAR_AWAY, at_once=25, requests=128,
        )  # fmt: skip
        title = "25 repositories, 100 ms round trip, 128 in flight"
        yield Finding("far", title, rows, against_best(rows, wall=0.3))


class _Blind(Peer):
    """Two HEADs for each tag and nothing else, by a compiled client: what nobody can go below."""

    name = "curl"

    @property
    def present(self) -> bool:
        """See `Peer`."""
        return shutil.which("curl") is not None

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        lines = ["head", "silent", "parallel", f"parallel-max = {2 * job.requests}"]
        lines.append('header = "Accept: application/vnd.oci.image.index.v1+json"')
        for pair in job.pairs:
            for reference in pair:
                host, _, name = reference.partition("/")
                path, _, tag = name.rpartition(":")
                lines += [
                    f'url = "http://{host}/v2/{path}/manifests/{tag}"',
                    'output = "/dev/null"',
                ]
        file = job.folder / "curl.txt"
        file.write_text("\n".join(lines) + "\n")
        return Command(["curl", "--config", str(file)])


def unchanged(rounds: int) -> Iterator[Finding]:
    """Measure 2000 tags that are there already."""
    with (
        workplace() as folder,
        fresh(folder, "origin") as origin,
        fresh(folder, "target") as target,
    ):
        images = fill(origin, repositories=50, tags=40, platforms=("amd64",))
        compare([MIRROR], 1, images, origin, folder, target=target)
        tools = [tool for tool in present() if tool.name in ("mirror", "regsync")]
        blind = _Blind()
        rows = compare([*tools, blind], rounds, images, origin, folder, target=target)
        yield Finding(
            "unchanged", "2000 unchanged tags", rows, against_best(rows[:-1], wall=1.0),
            ["curl sends the same 4000 HEADs blindly: a floor, and no peer"],
        )  # fmt: skip
