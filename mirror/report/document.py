"""A run report as it is read back: the nouns of `mirror.report.result`, from JSON.

What a later version adds is passed over, what an older one had not is empty.
"""

from typing import Any

import msgspec

from mirror.errors import UsageError
from mirror.report.result import SCHEMA


class Failure(msgspec.Struct, frozen=True, rename={"kind": "class"}):
    """Why something failed, and what to try."""

    kind: str = ""
    side: str | None = None
    message: str = ""
    hint: str = ""


class Difference(msgspec.Struct, frozen=True):
    """What a verification found at a destination."""

    condition: str = ""
    noun: str = ""
    name: str = ""
    found: str | None = None


class Image(msgspec.Struct, frozen=True):
    """What became of one source-destination pair."""

    source: str
    destination: str
    status: str
    origin: str = ""
    rule: str = ""
    digest: str | None = None
    replaced: str | None = None
    bytes_copied: int = 0
    attempts: int = 1
    error: Failure | None = None
    differences: tuple[Difference, ...] = ()


class Prune(msgspec.Struct, frozen=True):
    """What became of a tag that has left its source."""

    destination: str
    status: str
    origin: str = ""
    digest: str | None = None
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
    requests: dict[str, int] = {}


class Lane(msgspec.Struct, frozen=True):
    """What happened at one registry, bin by bin."""

    requests: list[int] = []
    bytes: list[int] = []


class Timeline(msgspec.Struct, frozen=True):
    """When what happened."""

    bin_seconds: float = 1.0
    registries: dict[str, Lane] = {}


class Report(msgspec.Struct, frozen=True):
    """A whole run."""

    schema: str
    started: str
    duration_seconds: float
    summary: Summary
    images: tuple[Image, ...]
    pruned: tuple[Prune, ...] = ()
    timeline: Timeline = Timeline()


def parse(content: bytes, name: str) -> Report:
    """Read a report; raise UsageError, which says the ``name``, if it is none."""
    hint = "A report is what mirror writes with --report, or prints with --output json."
    try:
        schema = msgspec.json.decode(content, type=dict[str, Any]).get("schema")
        if schema != SCHEMA:
            raise UsageError(f"{name}: {SCHEMA!r} is expected, found {schema!r}", hint=hint)
        return msgspec.json.decode(content, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{name}: no run report: {error}", hint=hint) from error
