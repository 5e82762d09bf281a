"""Shares of the work: which of several runs brings what to a repository.

Rendezvous hashing: each share draws a number for a repository, and the highest takes it.
With one share more, only those repositories move that the new one wins.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Self

from msgspec import Struct

from mirror.image.reference import Repository

AUTO = "auto"
# Kubernetes sets the one, from 0; the other has to be set where the Job says its completions.
INDEX_VARIABLE, COUNT_VARIABLE = "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"
# More than anybody runs; each repository costs as many hashes as there are shares.
_MOST = 9999
_SHARE = re.compile(r"([0-9]{1,4})/([0-9]{1,4})", re.ASCII)


class Shard(Struct, frozen=True):
    """One share of several, counted from 1; all together own each repository once."""

    index: int
    count: int

    def __post_init__(self) -> None:
        """Raise ValueError for what is not a share of anything."""
        if not 1 <= self.index <= self.count <= _MOST:
            raise ValueError(
                f"{self.index}/{self.count} is not a share: the second of three is 2/3"
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``I/N``; raise ValueError for anything else."""
        if (found := _SHARE.fullmatch(text)) is None:
            raise ValueError(
                f"{text!r} is not a share: write 2/3 for the second of three, or {AUTO}"
            )
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_job(cls, environment: Mapping[str, str]) -> Self:
        """Return the share of a pod of an Indexed Job; raise ValueError if it is none.

        The count is for the Job's author to set, since Kubernetes tells a pod its index only.
        """
        index, count = environment.get(INDEX_VARIABLE, ""), environment.get(COUNT_VARIABLE, "")
        missing = [
            name
            for name, value in ((INDEX_VARIABLE, index), (COUNT_VARIABLE, count))
            if not re.fullmatch("[0-9]{1,4}", value, re.ASCII)
        ]
        if missing:
            raise ValueError(f"{AUTO} needs a number in {' and in '.join(missing)}")
        return cls(int(index) + 1, int(count))

    def owns(self, repository: Repository) -> bool:
        """Whether this share, and no other, brings what goes to a repository."""
        name = str(repository).encode()
        shares = range(1, self.count + 1)
        return max(shares, key=lambda index: (_draw(name, index), index)) == self.index


def _draw(name: bytes, index: int) -> bytes:
    return blake2b(name, digest_size=8, key=b"%d" % index).digest()
