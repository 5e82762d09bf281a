"""One pair that is verified: what should be there, and what was found."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mirror.errors import IntegrityError, MirrorError, Side
from mirror.events import Condition, Difference, Effort
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Repository
from mirror.mapping.wildcard import Pair
from mirror.plan.inquiry import Asker
from mirror.plan.task import ListReferrers, Task


@dataclass(slots=True, eq=False)
class Case(Asker):
    """One pair that is verified, and what was found."""

    pair: Pair
    over: Callable[["Case", MirrorError | None], None]
    """Called once: when everything was looked for, or with what went wrong."""
    effort: Effort = field(default_factory=Effort)
    settled: bool = False
    source: Digest | None = None
    """What the source names."""
    root: Digest | None = None
    """What the destination should name."""
    named: Digest | None = None
    """What the destination names."""
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    """Everything that should be there, parents before children."""
    differences: list[Difference] = field(default_factory=list)
    blobs: dict[Digest, tuple[Descriptor, bool]] = field(default_factory=dict)
    """The blobs that are not there, or, if so marked, are something else."""
    lacking: set[Digest] = field(default_factory=set)
    """The manifests that are not there, or are something else."""
    tags: dict[str, Digest] = field(default_factory=dict)
    """Tags that name nothing there, or something else, and what they should name."""
    unlisted: dict[Digest, tuple[Descriptor, ...]] = field(default_factory=dict)
    """What is missing in lists of referrers that tags stand for."""
    doubts: list[tuple[Task, Digest]] = field(default_factory=list)
    """What to ask again after a repair, and about what."""
    unseen: list[tuple[Digest, Digest]] = field(default_factory=list)
    """What a registry that keeps lists does not list, each with its subject."""
    referred: bool = False
    """Whether anything refers to it, which comes between its manifest and its tag."""
    list_of: Digest | None = None
    """What the list is about that its tag stands for, if it is looked after as one."""
    unanswered: int = 0
    bytes_copied: int = 0

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.settled

    @property
    def here(self) -> Repository:
        """The source's repository."""
        return self.pair.source.repository

    @property
    def there(self) -> Repository:
        """The destination's repository."""
        return self.pair.destination.repository


def note_unseen(case: Case) -> None:
    """Note what a registry should list, since it says itself what it refers to."""
    for digest, subject in case.unseen:
        if case.manifests[digest].subject == subject:
            case.differences.append(difference("referrer", digest, found=False))
            case.lacking.add(digest)
            task = ListReferrers(Side.DESTINATION, case.there, subject)
            case.doubts.append((task, digest))


def compare_tag(case: Case, tag: str, wanted: Digest, found: Digest | None) -> None:
    """Note a tag that names nothing, or something else."""
    if found == wanted:
        return
    case.tags[tag] = wanted
    condition = Condition.MISSING if found is None else Condition.DIFFERENT
    instead = f"names {found}, not {wanted}" if found is not None else ""
    case.differences.append(Difference(condition, "tag", tag, instead))


def difference(noun: str, digest: Digest, found: bool | IntegrityError) -> Difference:
    """Say what is missing, or is something else."""
    if isinstance(found, IntegrityError):
        return Difference(Condition.DIFFERENT, noun, str(digest), found.message)
    return Difference(Condition.MISSING, noun, str(digest))
