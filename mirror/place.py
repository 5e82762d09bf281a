"""Where something happened: on which side of a copy, with what, and what was attempted."""

from enum import StrEnum

from msgspec import Struct


class Side(StrEnum):
    """Which end of a copy is meant."""

    SOURCE = "source"
    DESTINATION = "destination"


class Place(Struct, frozen=True):
    """Where an error happened: ``source quay.io/team/app:1: reading the manifest``."""

    side: Side
    reference: str
    attempted: str

    def __str__(self) -> str:
        return f"{self.side} {self.reference}: {self.attempted}"

    def is_in(self, repository: str) -> bool:
        """Whether it is in a repository, by its full name."""
        rest = self.reference.removeprefix(repository)
        return rest != self.reference and rest[:1] in ("", ":", "@")
