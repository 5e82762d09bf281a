"""A run report as one page for a person: what is shown, where, how large.

The page is `page.html.j2` beside this module; here is what it shows, as plain values.
It needs nothing from outside and runs no script.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from mirror.report.document import Failure, Image, Report, ReportedPrune
from mirror.report.merging import missing
from mirror.report.progress import clock, size

# Rows of a table or bars of a chart; a person reads no more, and a browser draws it at once.
ROWS = 200
BARS = 20
# The drawing of a lane, in the units of its own coordinates.
WIDTH, HEIGHT = 720, 56
# Seconds of a bin, at the least: a report may say anything.
_LEAST_WIDTH = 0.001
_UNKNOWN = Failure(kind="unknown")
# The error classes of a report, in words for a person.
_KINDS = {
    "auth": "not allowed",
    "not_found": "not found",
    "rate_limited": "slowed down",
    "too_large": "too large",
    "registry": "trouble with the registry",
    "network": "no connection",
    "integrity": "not the bytes that were promised",
    "policy": "refused by a rule",
    "unsupported": "not possible",
}


class Change(Struct, frozen=True):
    """An image that is at its destination since this run, or a tag that is not any more."""

    what: str
    reference: str
    digest: str
    bytes: int


class Entry(Struct, frozen=True):
    """One failure: what it is about, where it was asked for, and what came back."""

    reference: str
    origin: str
    message: str


class Trouble(Struct, frozen=True):
    """Failures with one cause: what it is, what to try, and all that it is about."""

    kind: str
    side: str
    hint: str
    entries: tuple[Entry, ...]
    more: int


class Bar(Struct, frozen=True):
    """One repository, and how much came to it."""

    name: str
    bytes: int
    share: float
    """Of the largest, between 0 and 1."""


class Curve(Struct, frozen=True):
    """What happened at one registry, to be drawn from left to right."""

    host: str
    requests: int
    bytes: int
    area: str
    """An SVG path of the bytes."""
    line: str
    """An SVG path of the requests."""
    peak_bytes: float
    """Bytes a second, at most."""
    peak_requests: float


class Comparison(Struct, frozen=True):
    """A number then and now."""

    what: str
    before: str
    now: str
    difference: str


def render(report: Report, name: str, before: Report | None = None) -> str:
    """Return the page of a report, compared with the run before if that is given."""
    environment = Environment(
        loader=PackageLoader("mirror.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["size"] = size
    environment.filters["clock"] = clock
    changes = changes_of(report)
    return environment.get_template("page.html.j2").render(
        report=report,
        name=name,
        summary=report.summary,
        verdict=verdict(report),
        ended=_ended(report),
        troubles=_troubles(report),
        changes=changes[:ROWS],
        more_changes=max(0, len(changes) - ROWS),
        left=_left(report),
        bars=_bars(report),
        curves=_curves(report),
        width=WIDTH,
        height=HEIGHT,
        comparisons=_comparisons(report, before) if before is not None else (),
        news=_news(report, before) if before is not None else None,
        before=before,
    )


def verdict(report: Report) -> tuple[str, str]:
    """Say in one word and one sentence how it went: ``good``, ``bad`` or ``late``."""
    mood, sentence = _verdict(report)
    if len(report.shards) == 1 and not report.merged:
        (share,) = report.shards
        sentence = f"Share {share.index} of {share.count}: {sentence[0].lower()}{sentence[1:]}"
    return mood, sentence


def _verdict(report: Report) -> tuple[str, str]:
    summary = report.summary
    failed = summary.failed + sum(one.status in ("failed", "refused") for one in report.pruned)
    if failed:
        return "bad", f"{failed} failed and need{'s' if failed == 1 else ''} attention."
    if missing_shares := missing(report):
        return "bad", f"There is no report of share {', '.join(missing_shares)}."
    known = summary.copied + summary.unchanged + summary.skipped
    known += summary.deferred + summary.planned
    if known != summary.images:
        return "bad", f"What became of {summary.images - known} is not known to this version."
    if late := summary.deferred + sum(one.status == "deferred" for one in report.pruned):
        return "late", f"{late} left for the next run."
    if planned := summary.planned + sum(one.status == "planned" for one in report.pruned):
        return "good", f"{planned} would change; this run only looked."
    if not summary.copied and not summary.tags_pruned:
        return "good", "Everything was in step already."
    return "good", "Everything asked for is at its destination."


def changes_of(report: Report) -> list[Change]:
    """Return what is otherwise at destinations since this run, the largest first."""
    shown = ("copied", "planned")
    copied = [
        Change(_newness(image), image.destination, image.digest or "", image.bytes_copied)
        for image in report.images
        if image.status in shown
    ]
    pruned = [
        Change("would be pruned" if one.status == "planned" else "pruned",
               one.destination, one.digest or "", 0)
        for one in report.pruned if one.status in ("pruned", "planned")
    ]  # fmt: skip
    return sorted(copied, key=lambda one: (-one.bytes, one.reference)) + pruned


def _newness(image: Image) -> str:
    """Say whether a destination is new, or names something else now."""
    if image.status == "planned":
        return "would move" if image.replaced else "would be new"
    return "moved" if image.replaced else "new"


def _troubles(report: Report) -> list[Trouble]:
    """Group failures by what to do about them, the most frequent first."""
    groups: defaultdict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for reference, origin, error in failures(report):
        entry = Entry(reference, origin, error.message)
        groups[error.kind, error.side or "", error.hint].append(entry)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        Trouble(_KINDS.get(kind, kind), side, hint, tuple(found[:ROWS]), max(0, len(found) - ROWS))
        for (kind, side, hint), found in ordered
    ]


def failures(report: Report) -> Iterable[tuple[str, str, Failure]]:
    """Give everything that failed, each with where it was asked for, and why."""
    for image in report.images:
        if image.status == "failed":
            arrow = f"{image.source} → {image.destination}"
            yield arrow, image.origin, image.error or _UNKNOWN
    for one in report.pruned:
        if one.status in ("failed", "refused"):
            yield one.destination, one.origin, one.error or _UNKNOWN


def _left(report: Report) -> list[Image | ReportedPrune]:
    """What was put off, skipped or kept."""
    left: list[Image | ReportedPrune] = []
    left += [image for image in report.images if image.status in ("deferred", "skipped")]
    left += [one for one in report.pruned if one.status in ("deferred", "kept")]
    return left[:ROWS]


def _bars(report: Report) -> list[Bar]:
    """The repositories to which most came, and the others together."""
    totals: Counter[str] = Counter()
    for image in report.images:
        if image.bytes_copied:
            totals[repository_of(image.destination)] += image.bytes_copied
    first = totals.most_common(BARS)
    if others := totals.total() - sum(count for _, count in first):
        first.append((f"{len(totals) - BARS} others", others))
    largest = max([1, *(count for _, count in first)])
    return [Bar(name, count, count / largest) for name, count in first]


def repository_of(reference: str) -> str:
    """Return a reference without its tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _curves(report: Report) -> list[Curve]:
    timeline = report.timeline
    width = max(timeline.bin_seconds, _LEAST_WIDTH)
    bins = max(
        (len(series) for lane in timeline.registries.values()
         for series in (lane.requests, lane.bytes)), default=0,
    )  # fmt: skip
    return [
        Curve(
            host,
            sum(lane.requests),
            sum(lane.bytes),
            _path(lane.bytes, bins, closed=True),
            _path(lane.requests, bins, closed=False),
            max(lane.bytes, default=0) / width,
            max(lane.requests, default=0) / width,
        )
        for host, lane in timeline.registries.items()
    ]


