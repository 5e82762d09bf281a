"""Several runs told as one: the shares of one job, or a run and those that went on from it.

An image of which several runs tell is as the one that began last says; a mapping that
could not be listed is told of by every share, and so once here.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from mirror.report import document
from mirror.report.document import Image, Report, ReportedPrune, ReportedShard, Summary
from mirror.report.timeline import Timeline

# Seconds; more is not a run.
_LONGEST_RUN = 1e9
_STATUSES = ("copied", "unchanged", "skipped", "deferred", "failed", "planned")
_SUMS = (
    "bytes_copied", "blobs_copied", "bytes_mounted", "blobs_mounted", "blobs_present",
    "manifests_pushed", "tags_pruned",
)  # fmt: skip


def merge(reports: Sequence[Report]) -> Report:
    """Return one report of at least one; images come in the order of the reports.

    A report that is given twice counts once.
    """
    if len(reports) == 1:
        return reports[0]
    reports = [one for n, one in enumerate(reports) if one not in reports[:n]]
    in_time = sorted(reports, key=_moment)
    images = _images(in_time, reports)
    offsets = [_seconds_between(in_time[0].started, report.started) for report in in_time]
    timeline = Timeline()
    for report, later in zip(in_time, offsets, strict=True):
        if _is_sane(report.timeline):
            timeline.join(report.timeline, later)
    return Report(
        started=in_time[0].started,
        duration_seconds=max(
            round(later + report.duration_seconds, 3)
            for report, later in zip(in_time, offsets, strict=True)
        ),
        summary=_summary(reports, images),
        timeline=timeline.document(),
        levels={host: level for report in in_time for host, level in report.levels.items()},
        shards=tuple(sorted({share for report in reports for share in report.shards}, key=_order)),
        pruned=_prunes(in_time),
        merged=True,
        images=images,
    )


def missing(report: Report) -> list[str]:
    """Name the shares, such as ``2/3``, that are missing beside those of a merged report.

    A report of one share alone does not claim to be of all.
    """
    told = {(share.index, share.count) for share in report.shards}
    counts = dict.fromkeys(share.count for share in report.shards if report.merged)
    return [
        f"{index}/{count}"
        for count in counts
        for index in range(1, count + 1)
        if (index, count) not in told
    ]


def _seconds_between(first: str, second: str) -> float:
    try:
        moments = datetime.fromisoformat(first), datetime.fromisoformat(second)
        return max(0.0, (moments[1] - moments[0]).total_seconds())
    except (ValueError, TypeError):
        return 0.0  # that report was not written by this program


def _is_sane(timeline: document.ReportedTimeline) -> bool:
    """Whether a timeline is one that a run could have written."""
    longest = max((len(lane.requests) for lane in timeline.registries.values()), default=0)
    return timeline.bin_seconds > 0 and timeline.bin_seconds * longest < _LONGEST_RUN


def _moment(report: Report) -> datetime:
    """Return when a run began; one that does not say so has the last word."""
    try:
        return datetime.fromisoformat(report.started).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.max.replace(tzinfo=UTC)


def _prunes(in_time: Sequence[Report]) -> tuple[ReportedPrune, ...]:
    last = {(one.destination, one.rule): one for report in in_time for one in report.pruned}
    return tuple(last.values())


def _order(share: ReportedShard) -> tuple[int, int]:
    return share.count, share.index


def _images(in_time: Sequence[Report], reports: Sequence[Report]) -> tuple[Image, ...]:
    last = {_pair(image): image for report in in_time for image in report.images}
    pairs = dict.fromkeys(_pair(image) for report in reports for image in report.images)
    return tuple(last[pair] for pair in pairs)


def _pair(image: Image) -> tuple[str, str]:
    return image.source, image.destination


def _summary(reports: Sequence[Report], images: Sequence[Image]) -> Summary:
    statuses = Counter(image.status for image in images)
    requests: Counter[str] = Counter()
    for report in reports:
        requests.update(report.summary.requests)
    return Summary(
        images=len(images),
        **{status: statuses[status] for status in _STATUSES},
        **{name: sum(getattr(report.summary, name) for report in reports) for name in _SUMS},
        recalled=sum(image.recalled and image.status == "unchanged" for image in images),
        requests=dict(sorted(requests.items())),
    )
