"""What a run came to, folded from its events; `mirror.report.document` says it as JSON."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, field

from mirror.errors import Differs, MirrorError
from mirror.events import (
    BlobLanded,
    Difference,
    Event,
    ImageSettled,
    Landing,
    LevelReached,
    ManifestPushed,
    PruneSettled,
    PruneStatus,
    QuotaSeen,
    RepositoriesFound,
    RequestSent,
    Status,
)
from mirror.exit_code import ExitCode
from mirror.image.digest import Digest
from mirror.report import document
from mirror.report.timeline import Timeline
from mirror.shard import Shard


class Result(Struct):
    """The outcome so far: feed every event to `take`."""

    started: datetime
    rules: tuple[str, ...] = ()
    """What the mappings are called that were asked for, whether or not they named an image."""
    shard: Shard | None = None
    """The share of the work that the run does; None is all of it."""
    repositories: int = 0
    """Destination repositories of this share, which are counted only where there is one."""
    others: int = 0
    """Those of other shares."""
    images: list[ImageSettled] = field(default_factory=list)
    statuses: Counter[Status] = field(default_factory=Counter)
    blobs: Counter[Landing] = field(default_factory=Counter)
    blob_bytes: Counter[Landing] = field(default_factory=Counter)
    manifests_pushed: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    quotas: dict[str, QuotaSeen] = field(default_factory=dict)
    levels: dict[str, LevelReached] = field(default_factory=dict)
    prunes: list[PruneSettled] = field(default_factory=list)
    pruned: Counter[PruneStatus] = field(default_factory=Counter)
    recalled: int = 0
    """Images whose destination a ledger vouched for."""
    timeline: Timeline = field(default_factory=Timeline)

    def take(self, event: Event, at: float = 0.0) -> None:
        """Take the next event, so many seconds after the run began."""
        self.timeline.take(event, at)
        match event:
            case QuotaSeen():
                self.quotas[event.host] = event
            case LevelReached():
                self.levels[event.host] = event
            case RequestSent():
                self.requests[event.host] += event.count
            case RepositoriesFound():
                self.repositories += event.mine
                self.others += event.others
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
        if self.pruned[PruneStatus.FAILED] or self.pruned[PruneStatus.REFUSED]:
            return ExitCode.FAILED
        left = self.statuses[Status.DEFERRED] or self.pruned[PruneStatus.DEFERRED]
        return ExitCode.UNFINISHED if left else ExitCode.DONE

    @property
    def failures(self) -> list[ImageSettled]:
        """The images that failed, in the order in which they did."""
        return [image for image in self.images if image.status is Status.FAILED]

    def json(self, duration_seconds: float) -> bytes:
        """Return the report as JSON, in the order in which the images were settled."""
        return b"".join(self.json_pieces(duration_seconds))

    def json_pieces(self, duration_seconds: float) -> Iterator[bytes]:
        """Give the same piece by piece."""
        return document.text(self._head(duration_seconds), map(_image, self.images))

    def report(self, duration_seconds: float) -> document.Report:
        """Return the report as values, in the order in which the images were settled."""
        images = tuple(map(_image, self.images))
        return msgspec.structs.replace(self._head(duration_seconds), images=images)

    def report_levels(self) -> dict[str, document.ReportedLevel]:
        """Return how much was in flight to each registry in the end."""
        return {host: _level(level) for host, level in sorted(self.levels.items())}

    def _head(self, duration_seconds: float) -> document.Report:
        return document.Report(
            started=self.started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            duration_seconds=round(duration_seconds, 3),
            summary=self._summary(),
            timeline=self.timeline.document(),
            levels=self.report_levels(),
            shards=(self.share,) if self.share is not None else (),
            pruned=tuple(map(_prune, self.prunes)),
            images=(),
        )

    @property
    def share(self) -> document.ReportedShard | None:
        """How much of the work this is; None for all."""
        if (shard := self.shard) is None:
            return None
        return document.ReportedShard(
            shard.index, shard.count, self.repositories, self.repositories + self.others
        )

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
            first = taken.setdefault(str(image.destination), line)
            lines[line if line == first else f"# the destination is taken: {line}"] = None
        return "".join(lines)

    def _summary(self) -> document.Summary:
        return document.Summary(
            images=len(self.images),
            **{str(status): self.statuses[status] for status in Status},
            bytes_copied=self.blob_bytes[Landing.COPIED],
            blobs_copied=self.blobs[Landing.COPIED],
            bytes_mounted=self.blob_bytes[Landing.MOUNTED],
            blobs_mounted=self.blobs[Landing.MOUNTED],
            blobs_present=self.blobs[Landing.PRESENT],
            manifests_pushed=self.manifests_pushed,
            tags_pruned=self.pruned[PruneStatus.PRUNED],
            recalled=self.recalled,
            requests=dict(sorted(self.requests.items())),
        )


def _image(image: ImageSettled) -> document.Image:
    return document.Image(
        source=str(image.source),
        destination=str(image.destination),
        origin=image.origin,
        digest=_digest(image.digest),
        source_digest=_digest(image.source_digest),
        status=str(image.status),
        bytes_copied=image.bytes_copied,
        attempts=image.attempts,
        error=_failure(image.error),
        replaced=_digest(image.replaced),
        rule=image.rule,
        recalled=image.recalled,
        differences=tuple(map(_difference, image.differences)),
    )


def _level(level: LevelReached) -> document.ReportedLevel:
    return document.ReportedLevel(
        level.requests, level.requests_held_by, level.bodies, level.bodies_held_by
    )


def _prune(prune: PruneSettled) -> document.ReportedPrune:
    return document.ReportedPrune(
        destination=str(prune.destination),
        origin=prune.origin,
        digest=_digest(prune.digest),
        rule=prune.rule,
        status=str(prune.outcome),
        error=_failure(prune.error),
    )


def _digest(digest: Digest | None) -> str | None:
    return str(digest) if digest is not None else None


def _difference(one: Difference) -> document.ReportedDifference:
    return document.ReportedDifference(str(one.condition), one.noun, one.name, one.found or None)


def _failure(error: MirrorError | None) -> document.Failure | None:
    if error is None:
        return None
    side = str(error.place.side) if error.place is not None else None
    return document.Failure(error.category, side, str(error), error.hint)


def _destination(image: ImageSettled) -> str:
    """Return the destination as a mapping may say it: a digest follows from the source."""
    return str(image.destination).partition("@")[0]
