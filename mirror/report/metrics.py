"""The run as metrics, in Prometheus' text format, for the node exporter's textfile collector.

Every value is a gauge of the last run: a file that is replaced knows no counters.
Only when all went well the last time, in all and by rule, is carried over from the file before.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC

from mirror.events import ImageSettled, Landing, PruneSettled, PruneStatus, Status
from mirror.exit_code import ExitCode
from mirror.place import Side
from mirror.report.result import Result

_SUCCESS = "mirror_last_success_timestamp_seconds"
_BEFORE = re.compile(rf"^{_SUCCESS} ([0-9.e+]+)$", re.MULTILINE)

_RULE_BEFORE = re.compile(
    r'^mirror_rule_last_success_timestamp_seconds\{rule="((?:[^"\\]|\\.)*)"\}'
    r" ([0-9]+(?:\.[0-9]+)?)$",
    re.MULTILINE,
)
_BEHIND = {Status.FAILED, Status.DEFERRED}
_UNPRUNED = {PruneStatus.FAILED, PruneStatus.REFUSED, PruneStatus.DEFERRED}

_Labels = tuple[tuple[str, str], ...]


def text(result: Result, seconds: float, code: ExitCode, before: str = "") -> str:
    """Return the metrics of a run that took so long and ended with this exit code.

    ``before`` is what the file says until now.
    """
    ended = result.started.astimezone(UTC).timestamp() + seconds
    success = ended if code is ExitCode.DONE else _success_in(before)
    landings = {_label("landing", landing): result.blobs[landing] for landing in Landing}
    sizes = {_label("landing", landing): result.blob_bytes[landing] for landing in Landing}
    families = [
        _family("images", "Images of the last run, by what became of them.",
                {_label("status", status): result.statuses[status] for status in Status}),
        _family("blobs", "Blobs of the last run, by how they came to be there.", landings),
        _family("blob_bytes", "Bytes of these blobs.", sizes),
        _family("manifests", "Manifests that the last run pushed.",
                {(): result.manifests_pushed}),
        _family("pruned_tags", "Tags that had left their source, by what became of them.",
                {_label("status", outcome): result.pruned[outcome] for outcome in PruneStatus}),
        _family("requests", "Requests of the last run, by registry.",
                {_label("registry", host): count for host, count in result.requests.items()}),
        _family("failures", "What failed in the last run, by registry and error class.",
                _failures(result.failures) + _unpruned(result.prunes)),
        _family("duration_seconds", "How long the last run took.", {(): round(seconds, 3)}),
        _family("exit_code", "What the last run told its caller.", {(): int(code)}),
        _family("end_timestamp_seconds", "When the last run ended.", {(): round(ended, 3)}),
    ]  # fmt: skip
    families += _rules(result, ended, before)
    if success is not None:
        families.append(
            f"# HELP {_SUCCESS} When a run last ended with exit code 0.\n"
            f"# TYPE {_SUCCESS} gauge\n{_SUCCESS} {round(success, 3)}\n"
        )
    return "".join(families)


def _rules(result: Result, ended: float, before: str) -> list[str]:
    """Return how each mapping with a name stands: what became of it, and how far it lags."""
    told = {image.rule for image in result.images if image.rule}
    if not (names := sorted({*result.rules, *told})):
        return []
    images: dict[_Labels, float] = {
        (("rule", name), ("status", str(status))): 0 for name in names for status in Status
    }
    for image in result.images:
        if image.rule:
            images[("rule", image.rule), ("status", str(image.status))] += 1
    behind = {image.rule for image in result.images if image.status in _BEHIND}
    behind |= {prune.rule for prune in result.prunes if prune.outcome in _UNPRUNED}
    known = {_unescaped(name): float(at) for name, at in _RULE_BEFORE.findall(before)}
    success = {name: known.get(name, 0.0) if name in behind else ended for name in names}
    times = {_label("rule", name): round(at, 3) for name, at in success.items()}
    lags = {labels: max(0.0, round(ended - at, 3)) for labels, at in times.items() if at}
    return [
        _family("images", "Images of the last run, by rule and status.", images, "mirror_rule"),
        _family("last_success_timestamp_seconds", "When a rule was last in step; 0 if never.",
                times, "mirror_rule"),
        _family("lag_seconds", "How long that was before the end of the last run.",
                lags, "mirror_rule"),
    ]  # fmt: skip


def _family(
    name: str, meaning: str, samples: Mapping[_Labels, float], prefix: str = "mirror_run"
) -> str:
    name = f"{prefix}_{name}"
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
    lines += [f"{name}{_shown(labels)} {samples[labels]}" for labels in sorted(samples)]
    return "\n".join(lines) + "\n"


def _failures(images: Iterable[ImageSettled]) -> Counter[_Labels]:
    return Counter(
        (
            ("class", image.error.category if image.error is not None else ""),
            ("registry", _registry(image)),
            ("side", str(_side(image) or "")),
        )
        for image in images
    )


def _unpruned(prunes: Iterable[PruneSettled]) -> Counter[_Labels]:
    return Counter(
        (
            ("class", prune.error.category if prune.error is not None else ""),
            ("registry", str(prune.destination).partition("/")[0]),
            ("side", str(Side.DESTINATION)),
        )
        for prune in prunes
        if prune.outcome in (PruneStatus.FAILED, PruneStatus.REFUSED)
    )  # fmt: skip


def _side(image: ImageSettled) -> Side | None:
    place = image.error.place if image.error is not None else None
    return place.side if place is not None else None


def _registry(image: ImageSettled) -> str:
    """Return the registry on the side that failed, as its reference begins."""
    name = str(image.source if _side(image) is Side.SOURCE else image.destination)
    return name.partition(":")[0] if name.startswith(("oci:", "file:")) else name.partition("/")[0]


def _success_in(before: str) -> float | None:
    found = _BEFORE.search(before)
    try:
        return float(found[1]) if found is not None else None
    except ValueError:
        return None


def _label(name: str, value: str) -> _Labels:
    return ((name, str(value)),)


def _shown(labels: _Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
