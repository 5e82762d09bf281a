"""Which worker copies a blob to a registry, so that no two workers copy it.

The first that claims it copies it.  A worker that claims it after that waits until it has
arrived, and mounts it from there; if it does not arrive, the next one copies it.
"""

from collections import deque

from msgspec import Struct, field

from mirror.image.digest import Digest
from mirror.image.reference import Registry, Repository

Blob = tuple[Registry, Digest]


class ClaimAnswer(Struct, frozen=True):
    """The answer to a claim: where the blob is by now; None if the asker is to copy it."""

    asker: str
    blob: Blob
    home: Repository | None


class _Claim(Struct):
    """The worker that copies a blob, and those that wait for it."""

    bringer: str
    waiting: deque[str] = field(default_factory=deque)


class Claims:
    """Every method returns the answers that can be given now."""

    def __init__(self) -> None:
        self._homes: dict[Blob, Repository] = {}
        self._claims: dict[Blob, _Claim] = {}

    def ask(self, asker: str, blob: Blob) -> list[ClaimAnswer]:
        """Take the claim of a worker that is about to copy a blob."""
        if (home := self._homes.get(blob)) is not None:
            return [ClaimAnswer(asker, blob, home)]
        claim = self._claims.setdefault(blob, _Claim(asker))
        if claim.bringer == asker:  # perhaps once more: the first way there did not work
            return [ClaimAnswer(asker, blob, None)]
        claim.waiting.append(asker)
        return []

    def landed(self, repository: Repository, digest: Digest) -> list[ClaimAnswer]:
        """Note that a blob is in a repository; only blobs that were asked for are remembered."""
        blob = repository.registry, digest
        if (claim := self._claims.pop(blob, None)) is None:
            return []
        self._homes[blob] = repository
        return [ClaimAnswer(asker, blob, repository) for asker in claim.waiting]

    def stopped(self, bringer: str, registry: Registry, digest: Digest) -> list[ClaimAnswer]:
        """Note that a worker did not copy a blob after all; the next one that asks does."""
        blob = registry, digest
        claim = self._claims.get(blob)
        return self._pass_on(blob, claim) if claim and claim.bringer == bringer else []

    def gone(self, asker: str) -> list[ClaimAnswer]:
        """Drop every claim of a worker, and everything it waits for."""
        answers = []
        for blob, claim in list(self._claims.items()):
            claim.waiting = deque(one for one in claim.waiting if one != asker)
            if claim.bringer == asker:
                answers += self._pass_on(blob, claim)
        return answers

    def _pass_on(self, blob: Blob, claim: _Claim) -> list[ClaimAnswer]:
        if not claim.waiting:
            del self._claims[blob]
            return []
        claim.bringer = claim.waiting.popleft()
        return [ClaimAnswer(claim.bringer, blob, None)]
