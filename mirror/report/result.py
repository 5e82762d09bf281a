"""The run report: what a run came to, folded from its events.

    {"schema": "mirror.report/v1", "started": ..., "duration_seconds": ...,
     "summary": {...}, "images": [...]}

Keys are added over time, never renamed: people script against them.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from mirror.errors import Differs, ExitCode, MirrorError
from mirror.events import (
    BlobLanded,
    Difference,
    Event,
    ImageSettled,
    Landing,
    ManifestPushed,
    PruneSettled,
    Pruning,
    QuotaSeen,
    RequestSent,
    Status,
)
from mirror.report.timeline import Timeline

SCHEMA = "mirror.report/v1"


@dataclass(slots=True)
class Result:
    """The outcome so far: feed every event to `take`."""

    started: datetime
    rules: tuple[str, ...] = ()
    """What the mappings are called that were asked for, whether or not they named an image."""
    images: list[ImageSettled] = field(default_factory=list)
    statuses: Counter[Status] = field(default_factory=Counter)
    blobs: Counter[Landing] = field(default_factory=Counter)
    blob_bytes: Counter[Landing] = field(default_factory=Counter)
    manifests_pushed: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    quotas: dict[str, QuotaSeen] = field(default_factory=dict)
    prunes: list[PruneSettled] = field(default_factory=list)
    pruned: Counter[Pruning] = field(default_factory=Counter)
    recalled: int = 0
    """Images whose destination a ledger vouched for."""
    timeline: Timeline = field(default_factory=Timeline)

    def take(self, event: Event, at: float = 0.0) -> None:
        """Take the next event, so many seconds after the run began."""
        self.timeline.take(event, at)
        match event:
            case QuotaSeen():
                self.quotas[event.host] = event
            case RequestSent():
                self.requests[event.host] += 1
            case ImageSettled():
                self.images.append(event)
                self.statuses[event.status] += 1
                self.recalled += event.recalled and event.status is Status.UNCHANGED
            case PruneSettled():
                self.prunes.append(event)
                self.pruned[event.outcome] += 1
            case BlobLanded():
                self.blobs[event.landing] += 1
                self.blob_bytes[event.landing] += event.size
            case ManifestPushed():
                self.manifests_pushed += 1

    @property
    def exit_code(self) -> ExitCode:
        """What the process tells its caller of this."""
        if self.statuses[Status.FAILED]:
            differ = all(isinstance(image.error, Differs) for image in self.failures)
            return ExitCode.DIFFERENT if differ else ExitCode.FAILED
        if self.pruned[Pruning.FAILED] or self.pruned[Pruning.REFUSED]:
            return ExitCode.FAILED
        left = self.statuses[Status.DEFERRED] or self.pruned[Pruning.DEFERRED]
        return ExitCode.UNFINISHED if left else ExitCode.DONE

    @property
    def failures(self) -> list[ImageSettled]:
        """The images that failed, in the order in which they did."""
        return [image for image in self.images if image.status is Status.FAILED]

    def json(self, duration_seconds: float) -> bytes:
        """Return the report as JSON, in the order in which the images were settled."""
        head = {
            "schema": SCHEMA,
            "started": self.started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "duration_seconds": round(duration_seconds, 3),
            "summary": self._summary(),
        }
        head["timeline"] = self.timeline.document()
        if self.prunes:
            head["pruned"] = [_prune_entry(prune) for prune in self.prunes]
        # One entry after the other: as objects they would take several times the memory.
        entries = b",".join(_line(image) for image in self.images)
        images = b"[%b\n  ]" % entries if entries else b"[]"
        return _pretty(head).removesuffix(b"\n}") + b',\n  "images": ' + images + b"\n}\n"

    def retry_lines(self) -> str:
        """Return a mapping file of what failed or was deferred.

        Of several sources for one destination only the first could be read again;
        the others are comments.
        """
        unfinished = (Status.FAILED, Status.DEFERRED)
        lines: dict[str, None] = {}
        taken: dict[str, str] = {}
        for image in self.images:
            if image.status not in unfinished:
                continue
            line = f"{image.source}={_destination(image)}\n"
            first = taken.setdefault(image.destination, line)
            lines[line if line == first else f"# the destination is taken: {line}"] = None
        return "".join(lines)

    def _summary(self) -> dict[str, object]:
        return {
            "images": len(self.images),
            **{str(status): self.statuses[status] for status in Status},
            "bytes_copied": self.blob_bytes[Landing.COPIED],
            "blobs_copied": self.blobs[Landing.COPIED],
            "bytes_mounted": self.blob_bytes[Landing.MOUNTED],
            "blobs_mounted": self.blobs[Landing.MOUNTED],
            "blobs_present": self.blobs[Landing.PRESENT],
            "manifests_pushed": self.manifests_pushed,
            "tags_pruned": self.pruned[Pruning.PRUNED],
            "recalled": self.recalled,
            "requests": dict(sorted(self.requests.items())),
        }


def _pretty(document: dict[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _line(image: ImageSettled) -> bytes:
    """Return an image's entry, indented as deep as it stands."""
    return b"\n    " + _pretty(_entry(image)).replace(b"\n", b"\n    ")


def _entry(image: ImageSettled) -> dict[str, object]:
    entry: dict[str, object] = {
        "source": image.source,
        "destination": image.destination,
        "origin": image.origin,
        "digest": str(image.digest) if image.digest is not None else None,
        "source_digest": str(image.source_digest) if image.source_digest is not None else None,
        "status": str(image.status),
        "bytes_copied": image.bytes_copied,
        "attempts": image.attempts,
        "error": _failure(image.error) if image.error is not None else None,
    }
    if image.replaced is not None:
        entry["replaced"] = str(image.replaced)
    if image.rule:
        entry["rule"] = image.rule
    if image.recalled:
        entry["recalled"] = True
    if image.differences:
        entry["differences"] = [_differing(one) for one in image.differences]
    return entry


def _prune_entry(prune: PruneSettled) -> dict[str, object]:
    return {
        "destination": prune.destination,
        "origin": prune.origin,
        "digest": str(prune.digest) if prune.digest is not None else None,
        "rule": prune.rule,
        "status": str(prune.outcome),
        "error": _failure(prune.error) if prune.error is not None else None,
    }


def _differing(one: Difference) -> dict[str, str | None]:
    return {
        "condition": str(one.condition),
        "noun": one.noun,
        "name": one.name,
        "found": one.found or None,
    }


def _failure(error: MirrorError) -> dict[str, object]:
    return {
        "class": error.category,
        "side": str(error.place.side) if error.place is not None else None,
        "message": str(error),
        "hint": error.hint,
    }


def _destination(image: ImageSettled) -> str:
    """Return the destination as a mapping may say it: a digest follows from the source."""
    return image.destination.partition("@")[0]
