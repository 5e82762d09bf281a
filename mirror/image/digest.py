"""Content digests: read one, compute one, hold a stream to one.

OCI image specification, descriptor.md, "Digests".
"""

import hashlib
import re
from typing import Self

from msgspec import Struct

from mirror.errors import DigestMismatch, SizeMismatch

# An algorithm that cannot be verified is refused rather than trusted.
_HEX = {"sha256": re.compile("[0-9a-f]{64}"), "sha512": re.compile("[0-9a-f]{128}")}


class Digest(Struct, frozen=True, order=True):
    """The name of some content: ``sha256:9f86d0...``.

    Two digests are equal exactly when they print the same, so a digest may
    key a dict or sort a list.
    """

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """Enough of it for a person: the first twelve hex digits."""
        return self.hex[:12]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``algorithm:hex``; raise ValueError for anything else."""
        algorithm, _, hexadecimal = text.partition(":")
        pattern = _HEX.get(algorithm)
        if pattern is None:
            raise ValueError(
                f"unknown digest algorithm in {text!r}: sha256 and sha512 can be verified"
            )
        if not pattern.fullmatch(hexadecimal):
            raise ValueError(f"malformed {algorithm} digest {text!r}")
        return cls(algorithm, hexadecimal)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Name this content."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())


class Verifier:
    """Holds a stream of chunks to the digest and size it was promised to have.

    Sans-IO: feed every chunk to `update`, then call `finish`.  Too many bytes
    fail at once, rather than after the rest of an endless body, and the chunk
    that completes the size is checked before `update` returns, so that a caller
    who passes chunks on never lets the last one of a wrong body go.
    """

    __slots__ = ("_hash", "_size", "digest", "received")

    def __init__(self, digest: Digest, size: int) -> None:
        self.digest = digest
        self.received = 0
        self._size = size
        self._hash = hashlib.new(digest.algorithm)

    @property
    def so_far(self) -> str:
        """The digest of what was received until now."""
        return f"{self.digest.algorithm}:{self._hash.hexdigest()}"

    def copy(self) -> "Verifier":
        """Return another that has taken the same chunks, and goes its own way from here."""
        other = Verifier(self.digest, self._size)
        other.received = self.received
        other._hash = self._hash.copy()
        return other

    def update(self, chunk: bytes) -> None:
        """Take the next chunk; raise IntegrityError if it cannot belong."""
        self.received += len(chunk)
        if self.received > self._size:
            raise SizeMismatch(expected=self._size, actual=self.received)
        self._hash.update(chunk)
        if self.received == self._size:
            self.finish()

    def finish(self) -> None:
        """Declare the stream over; raise IntegrityError unless it matched."""
        if self.received != self._size:
            raise SizeMismatch(expected=self._size, actual=self.received)
        actual = self._hash.hexdigest()
        if actual != self.digest.hex:
            raise DigestMismatch(
                expected=str(self.digest), actual=f"{self.digest.algorithm}:{actual}"
            )
