"""Tasks: the kinds of work there are, and what the schedule must know of each.

Every task says which registries it occupies while it runs, how it ranks, and
how many bytes it moves.  The kinds that only ask change nothing and are carried
out in a dry run too.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar

from mirror.errors import Side
from mirror.events import Landing
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Registry, Repository
from mirror.wire.listing import Listing, Names
from mirror.wire.referrers import Fallback, ReferrerList


class Rank(IntEnum):
    """What goes first: finish before you begin, or memory grows with the file."""

    PUT = 0
    COPY = 1
    FIND = 2
    READ = 3
    RESOLVE = 4
    LIST = 5
    DELETE = 6


Flight = tuple[Registry, Digest]
"""Work to be done once: of the tasks of a flight one runs alone, until one has succeeded."""


class Task:
    """Base class: a question, unless the kind says otherwise."""

    __slots__ = ()

    rank: ClassVar[Rank]
    asks: ClassVar[bool] = True

    @property
    def registries(self) -> tuple[Registry, ...]:
        """The registries it occupies while it runs, as often as it has requests there at once."""
        raise NotImplementedError

    @property
    def weight(self) -> int:
        """The bytes of the body it moves; 0 for a small request."""
        return 0

    @property
    def content(self) -> str:
        """What it moves, so that those who move the same start together; empty for nothing."""
        return ""

    @property
    def flight(self) -> Flight | None:
        """The flight it belongs to, if others may do the same work."""
        return None


class _OfRepository(Task):
    """Base class: a question to one repository."""

    __slots__ = ()

    repository: Repository

    @property
    def registries(self) -> tuple[Registry, ...]:
        """See `Task`."""
        return (self.repository.registry,)


@dataclass(frozen=True, slots=True)
class ListCatalog(Task):
    """Which repositories does a source registry have?  Answer: `Names`, a page of their paths.

    Of folders on this machine only those ``below`` one are looked at.
    """

    registry: Registry
    below: str = ""
    page: int = 0
    rest: Listing | None = field(default=None, compare=False)
    """How to ask for any page but the first."""
    rank = Rank.LIST

    @property
    def registries(self) -> tuple[Registry, ...]:
        """See `Task`."""
        return (self.registry,)


@dataclass(frozen=True, slots=True)
class ListTags(_OfRepository):
    """Which tags does a repository have?  Answer: `Names`, all of them."""

    repository: Repository
    side: Side = Side.SOURCE
    rank = Rank.LIST


@dataclass(frozen=True, slots=True)
class Resolve(Task):
    """What a tag or digest names.

    Answer: its descriptor; None at a destination that does not have it.
    """

    side: Side
    reference: Reference
    rank = Rank.RESOLVE

    @property
    def registries(self) -> tuple[Registry, ...]:
        """See `Task`."""
        return (self.reference.repository.registry,)


@dataclass(frozen=True, slots=True)
class ReadManifest(_OfRepository):
    """What does this manifest of a repository say?  Answer: the manifest, verified."""

    repository: Repository
    digest: Digest
    side: Side = Side.SOURCE
    rank = Rank.READ


@dataclass(frozen=True, slots=True)
class ReadCreation(Task):
    """When was what a source's tag names created?  Answer: seconds since 1970, as a float."""

    reference: Reference
    rank = Rank.LIST

    @property
    def registries(self) -> tuple[Registry, ...]:
        """See `Task`."""
        return (self.reference.repository.registry,)


@dataclass(frozen=True, slots=True)
class ListReferrers(_OfRepository):
    """What refers to a manifest?  Answer: `ReferrerList`."""

    side: Side
    repository: Repository
    subject: Digest
    fallback: Fallback = Fallback.INSTEAD
    rank = Rank.READ


@dataclass(frozen=True, slots=True)
class FindRepository(_OfRepository):
    """Is there such a repository at the destination?  Answer: a bool."""

    repository: Repository
    spared: bool = False
    """Whether only a dry run asks this, where a run finds out by mounting."""
    rank = Rank.FIND


