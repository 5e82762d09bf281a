"""The run as metrics, in Prometheus' text format, for the node exporter's textfile collector.

Every value is a gauge of the last run: a file that is replaced knows no counters.
Only when all went well the last time is carried over from the file before.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC

from mirror.errors import ExitCode, Side
from mirror.events import ImageSettled, Landing, Status
from mirror.report.result import Result

_SUCCESS = "mirror_last_success_timestamp_seconds"
_BEFORE = re.compile(rf"^{_SUCCESS} ([0-9.e+]+)$", re.MULTILINE)

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
        _family("requests", "Requests of the last run, by registry.",
                {_label("registry", host): count for host, count in result.requests.items()}),
        _family("failures", "Images that failed in the last run, by registry and error class.",
                _failures(result.failures)),
        _family("duration_seconds", "How long the last run took.", {(): round(seconds, 3)}),
        _family("exit_code", "What the last run told its caller.", {(): int(code)}),
        _family("end_timestamp_seconds", "When the last run ended.", {(): round(ended, 3)}),
    ]  # fmt: skip
    if success is not None:
        families.append(
            f"# HELP {_SUCCESS} When a run last ended with exit code 0.\n"
            f"# TYPE {_SUCCESS} gauge\n{_SUCCESS} {round(success, 3)}\n"
        )
    return "".join(families)


def _family(name: str, meaning: str, samples: Mapping[_Labels, float]) -> str:
    name = f"mirror_run_{name}"
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


def _side(image: ImageSettled) -> Side | None:
    place = image.error.place if image.error is not None else None
    return place.side if place is not None else None


def _registry(image: ImageSettled) -> str:
    """Return the registry on the side that failed, as its reference begins."""
    name = image.source if _side(image) is Side.SOURCE else image.destination
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


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
