"""How a registry likes its blobs: in one request, in a stream, in chunks.

Known registries are seeded by their names; what a registry refuses is learnt
and not tried again in the run.  The first request that works stays in use.
"""

import re
from enum import Enum, auto
from functools import cache

from msgspec import Struct
from msgspec.structs import replace

MIB = 1024 * 1024
# Chunks tried one after the other where a body was too large: the first is what
# fits most limits (Cloudflare's is 100 MB), the last is below nginx's default.
_CHUNKS = (64 * MIB, 16 * MIB, 4 * MIB, MIB, MIB // 4)
# Bytes of a blob that is sent in chunks once sending it whole broke off, and of each.
_WORTH_CHUNKS = 16 * MIB
# A registry may ask for chunks of at least some size; more than this is a mistake.
_MINIMUM_LIMIT = 1024 * MIB


class Method(Enum):
    """The requests that bring a blob into its session."""

    WHOLE = auto()
    """One PUT with the blob."""
    STREAMED = auto()
    """One PATCH with the blob, and an empty PUT."""
    CHUNKED = auto()
    """PATCHes in order, and an empty PUT."""


class UploadStrategy(Struct, frozen=True):
    """How to send blobs to one registry."""

    method: Method = Method.WHOLE
    chunk: int = 0
    """Bytes of a chunk, where there are chunks."""
    whole_limit: int | None = None
    """Bytes of the largest blob that goes in one request; larger ones go in chunks."""
    chunks: bool = True
    """Whether it takes chunks at all."""
    mounts: bool = True
    """Whether it mounts blobs when asked to."""
    delete_scope: bool = True
    """Whether a token must say that it allows deleting, and not only writing."""
    resumes: bool = True
    """Whether it can be believed when it says how much of an upload it has."""

    def for_size(self, size: int) -> "UploadStrategy":
        """Return the way for a blob of this size."""
        limit = self.whole_limit
        if limit is not None and size > limit:
            return replace(self, method=Method.CHUNKED, chunk=self.chunk or limit)
        if self.method is Method.CHUNKED and size <= self.chunk:
            return replace(self, method=Method.STREAMED)
        return self

    def at_least(self, minimum: int) -> "UploadStrategy":
        """Return the same with chunks no smaller than a registry asked for."""
        return replace(self, chunk=max(self.chunk, min(minimum, _MINIMUM_LIMIT)))

    def after_refusal(self, status: int, size: int) -> "UploadStrategy | None":
        """Return another way to send a blob of this size after a refusal; None if there is none.

        413 is about the size of a body, 405, 415 and 501 are about the way.
        """
        used = self.for_size(size)
        if status == 413 and self.chunks:
            sent = used.chunk if used.method is Method.CHUNKED else size
            smaller = next((chunk for chunk in _CHUNKS if chunk < sent), None)
            if smaller is not None:
                return replace(self, whole_limit=smaller, chunk=smaller)
        if status in (405, 415, 501) and used.method is Method.WHOLE:
            return replace(self, method=Method.STREAMED)
        if status in (405, 415, 501) and self.method is Method.CHUNKED and self.chunks:
            return replace(self, method=Method.STREAMED, chunks=False)
        return None

    def after_break(self, size: int) -> "UploadStrategy":
        """Return the way to send a blob again whose upload broke off: so that less is lost."""
        if not (self.chunks and self.resumes) or size <= _WORTH_CHUNKS:
            return self
        chunk = self.chunk if 0 < self.chunk < _WORTH_CHUNKS else _WORTH_CHUNKS
        return replace(self, method=Method.CHUNKED, chunk=chunk)

    def after_corruption(self) -> "UploadStrategy":
        """Return the way to send a blob again that arrived as something else."""
        return replace(self, method=Method.STREAMED) if self.method is Method.WHOLE else self


# From vendors' documentation and other clients' sources; the README says what was tried.
# ECR wants chunks of 5 MiB and more, GHCR of no more than 4 MiB, ACR refused bodies above
# 20 MB in one report, Artifact Registry documents that it takes none.  Where an upload
# stands, Quay says one too much and ECR the end of its first chunk.
_SEEDS = (
    (
        r".*\.dkr[.-]ecr(-fips)?\..*\.amazonaws\.com(\.cn)?",
        UploadStrategy(chunk=16 * MIB, mounts=False, resumes=False),
    ),
    (
        r".*\.azurecr\.(io|cn|us)",
        UploadStrategy(whole_limit=16 * MIB, chunk=16 * MIB, resumes=False),
    ),
    (r"ghcr\.io", UploadStrategy(chunk=4 * MIB, resumes=False)),
    (r".*-docker\.pkg\.dev|(.*\.)?gcr\.io", UploadStrategy(chunks=False)),
    (r".*\.jfrog\.io|.*artifactory.*", UploadStrategy(Method.STREAMED, resumes=False)),
    (r"quay\.io", UploadStrategy(resumes=False, delete_scope=False)),
)


@cache
def seed(host: str) -> UploadStrategy:
    """Return what is known of a registry by its name."""
    name = host.partition(":")[0]
    return next(
        (strategy for pattern, strategy in _SEEDS if re.fullmatch(pattern, name)), UploadStrategy()
    )
