"""Which tags of a repository are wanted, by their names.

    listed -include, not exclude, semver--> covered --newest--> chosen, and pinned ones besides

Pure: the tags are given.  What was created last is for a registry to say.
"""

import fnmatch
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from msgspec import Struct

from mirror.image.digest import Digest
from mirror.mapping.version import Range, version_of

_EXPRESSION = "regex:"


class Pattern(Struct, frozen=True):
    """Names that are meant: a glob (``v1.*``), or after ``regex:`` an expression, both whole."""

    text: str
    expression: re.Pattern[str]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern; raise ValueError if the expression is none, or nothing is there."""
        if not text.removeprefix(_EXPRESSION):
            raise ValueError("a pattern is expected, nothing is there")
        try:
            if text.startswith(_EXPRESSION):
                return cls(text, re.compile(text.removeprefix(_EXPRESSION)))
            return cls(text, re.compile(fnmatch.translate(text)))
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{text!r} is not a regular expression: {error}") from error

    def matches(self, name: str) -> bool:
        """Whether a name is meant."""
        return self.expression.fullmatch(name) is not None


class Age(StrEnum):
    """What makes one tag newer than another."""

    VERSION = "version"
    CREATED = "created"


class Pin(Struct, frozen=True):
    """A tag that is to name this digest, whatever its source says by now."""

    tag: str
    digest: Digest


class TagFilter(Struct, frozen=True, kw_only=True):
    """The tags that are wanted: all, unless something says less."""

    include: tuple[Pattern, ...] = ()
    """Any of these; none at all means every tag."""
    exclude: tuple[Pattern, ...] = ()
    semver: Range | None = None
    newest: int | None = None
    """At most so many of a repository; None is all."""
    age: Age = Age.VERSION
    pins: tuple[Pin, ...] = ()
    """Wanted besides, and if it is the only thing said, alone."""
    immutable: tuple[Pattern, ...] = ()
    """Tags that never come to name something else."""

    @property
    def by_creation(self) -> bool:
        """Whether it has to be known of each covered tag when its image was created."""
        return self.newest is not None and self.age is Age.CREATED

    def covers(self, tag: str) -> bool:
        """Whether a tag is meant by its name; pinned ones are looked after by themselves."""
        if any(pin.tag == tag for pin in self.pins):
            return False
        if self.pins and not (self.include or self.exclude or self.semver or self.newest):
            return False
        if self.include and not any(pattern.matches(tag) for pattern in self.include):
            return False
        if any(pattern.matches(tag) for pattern in self.exclude):
            return False
        if self.semver is None:
            return True
        version = version_of(tag)
        return version is not None and self.semver.has(version)

    def is_immutable(self, tag: str) -> bool:
        """Whether a tag is known to name the same for ever."""
        return any(pattern.matches(tag) for pattern in self.immutable)

    def newest_versions(self, tags: Iterable[str]) -> list[str]:
        """Return the newest of these by version, newest first; what is not a version is left out.

        Of two tags for one version, ``v1`` and ``1.0.0``, both are kept or none.
        """
        versions = {tag: version for tag in tags if (version := version_of(tag)) is not None}
        kept = set(sorted(set(versions.values()), reverse=True)[: self.newest])
        return sorted(
            (tag for tag, version in versions.items() if version in kept),
            key=lambda tag: (versions[tag], tag),
            reverse=True,
        )


ALL = TagFilter()
