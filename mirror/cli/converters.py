"""What the words of options mean: sizes, rates, times, durations, platforms, files."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import typer
from msgspec import Struct

from mirror import options
from mirror.image.platform import Platform, Selection
from mirror.shard import Shard

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DURATION = re.compile(r"(?:([0-9]{1,3})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?")


def seconds_until(text: str, now: datetime) -> float:
    """Return the seconds from now to a time of day, today or tomorrow, or those of a duration.

    Raises ValueError for anything else, and for no time at all.
    """
    if found := _TIME.fullmatch(text):
        # By the clock on the wall, also in the night in which that is changed: without a zone
        # a time is local, whereas the offset of this moment may not be that of the other.
        wall = now.replace(tzinfo=None)
        then = wall.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
        if then <= wall:
            then += timedelta(days=1)
        return then.timestamp() - now.timestamp()
    try:
        return duration(text)
    except ValueError as error:
        problem = f"{text!r} is not a time: write 06:00, or how long, such as 4h or 1h30m"
        raise ValueError(problem) from error


def duration(text: str) -> float:
    """Return the seconds of a duration; raise ValueError for anything else, and for none."""
    if text and (found := _DURATION.fullmatch(text)):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if length:
            return length.total_seconds()
    raise ValueError(f"{text!r} is not a duration: write 7d, 4h or 1h30m")


class Outputs(Struct, frozen=True, kw_only=True):
    """The files in which a run is written down; None for those that were not asked for."""

    report: Path | None = None
    retry_file: Path | None = None
    metrics: Path | None = None


class ReportingOptions(Struct, frozen=True, kw_only=True):
    """How a run is told, and where it is written down."""

    json: bool = False
    progress: str = "auto"
    verbosity: int = 0
    """Below 0 only failures are said, above it also what did not change."""
    outputs: Outputs = Outputs()
    shard: Shard | None = None
    """The share of the work that the run does."""
    rules: tuple[str, ...] = ()
    """What the mappings are called that are carried out, as far as they have names."""


def size(text: str) -> int:
    """Read a number of bytes such as ``64MiB``; raise BadParameter if it is none."""
    try:
        return options.size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def in_flight(text: str) -> int | None:
    """Read a number of requests, or ``auto``, which is None; raise BadParameter for neither."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise typer.BadParameter(
            f"{text!r} is not a number of requests: write 8, or auto",
            param_hint="--max-per-registry",
        )
    return int(text)


def rate(text: str) -> int:
    """Read bytes per second such as ``50MB/s``; raise BadParameter if it is none."""
    try:
        return size(text.removesuffix("/s"))
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{text!r} is not a rate: write 50MB/s or 10MiB/s") from error


def deadline(text: str) -> float:
    """Read a time of day or a duration as seconds from now; raise BadParameter if it is none."""
    try:
        return seconds_until(text, datetime.now().astimezone())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def period(text: str) -> float:
    """Read a duration as seconds; raise BadParameter if it is none."""
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def selection(
    platforms: list[str] | None, pattern: str | None, *, keep_index: bool
) -> Selection | None:
    """Read which platforms are wanted; raise BadParameter if that makes no sense."""
    if not platforms and not pattern:
        return None
    try:
        wanted = tuple(Platform.parse(text) for text in platforms or ())
        found = re.compile(pattern) if pattern else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except re.error as error:
        raise typer.BadParameter(f"{pattern!r} is not a regular expression: {error}") from error
    return Selection(wanted, found, keep_index=keep_index)
