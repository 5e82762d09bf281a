"""A manifest on its way to a repository, and what waits for it there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from mirror.errors import MirrorError, Side
from mirror.events import Effort
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.image.selection import Selection
from mirror.plan.following import Following
from mirror.plan.inquiry import Asker


class Stage(IntEnum):
    """What is done with a manifest next, once nothing is missing that it waits for."""

    PUT = 0
    """It is put by its digest, since something refers to it that comes before its tag."""
    BRING = 1
    """What refers to it is brought."""
    WRITE = 2
    """The lists of what refers to it are written."""
    NAME = 3
    """It is put under its own name; for most manifests that is all."""
    END = 4
    """Nothing."""


@dataclass(slots=True, eq=False)
class Node(Asker):
    """A manifest wanted in a destination repository, and what waits for it there.

    Those with a name of their own have an ``ended``, which is called once: with the
    node, and the error if it could not be brought.  An image's root has no parents.
    """

    source: Repository
    destination: Reference
    digest: Digest
    ended: Callable[["Node", MirrorError | None], None] | None = None
    selection: Selection | None = None
    """What of it is wanted, if it is an index."""
    present: Digest | None = None
    """What its destination names already."""
    listed: Descriptor | None = None
    """How the index describes it that it was first wanted for."""
    referrers: bool = False
    """Whether what refers to it comes with it, if it is a root."""
    referrers_required: bool = False
    """Whether it fails if nothing refers to it."""
    stage: Stage = Stage.NAME
    following: Following | None = None
    """What refers to it at its source, if it is a root and anything does."""
    unlisted: dict[Digest, tuple[Descriptor, ...]] = field(default_factory=dict)
    """What has to be added to the lists of its destination, by subject."""
    list_of: Digest | None = None
    """What the list is about that its tag stands for, if it is such a list."""
    depth: int = 0
    bytes_copied: int = 0
    """Bytes of blobs that moved on behalf of the image, if this is its root."""
    manifest: Manifest | None = None
    missing: int = 0
    failed: bool = False
    begun: bool = False
    """Whether anything has been moved for it."""
    absent: bool = False
    """Whether its source turned out not to have it."""
    refusals: int = 0
    """How often the registry missed something that it names."""
    mended: bool = False
    """Whether something was brought again since then."""
    parents: list["Node"] = field(default_factory=list)
    effort: Effort = field(default_factory=Effort)

    @property
    def repository(self) -> Repository:
        """The repository it is wanted in."""
        return self.destination.repository

    @property
    def abandoned(self) -> bool:
        """Whether nobody needs it any more."""
        return self.failed or (
            bool(self.parents) and all(parent.abandoned for parent in self.parents)
        )

    def become(self, digest: Digest) -> None:
        """Learn that another manifest is wanted in its place."""
        self.digest = digest
        if self.destination.tag is None:
            self.destination = Reference(self.repository, digest=digest)

    def begin(self) -> None:
        """Learn that something is moved for it, and so for everything that waits for it."""
        if not self.begun:
            self.begun = True
            for parent in self.parents:
                parent.begin()

    @property
    def root(self) -> "Node":
        """The image on whose behalf it was first wanted."""
        return self.parents[0].root if self.parents else self


def is_elsewhere(error: MirrorError, failed: Node, other: Node) -> bool:
    """Whether what one source did wrong says nothing of another's."""
    at_source = error.place is not None and error.place.side is Side.SOURCE
    return at_source and other.source != failed.source
