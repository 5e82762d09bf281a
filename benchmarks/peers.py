"""The tools that are measured side by side, and how each is asked for the same work."""

import shutil
import sys
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.measure import Command
from benchmarks.results import Row


@dataclass(frozen=True, slots=True)
class Job:
    """Images to copy: from here, to there, and how many may be worked on at once."""

    pairs: Sequence[tuple[str, str]]
    folder: Path
    """Where a tool may put files for itself."""
    at_once: int = 4
    """Images at once, for tools that are started once for each."""
    requests: int = 16
    """Requests in flight to one registry, for tools that have to be told."""
    tls: bool = False

    @property
    def lines(self) -> str:
        """The pairs as a mapping file."""
        return "".join(f"{source}={target}\n" for source, target in self.pairs)


class Peer:
    """Base class: a tool that copies images."""

    name: ClassVar[str]

    @property
    def present(self) -> bool:
        """Whether it is there to be measured."""
        return shutil.which(self.name) is not None

    @abstractmethod
    def command(self, job: Job) -> Command:
        """Return what has it do the job."""


class _OnePerImage(Peer):
    """Base class: a tool that is started for each image, several at once by xargs."""

    copy: ClassVar[tuple[str, ...]]

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        pairs = "".join(f"{self._name(s)} {self._name(t)}\n" for s, t in job.pairs)
        return Command(["xargs", "-P", str(job.at_once), "-L", "1", self.name, *self.copy], pairs)

    def _name(self, reference: str) -> str:
        return reference


class Skopeo(_OnePerImage):
    """The tool of podman's makers."""

    name = "skopeo"
    copy = ("copy", "--all", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false")

    def _name(self, reference: str) -> str:
        return f"docker://{reference}"


class Crane(_OnePerImage):
    """The tool of go-containerregistry."""

    name = "crane"
    copy = ("copy", "--insecure")


class Regctl(Peer):
    """The tool of regclient for single images."""

    name = "regctl"

    def command(self, job: Job) -> Command:
        """See `Peer`; where TLS is not spoken it must be told by host."""
        hosts = sorted({name.partition("/")[0] for pair in job.pairs for name in pair})
        tls = "insecure" if job.tls else "disabled"
        said = [word for host in hosts for word in ("--host", f"reg={host},tls={tls}")]
        pairs = "".join(f"{source} {target}\n" for source, target in job.pairs)
        words = [self.name, *said, "image", "copy"]
        return Command(["xargs", "-P", str(job.at_once), "-L", "1", *words], pairs)


class Regsync(Peer):
    """The tool of regclient for whole lists."""

    name = "regsync"

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        hosts = sorted({name.partition("/")[0] for pair in job.pairs for name in pair})
        tls = "insecure" if job.tls else "disabled"
        lines = ["version: 1", "creds:"]
        lines += [
            f"  - {{registry: '{host}', tls: {tls}, reqConcurrent: {job.requests}}}"
            for host in hosts
        ]
        lines += [f"defaults: {{parallel: {job.requests}}}", "sync:"]
        lines += [f"  - {{source: '{s}', target: '{t}', type: image}}" for s, t in job.pairs]
        config = job.folder / "regsync.yaml"
        config.write_text("\n".join(lines) + "\n")
        return Command([self.name, "once", "--config", str(config)])


class Oc(Peer):
    """The tool whose users we want."""

    name = "oc"

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        file = job.folder / "oc.txt"
        file.write_text(job.lines)
        limit = f"--max-per-registry={job.requests}"
        words = ["image", "mirror", "--insecure=true", "--keep-manifest-list=true", limit]
        return Command([self.name, *words, "-f", str(file)])


class Mirror(Peer):
    """Ours, with its default options: it finds out itself how much a registry takes."""

    name = "mirror"
    present = True  # as the package that these benchmarks belong to

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        file = job.folder / "mirror.txt"
        file.write_text(job.lines)
        words = [sys.executable, "-m", "mirror", "-q"]
        insecure = ["--insecure"] if job.tls else []
        return Command([*words, *insecure, "--file", str(file)])


class Floor(Peer):
    """Just the necessary requests, sent blindly by a compiled client: the registries' own limit."""

    name = "floor"

    def __init__(self, requests: int, *words: str) -> None:
        self._words = words
        self._requests = requests

    @property
    def present(self) -> bool:
        """Whether `make bench` found a compiler for it."""
        return _FLOOR.exists()

    def command(self, job: Job) -> Command:
        """See `Peer`."""
        file = job.folder / "floor.txt"
        file.write_text(job.lines)
        words = [str(_FLOOR), "-par", str(self._requests), "-file", str(file)]
        return Command([*words, *self._words])


_FLOOR = Path(sys.executable).parent / "floor"
MIRROR = Mirror()
PEERS: tuple[Peer, ...] = (Skopeo(), Crane(), Regctl(), Regsync(), Oc())


def present() -> list[Peer]:
    """Ours, and the others that are on PATH."""
    return [MIRROR, *(peer for peer in PEERS if peer.present)]


def row_of(tool: type[Peer], rows: Sequence[Row]) -> Row | None:
    """Return what a tool came to; None if it was not there."""
    return next((row for row in rows if row.tool == tool.name), None)