@dataclass(frozen=True, slots=True)
class FindBlob(_OfRepository):
    """Is this blob in a destination repository?  Answer: a bool."""

    repository: Repository
    blob: Descriptor
    spared: bool = False
    """Whether only a dry run asks this, where a run finds out by mounting."""
    rank = Rank.FIND


@dataclass(frozen=True, slots=True)
class CheckManifest(_OfRepository):
    """Is this manifest in a destination repository?  Answer: a bool.

    One that is there and something else than its digest says is an IntegrityError;
    that shows only if it is read to its end, which ``deep`` asks for.
    """

    repository: Repository
    digest: Digest
    deep: bool = False
    rank = Rank.FIND


@dataclass(frozen=True, slots=True)
class CheckBlob(_OfRepository):
    """Is this blob in a destination repository?  Answer and errors: see `CheckManifest`."""

    repository: Repository
    blob: Descriptor
    deep: bool = False
    rank = Rank.FIND

    @property
    def weight(self) -> int:
        """See `Task`."""
        return max(1, self.blob.size) if self.deep else 0


@dataclass(frozen=True, slots=True)
class CopyBlob(Task):
    """Bring a blob into a destination repository.  Answer: `Landed`.

    ``mount_from`` is a repository of the destination registry that may have it
    already; the destination itself, when nobody has looked there yet.
    """

    source: Repository
    destination: Repository
    blob: Descriptor
    look: bool = False
    """Whether to find out by the way if it is there, since nobody has looked."""
    shared: bool = False
    """Whether other repositories of the registry may want the same blob and could mount it."""
    mount_from: Repository | None = None
    mountable: bool = True
    """Whether it may be mounted at all; not once a mount turned out to have brought nothing."""
    rank = Rank.COPY
    asks = False

    @property
    def registries(self) -> tuple[Registry, ...]:
        """See `Task`."""
        return (self.source.registry, self.destination.registry)

    @property
    def weight(self) -> int:
        """See `Task`; an empty blob needs the same requests as any other."""
        return max(1, self.blob.size)

    @property
    def content(self) -> str:
        """See `Task`."""
        return self.blob.digest.hex

    @property
    def flight(self) -> Flight | None:
        """See `Task`."""
        return (self.destination.registry, self.blob.digest) if self.shared else None


@dataclass(frozen=True, slots=True)
class PutManifest(Task):
    """Store a manifest under a tag or digest.  Answer: None."""

    destination: Reference
    manifest: Manifest
    wait: float = 0.0
    """Seconds to wait first, for a registry that does not know yet what it has."""
    rank = Rank.PUT
    asks = False

    @property
    def registries(self) -> tuple[Registry, ...]:
        """See `Task`."""
        return (self.destination.repository.registry,)


@dataclass(frozen=True, slots=True)
class DeleteManifest(Task):
    """Delete a tag, or a manifest by its digest.

    Answer: True once it is not there, False where the registry deletes no tags.
    """

    reference: Reference
    rank = Rank.DELETE
    asks = False

    @property
    def registries(self) -> tuple[Registry, ...]:
        """See `Task`."""
        return (self.reference.repository.registry,)


@dataclass(frozen=True, slots=True)
class MergeReferrers(_OfRepository):
    """Add to the list that a tag stands for.  Answer: whether anything was not in it yet.

    A list that is not there at all becomes ``whole``, if that is given.
    """

    repository: Repository
    subject: Digest
    referrers: tuple[Descriptor, ...]
    whole: Manifest | None = None
    rank = Rank.PUT
    asks = False


@dataclass(frozen=True, slots=True)
class Landed:
    """How a blob came to its destination, and from where a mount was refused on the way."""

    landing: Landing
    refused: Repository | None = None


Answer = Names | Descriptor | Manifest | Landed | ReferrerList | float | bool | None
