"""One image under way: what is known of its two sides, and how it ended."""

from dataclasses import dataclass, field

from mirror.errors import MirrorError, NotFound, Side
from mirror.events import Effort, ImageSettled, Status
from mirror.image.digest import Digest
from mirror.image.digesttag import subject_of
from mirror.image.manifest import Descriptor
from mirror.image.selection import Selection
from mirror.mapping.terms import Terms
from mirror.mapping.wildcard import Pair
from mirror.plan.inquiry import Asker
from mirror.plan.memory import Remembered
from mirror.plan.node import Node


@dataclass(slots=True, eq=False)
class Image(Asker):
    """One pair under way."""

    pair: Pair
    terms: Terms
    effort: Effort = field(default_factory=Effort)
    node: Node | None = None
    """Its root, once there is something to bring."""
    settled: bool = False
    looked_again: bool = False
    """Whether its tag was looked up again, since what it named had gone."""
    bytes_copied: int = 0
    """Bytes moved for what the tag named before."""
    unanswered: int = 0
    selection: Selection | None = None
    """What of it is wanted, if it may be an index."""
    source: Digest | None = None
    found: Descriptor | None = None
    """What its source says that its tag names."""
    requests: int = 1
    """How many may be sent at once to copy it, as far as anybody can tell."""
    destination: Digest | None = None
    known: Remembered | None = None
    """What is remembered of its destination."""
    spared: bool = False
    """Whether the destination was not asked, as long as the source names what it did then."""
    recalled: bool = False

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.settled

    @property
    def named(self) -> Digest | None:
        """What its destination names in the end, as far as is known."""
        if self.node is not None:
            return self.node.digest
        return self.destination if self.recalled else self.source

    @property
    def never_moves(self) -> bool:
        """Whether it need not be looked at at all, as long as it is remembered."""
        source, known = self.pair.source, self.known
        immutable = self.terms.choice.is_immutable(source.tag or "")
        return immutable and known is not None and not known.sampled and known.named == str(source)

    @property
    def list_of(self) -> Digest | None:
        """What the list is about that its tag stands for, where lists are looked after."""
        tag = self.pair.destination.tag
        return subject_of(tag) if tag is not None and self.terms.referrers else None

    def may_have_moved(self, error: MirrorError) -> bool:
        """Whether what was not found may have gone with its tag, which then names another."""
        at_source = error.place is not None and error.place.side is Side.SOURCE
        by_tag = self.pair.source.digest is None
        return isinstance(error, NotFound) and at_source and by_tag and not self.looked_again

    def settle(self, status: Status, error: MirrorError | None = None) -> ImageSettled:
        """Have nothing more asked for it; return how it ended, and what it came to."""
        self.settled = True
        pair, node = self.pair, self.node
        if node is not None:
            node.failed = True
        moved = self.bytes_copied + (node.bytes_copied if node is not None else 0)
        new = status in (Status.COPIED, Status.PLANNED) and self.destination != self.named
        return ImageSettled(
            str(pair.source),
            str(node.destination if node is not None else pair.destination),
            str(pair.origin),
            status,
            self.named,
            moved if status is not Status.PLANNED else 0,
            self.effort.attempts,
            error,
            self.source,
            rule=self.terms.name,
            wanted=self.terms.wanted,
            replaced=self.destination if new else None,
            recalled=self.recalled,
        )
