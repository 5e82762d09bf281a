"""What happened: one frozen dataclass per moment of a run.

Everything a user sees is folded from this stream.  Bytes that move are too
many to be events: they are a counter, `Traffic`, that the progress display
looks at when it draws.
"""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct, field

from mirror.errors import MirrorError
from mirror.image.digest import Digest
from mirror.image.reference import Reference, Registry, Repository


class Status(StrEnum):
    """How one image ended; the words of the run report."""

    COPIED = "copied"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    FAILED = "failed"
    PLANNED = "planned"


class PruneStatus(StrEnum):
    """What became of a tag that has left its source."""

    PRUNED = "pruned"
    PLANNED = "planned"
    KEPT = "kept"
    """Its digest is used otherwise, and the registry deletes digests only."""
    REFUSED = "refused"
    """Deleting was not safe enough; told of once for all tags of a repository or a mapping."""
    FAILED = "failed"
    DEFERRED = "deferred"


class Condition(StrEnum):
    """How something at a destination differs from its source."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"


class Difference(Struct, frozen=True):
    """One thing at a destination that is not as it is at its source."""

    condition: Condition
    noun: str
    """``tag``, ``manifest``, ``blob`` or ``referrer``."""
    name: str
    """The tag, or the digest."""
    found: str = ""
    """What is there instead."""

    def __str__(self) -> str:
        instead = f": {self.found}" if self.found else ""
        return f"{self.condition} {self.noun} {self.name}{instead}"


class Landing(StrEnum):
    """How a blob came to be at its destination."""

    COPIED = "copied"
    MOUNTED = "mounted"
    PRESENT = "present"


class ImagesFound(Struct, frozen=True):
    """This many more images are to be settled."""

    count: int


class RepositoriesFound(Struct, frozen=True):
    """So many more destination repositories are known; the others are for other shares."""

    mine: int
    others: int


class ImageSettled(Struct, frozen=True):
    """One source-destination pair is over.

    ``source`` and ``destination`` are the patterns of a mapping, as text, where its images
    could not be listed.
    """

    source: Reference | str
    destination: Reference | str
    origin: str
    status: Status
    digest: Digest | None = None
    bytes_copied: int = 0
    attempts: int = 1
    error: MirrorError | None = None
    source_digest: Digest | None = None
    """What the source names, which is another manifest where platforms were chosen."""
    differences: tuple[Difference, ...] = ()
    """What a verification found at the destination, or has repaired there."""
    rule: str = ""
    """What the mapping is called that asked for it, if it has a name."""
    wanted: str = ""
    """What of it was wanted, where that is not all and nothing besides."""
    replaced: Digest | None = None
    """What the destination named before, if it named something else."""
    recalled: bool = False
    """Whether its destination was not asked, since it was not long ago."""


class DestinationChanging(Struct, frozen=True):
    """What is known of a destination holds no more: it is about to be changed."""

    destination: Reference


class PruneSettled(Struct, frozen=True):
    """A tag that has left its source was deleted, or not."""

    destination: Reference | str
    """The tag; where deleting was refused, the repository or the pattern as text."""
    origin: str
    outcome: PruneStatus
    digest: Digest | None = None
    error: MirrorError | None = None
    rule: str = ""
    """See `ImageSettled`."""


class BlobStarted(Struct, frozen=True):
    """A blob is on its way to a repository."""

    destination: Repository
    digest: Digest
    size: int


class BlobStopped(Struct, frozen=True):
    """A blob that was on its way did not arrive."""

    destination: Repository
    digest: Digest


class BlobLanded(Struct, frozen=True):
    """A blob is in a repository."""

    destination: Repository
    digest: Digest
    size: int
    landing: Landing


class ManifestPushed(Struct, frozen=True):
    """A manifest is in a repository, under this tag or digest."""

    destination: Reference
    digest: Digest


class RequestSent(Struct, frozen=True):
    """An HTTP request went to a host, or several did."""

    host: str
    method: str
    count: int = 1


class QuotaSeen(Struct, frozen=True):
    """A registry said how many pulls it will still give, of how many, in how many seconds."""

    host: str
    remaining: int
    limit: int | None
    window: int


class HostThrottled(Struct, frozen=True):
    """A registry host had too much.

    It said so with a ``status`` and is left alone for so many seconds, or broke a
    connection (status 0).
    """

    registry: Registry
    seconds: float
    status: int


class LevelReached(Struct, frozen=True):
    """How many requests were in flight to a registry host in the end, and why not more."""

    host: str
    requests: int
    requests_held_by: str
    bodies: int
    bodies_held_by: str


class AdmissionClosed(Struct, frozen=True):
    """The deadline has come: what has begun goes on, so many images are put off."""

    deferred: int


Event = (
    ImagesFound
    | RepositoriesFound
    | ImageSettled
    | DestinationChanging
    | PruneSettled
    | BlobStarted
    | BlobStopped
    | BlobLanded
    | ManifestPushed
    | RequestSent
    | QuotaSeen
    | HostThrottled
    | LevelReached
    | AdmissionClosed
)
Emit = Callable[[Event], None]


class Traffic(Struct):
    """Bytes of bodies moved so far: counted where they pass, read where they are shown."""

    moved: int = field(default=0)
