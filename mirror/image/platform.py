"""Platforms: ``os/arch[/variant]``, as an index names them for its children."""

import re
from typing import Self

from msgspec import Struct

# Names that people use for the ones in manifests, which are Go's.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}
_SYSTEMS = {"macos": "darwin"}
# The variant that is meant where an index names none.
_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_PART = re.compile(r"[A-Za-z0-9_.-]+")


class Platform(Struct, frozen=True, order=True):
    """An operating system on a processor: ``linux/arm64/v8``."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``os/arch[/variant]``; raise ValueError for anything else."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
            raise ValueError(f"{text!r} is not a platform: write OS/ARCH or OS/ARCH/VARIANT")
        system, architecture, *variant = parts
        architecture = _ARCHITECTURES.get(architecture, architecture)
        return cls(_SYSTEMS.get(system, system), architecture, *variant)

    def covers(self, other: "Platform") -> bool:
        """Whether another is meant by this one: without a variant, every variant is."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        usual = _VARIANTS.get(self.architecture, "")
        return not self.variant or self.variant == (other.variant or usual)


class Selection(Struct, frozen=True):
    """The platforms that are wanted: any of these, or all that a pattern is found in."""

    platforms: tuple[Platform, ...] = ()
    pattern: re.Pattern[str] | None = None
    keep_index: bool = False
    """Whether an index stays as it is, byte for byte, with fewer children behind it."""

    def wants(self, platform: Platform) -> bool:
        """Whether a platform is wanted."""
        if self.pattern is not None and self.pattern.search(str(platform)):
            return True
        return any(wanted.covers(platform) for wanted in self.platforms)
