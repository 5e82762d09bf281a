"""What the words of options mean: sizes, rates, moments, platforms, files."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer

from mirror import options
from mirror.cli.durations import duration, seconds_until
from mirror.image.platform import Platform
from mirror.image.selection import Selection
from mirror.shard import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The files in which a run is written down; None for those that nobody asked for."""

    report: Path | None = None
    retry_file: Path | None = None
    metrics: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
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


def rate(text: str) -> int:
    """Read bytes per second such as ``50MB/s``; raise BadParameter if it is none."""
    try:
        return size(text.removesuffix("/s"))
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{text!r} is no rate: write 50MB/s or 10MiB/s") from error


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
        raise typer.BadParameter(f"{pattern!r} is no regular expression: {error}") from error
    return Selection(wanted, found, keep_index=keep_index)
