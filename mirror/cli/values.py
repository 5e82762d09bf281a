"""What the words of options mean: sizes, rates, moments, platforms, files."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer

from mirror.cli.moment import seconds_until
from mirror.image.platform import Platform
from mirror.image.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The files in which a run is written down; None for those that nobody asked for."""

    report: Path | None = None
    retry_file: Path | None = None
    metrics: Path | None = None


def size(text: str) -> int:
    """Read a number of bytes such as ``64MiB`` or ``50MB``; raise BadParameter if it is none."""
    found = re.fullmatch(r"([0-9]{1,9}) ?([KMG]i?)?B?", text, re.IGNORECASE)
    if found is None or not int(found[1]):
        raise typer.BadParameter(f"{text!r} is no size: write 64MiB or 50MB")
    unit = (found[2] or "").lower()
    base = 1024 if unit.endswith("i") else 1000
    power = " kmg".index(unit[:1] or " ")
    return int(found[1]) * int(base**power)


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