def _path(series: list[int], bins: int, *, closed: bool) -> str:
    """Return steps as an SVG path, as high as its own highest; empty if there are none."""
    peak = max(series, default=0)
    if not peak:
        return ""
    step = WIDTH / max(1, bins)
    padded = [*series, *[0] * (bins - len(series))]
    points = [f"M0 {HEIGHT}"]
    for number, amount in enumerate(padded):
        y = HEIGHT - amount / peak * (HEIGHT - 4)
        points.append(f"L{number * step:.1f} {y:.1f}L{(number + 1) * step:.1f} {y:.1f}")
    points.append(f"L{WIDTH} {HEIGHT}" + ("Z" if closed else ""))
    return "".join(points)


def _comparisons(report: Report, before: Report) -> list[Comparison]:
    now, then = report.summary, before.summary
    numbers = [
        ("Images", then.images, now.images), ("Copied", then.copied, now.copied),
        ("Unchanged", then.unchanged, now.unchanged), ("Failed", then.failed, now.failed),
        ("Deferred", then.deferred, now.deferred), ("Pruned", then.tags_pruned, now.tags_pruned),
        ("Requests", sum(then.requests.values()), sum(now.requests.values())),
    ]  # fmt: skip
    rows = [
        Comparison(what, f"{old:,}", f"{new:,}", f"{new - old:+,}") for what, old, new in numbers
    ]
    moved = now.bytes_copied - then.bytes_copied
    sign = "+" if moved >= 0 else "-"
    rows.append(Comparison("Copied bytes", size(then.bytes_copied), size(now.bytes_copied),
                           f"{sign}{size(abs(moved))}"))  # fmt: skip
    took = report.duration_seconds - before.duration_seconds
    rows.append(Comparison("Duration", clock(before.duration_seconds),
                           clock(report.duration_seconds), f"{took:+.0f} s"))  # fmt: skip
    return rows


class News(Struct, frozen=True):
    """What is otherwise than in the run before."""

    failing: tuple[str, ...]
    """Failed now and not then."""
    mended: tuple[str, ...]
    """Failed then and not now."""
    appeared: int
    """Destinations that were not asked for then."""
    gone: int
    """Destinations that are not asked for any more."""


def _news(report: Report, before: Report) -> News:
    now, then = _by_destination(report), _by_destination(before)
    failing = {name for name, status in now.items() if status == "failed"}
    failed = {name for name, status in then.items() if status == "failed"}
    return News(
        tuple(sorted(failing - failed))[:ROWS],
        tuple(sorted(failed - failing))[:ROWS],
        len(now.keys() - then.keys()),
        len(then.keys() - now.keys()),
    )


def _by_destination(report: Report) -> dict[str, str]:
    return {image.destination: image.status for image in report.images}


def _ended(report: Report) -> str:
    """Say when it ended; nothing if the report does not say when it began."""
    try:
        began = datetime.fromisoformat(report.started)
    except ValueError:
        return ""
    try:
        ended = began + timedelta(seconds=report.duration_seconds)
    except (OverflowError, ValueError):
        return ""
    return ended.isoformat(timespec="seconds").replace("+00:00", "Z")
