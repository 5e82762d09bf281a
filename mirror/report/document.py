"""The run report: its nouns, read from JSON and written as JSON.

    {"schema": "mirror.report/v1", "started": ..., "duration_seconds": ...,
     "summary": {...}, "images": [...]}

Keys are added over time, never renamed: people script against them.  What a later version
adds is passed over, what an older one had not is empty.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from mirror.errors import UsageError
from mirror.shard import Shard

SCHEMA = "mirror.report/v1"

# Keys that are left out where there is nothing to say.
_LEFT_OUT = {"replaced", "rule", "recalled", "differences", "pruned", "shards", "merged", "levels"}


class Failure(msgspec.Struct, frozen=True, rename={"kind": "class"}):
    """Why something failed, and what to try."""

    kind: str = ""
    side: str | None = None
    message: str = ""
    hint: str = ""


class ReportedDifference(msgspec.Struct, frozen=True):
    """What a verification found at a destination."""

    condition: str = ""
    noun: str = ""
    name: str = ""
    found: str | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one source-destination pair."""

    source: str
    destination: str
    origin: str = ""
    digest: str | None = None
    source_digest: str | None = None
    """What the source names, which is another manifest where platforms were chosen."""
    status: str
    bytes_copied: int = 0
    attempts: int = 1
    error: Failure | None = None
    replaced: str | None = None
    """What the destination named before, if it named something else."""
    rule: str = ""
    """What the mapping is called that asked for it, if it has a name."""
    recalled: bool = False
    """Whether a ledger vouched for its destination, which was not asked."""
    differences: tuple[ReportedDifference, ...] = ()


class ReportedPrune(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a tag that has left its source."""

    destination: str
    origin: str = ""
    digest: str | None = None
    rule: str = ""
    status: str
    error: Failure | None = None


class Summary(msgspec.Struct, frozen=True):
    """The numbers of a run."""

    images: int = 0
    copied: int = 0
    unchanged: int = 0
    skipped: int = 0
    deferred: int = 0
    failed: int = 0
    planned: int = 0
    bytes_copied: int = 0
    blobs_copied: int = 0
    bytes_mounted: int = 0
    blobs_mounted: int = 0
    blobs_present: int = 0
    manifests_pushed: int = 0
    tags_pruned: int = 0
    recalled: int = 0
    requests: dict[str, int] = {}


class ReportedLane(msgspec.Struct, frozen=True):
    """What happened at one registry, bin by bin."""

    requests: list[int] = []
    bytes: list[int] = []


class ReportedTimeline(msgspec.Struct, frozen=True):
    """When what happened."""

    bin_seconds: float = 1.0
    registries: dict[str, ReportedLane] = {}


class ReportedLevel(msgspec.Struct, frozen=True):
    """How much was in flight to a registry host in the end, and why not more."""

    requests: int = 0
    requests_held_by: str = ""
    bodies: int = 0
    bodies_held_by: str = ""

    def text(self) -> str:
        """Say it for a person."""
        return (
            f"{self.requests} requests ({self.requests_held_by}), "
            f"{self.bodies} bodies ({self.bodies_held_by})"
        )


class ReportedShard(msgspec.Struct, frozen=True):
    """Which share of the work a run did, and how much that is."""

    index: int
    count: int
    repositories: int = 0
    """Destination repositories of this share."""
    of: int = 0
    """Destination repositories of all shares, as far as this one saw them."""

    def text(self) -> str:
        """Say it for a person."""
        return f"share {self.index} of {self.count}: {self.repositories} of {self.of} repositories"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    schema: str = SCHEMA
    started: str
    """UTC, such as ``2026-01-31T02:00:00Z``."""
    duration_seconds: float
    summary: Summary
    timeline: ReportedTimeline = ReportedTimeline()
    levels: dict[str, ReportedLevel] = {}
    """How much was in flight to each registry host in the end."""
    shards: tuple[ReportedShard, ...] = ()
    """The shares that it did, where that is not all."""
    merged: bool = False
    """Whether it is what several runs came to."""
    pruned: tuple[ReportedPrune, ...] = ()
    images: tuple[Image, ...]

    @property
    def failed(self) -> tuple[Image, ...]:
        """The images that failed."""
        return tuple(image for image in self.images if image.status == "failed")


def text(report: Report, images: Iterable[Image]) -> Iterator[bytes]:
    """Give a report as JSON, piece by piece, with these images in the place of its own.

    All at once it would take several times the memory of the images.
    """
    head = _said(report)
    del head["images"]
    yield _pretty(head).removesuffix(b"\n}") + b',\n  "images": ['
    separator, end = b"\n    ", b"]\n}\n"
    for image in images:
        yield separator + _pretty(_said(image)).replace(b"\n", b"\n    ")
        separator, end = b",\n    ", b"\n  ]\n}\n"
    yield end


def _said(noun: Report | Image) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(noun)
    return {key: value for key, value in said.items() if value or key not in _LEFT_OUT}


def _pretty(document: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def parse(content: bytes, name: str) -> Report:
    """Read a report; raise UsageError, which says the ``name``, if it is none."""
    hint = "A report is what mirror writes with --report, or prints with --output json."
    try:
        schema = msgspec.json.decode(content, type=dict[str, Any]).get("schema")
        if schema != SCHEMA:
            raise UsageError(f"{name}: {SCHEMA!r} is expected, found {schema!r}", hint=hint)
        report = msgspec.json.decode(content, type=Report)
        _check(report)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: no run report: {error}", hint=hint) from error
    return report


def _check(report: Report) -> None:
    """Raise ValueError for what no run could have written."""
    if (told := report.summary.images) != (named := len(report.images)):
        raise ValueError(f"it tells of {told} images and names {named}")
    for share in report.shards:
        Shard(share.index, share.count)
