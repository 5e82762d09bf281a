"""Tags that are versions, and ranges of them: ``>=2.40 <4``.

    range      = alternative *( "||" alternative )
    alternative = comparator *( separator comparator )    all of them hold
    separator  = blanks, or a comma
    comparator = [ ">=" | "<=" | ">" | "<" | "=" | "!=" | "^" | "~" ] version
    version    = [ "v" ] number [ "." number [ "." number ] ] [ "-" prerelease ]

Order is that of Semantic Versioning 2.0.0, section 11.  ``^1.2`` is all of 1 from 1.2
on, ``~1.2.3`` all of 1.2 from 1.2.3 on.  A pre-release, which to a version is also what
follows the dash of ``1.2.3-alpine``, is in a range only if the range names one of the
same version.
"""

import operator
import re
from collections.abc import Callable
from typing import Self

from msgspec import Struct
from semver import Version

_COMPARATOR = re.compile(r"(>=|<=|!=|>|<|=|\^|~)?\s*(\S+)")
_SEPARATOR = re.compile(r"[\s,]+")
_JOINED = re.compile(r"(>=|<=|!=|>|<|=|\^|~)\s+")
_LONE_NUMBER = re.compile(r"v?[0-9]{5,}")
_HOLDS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "!=": operator.ne,
    "=": operator.eq,
}


def version_of(tag: str) -> Version | None:
    """Read a tag as a version; None if it is none, such as ``latest`` or ``2024.01.05``.

    A number of many digits alone is a date or a commit.
    """
    if _LONE_NUMBER.fullmatch(tag):
        return None
    try:
        return Version.parse(tag.removeprefix("v"), optional_minor_and_patch=True)
    except ValueError:
        return None


class Comparator(Struct, frozen=True):
    """One bound: an operator and a version."""

    sign: str
    version: Version

    def holds(self, version: Version) -> bool:
        """Whether a version is within the bound."""
        return _HOLDS[self.sign](version, self.version)


class Range(Struct, frozen=True):
    """Versions that are wanted: those for which every bound of some alternative holds."""

    text: str
    alternatives: tuple[tuple[Comparator, ...], ...]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range; raise ValueError for anything else."""
        return cls(text, tuple(_alternative(part) for part in text.split("||")))

    def has(self, version: Version) -> bool:
        """Whether a version is in the range."""
        return any(_has(bounds, version) for bounds in self.alternatives)


def _has(bounds: tuple[Comparator, ...], version: Version) -> bool:
    if not all(bound.holds(version) for bound in bounds):
        return False
    named = any(
        bound.version.prerelease and _core(bound.version) == _core(version) for bound in bounds
    )
    return not version.prerelease or named


def _alternative(text: str) -> tuple[Comparator, ...]:
    words = [word for word in _SEPARATOR.split(_JOINED.sub(r"\1", text)) if word]
    if not words:
        raise ValueError("a range such as '>=2.40 <4' is expected, nothing is there")
    return tuple(bound for word in words for bound in _bounds(word))


def _bounds(word: str) -> tuple[Comparator, ...]:
    found = _COMPARATOR.fullmatch(word)
    version = version_of(found[2]) if found is not None else None
    if found is None or version is None:
        raise ValueError(f"{word!r} is not a bound; write one such as '>=2.40', '<4' or '^1.2'")
    sign = found[1] or "="
    if sign == "^":
        above = version.bump_major() if version.major else version.bump_minor()
        return Comparator(">=", version), Comparator("<", above)
    if sign == "~":
        parts = found[2].partition("-")[0].count(".")
        above = version.bump_minor() if parts else version.bump_major()
        return Comparator(">=", version), Comparator("<", above)
    return (Comparator(sign, version),)


def _core(version: Version) -> tuple[int, int, int]:
    return version.major, version.minor, version.patch
