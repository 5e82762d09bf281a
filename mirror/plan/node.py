"""A manifest on its way to a repository, and what waits for it there."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mirror.errors import MirrorError
from mirror.events import Effort
from mirror.image.digest import Digest
from mirror.image.manifest import Manifest
from mirror.image.reference import Reference, Repository
from mirror.image.selection import Selection
from mirror.plan.inquiry import Asker


@dataclass(slots=True, eq=False)
class Node(Asker):
    """A manifest wanted in a destination repository, and what waits for it there.

    An image's root has nobody waiting but its ``ended``, which is called once:
    with the node, and the error if it could not be brought.
    """

    source: Repository
    destination: Reference
    digest: Digest
    ended: Callable[["Node", MirrorError | None], None] | None = None
    selection: Selection | None = None
    """What of it is wanted, if it is an index."""
    present: Digest | None = None
    """What its destination names already."""
    depth: int = 0
    bytes_copied: int = 0
    """Bytes of blobs that moved on behalf of the image, if this is its root."""
    manifest: Manifest | None = None
    missing: int = 0
    failed: bool = False
    begun: bool = False
    """Whether anything has been moved for it."""
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
            self.ended is None and all(parent.abandoned for parent in self.parents)
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
        return self if self.ended is not None else self.parents[0].root
