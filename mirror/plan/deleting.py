"""Tags on their way out of a destination, one by one.

    its sources, asked once more: not there --> what it names --> the tag is deleted
                                                 no tags are deleted there --> is the digest
                                                 used otherwise? --> the digest is deleted

What was listed some time ago may be wrong by now, so that no tag goes that its source
still names when it is asked for it.  Every tag is told of once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import MirrorError, NotFound, Place, Refused, Side
from mirror.events import DestinationChanging, Effort, Event, PruneSettled, Pruning
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference
from mirror.mapping.grammar import Rule
from mirror.mapping.terms import name_of
from mirror.plan.inquiry import Asker, Inquiry, as_error
from mirror.plan.listings import Listings
from mirror.plan.task import Answer, DeleteManifest, Resolve
from mirror.plan.usage import Usages


@dataclass(slots=True, eq=False)
class Leaving(Asker):
    """A tag that is to go, and the sources that should have it no more."""

    reference: Reference
    rule: Rule
    sources: tuple[Reference, ...]
    effort: Effort = field(default_factory=Effort)
    digest: Digest | None = None
    unanswered: int = 0
    begun: bool = False
    """Whether its deletion was sent."""
    over: bool = False

    @property
    def abandoned(self) -> bool:
        """See `Asker`."""
        return self.over


class Deleting:
    """Deletions under way."""

    def __init__(
        self,
        inquiry: Inquiry,
        listings: Listings,
        tell: Callable[[Event], None],
        *,
        rehearsing: bool,
    ) -> None:
        """With ``rehearsing`` what would be deleted is only told."""
        self.usages = Usages(inquiry, listings)
        self._inquiry = inquiry
        self._tell = tell
        self._rehearsing = rehearsing
        self._known: dict[Reference, Leaving] = {}
        self._asked: dict[DeleteManifest, list[Leaving]] = {}

    def begin(self, leaving: Leaving) -> None:
        """Delete a tag, unless another mapping has asked for that."""
        if self._known.setdefault(leaving.reference, leaving) is not leaving:
            return
        self.usages.expect_gone(leaving.reference)
        leaving.unanswered = len(leaving.sources)
        for source in leaving.sources:
            task = Resolve(Side.SOURCE, source)
            self._inquiry.ask(leaving, task, partial(self._source_asked, leaving, source))

    def dispatch(self, task: DeleteManifest) -> None:
        """Learn that a deletion is sent."""
        for leaving in self._asked.get(task, ()):
            leaving.begun = True

    def close(self) -> None:
        """Send no deletion more; those that are sent come to their end."""
        for leaving in self._known.values():
            if not leaving.begun:
                self._settle(leaving, Pruning.DEFERRED)

    def abandon(self) -> None:
        """Tell of all that has not come to its end."""
        for leaving in self._known.values():
            self._settle(leaving, Pruning.DEFERRED)

    def _source_asked(
        self, leaving: Leaving, source: Reference, answer: Answer | MirrorError
    ) -> None:
        leaving.unanswered -= 1
        if isinstance(answer, Descriptor):
            self._keep(leaving, f"{source} is there, though it was not listed")
        elif not isinstance(answer, NotFound):
            self._settle(leaving, Pruning.FAILED, as_error(answer))
        elif not leaving.unanswered and not leaving.over:
            task = Resolve(Side.DESTINATION, leaving.reference)
            self._inquiry.ask(leaving, task, partial(self._resolved, leaving))

    def _resolved(self, leaving: Leaving, answer: Answer | MirrorError) -> None:
        if leaving.over or answer is None:
            leaving.over = True  # somebody else has deleted it
        elif isinstance(answer, Descriptor):
            leaving.digest = answer.digest
            self._delete(leaving, leaving.reference, self._tag_deleted)
        else:
            self._settle(leaving, Pruning.FAILED, as_error(answer))

    def _delete(
        self,
        leaving: Leaving,
        reference: Reference,
        then: Callable[[Leaving, Answer | MirrorError], None],
    ) -> None:
        if not self._rehearsing:
            self._tell(DestinationChanging(str(leaving.reference)))
        task = DeleteManifest(reference)
        self._asked.setdefault(task, []).append(leaving)
        self._inquiry.ask(leaving, task, partial(then, leaving))

    def _tag_deleted(self, leaving: Leaving, answer: Answer | MirrorError) -> None:
        if answer is not False or leaving.digest is None:
            self._deleted(leaving, answer)
        elif not leaving.over:
            # The registry deletes by digest only.
            leaving.begun = False
            repository = leaving.reference.repository
            then = partial(self._usage_known, leaving, leaving.digest)
            self.usages.ask(leaving, repository, leaving.digest, then)

    def _usage_known(self, leaving: Leaving, digest: Digest, user: str | MirrorError) -> None:
        if isinstance(user, MirrorError):
            self._settle(leaving, Pruning.FAILED, user)
        elif user:
            self._keep(leaving, f"this registry deletes digests only, and {user} uses this one")
        elif not leaving.over:
            by_digest = Reference(leaving.reference.repository, digest=digest)
            self._delete(leaving, by_digest, self._deleted)

    def _deleted(self, leaving: Leaving, answer: Answer | MirrorError) -> None:
        if answer is True:
            done = Pruning.PLANNED if self._rehearsing else Pruning.PRUNED
            self._settle(leaving, done)
        else:
            self._settle(leaving, Pruning.FAILED, as_error(answer))

    def _keep(self, leaving: Leaving, why: str) -> None:
        place = Place(Side.DESTINATION, str(leaving.reference), "deleting the tag")
        self._settle(leaving, Pruning.KEPT, Refused(why, hint="").at(place))

    def _settle(self, leaving: Leaving, outcome: Pruning, error: MirrorError | None = None) -> None:
        if leaving.over:
            return
        leaving.over = True
        origin, name = str(leaving.rule.origin), name_of(leaving.rule.terms)
        self._tell(
            PruneSettled(str(leaving.reference), origin, outcome, leaving.digest, error, name)
        )
