"""Platforms: ``os/arch[/variant]``, as an index names them for its children."""

import re
from dataclasses import dataclass
from typing import Self

_PART = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, order=True)
class Platform:
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
        return cls(*parts)
