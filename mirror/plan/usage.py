"""Who still uses a digest of a destination repository: its tags, its indexes, its referrers.

Where a registry deletes digests only, a digest takes along every tag that names it and
breaks every index that lists it; so all other tags are looked up first.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import MirrorError, Side
from mirror.image.digest import Digest
from mirror.image.digesttag import cosign_tags, fallback_tag
from mirror.image.manifest import DEPTH_LIMIT, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.plan.inquiry import Asker, Inquiry, as_error
from mirror.plan.listings import Listings
from mirror.plan.task import Answer, ListReferrers, ListTags, ReadManifest, Resolve, Task
from mirror.wire.listing import Names
from mirror.wire.referrers import Fallback, ReferrerList

Known = Callable[[str | MirrorError], None]
"""Takes who uses a digest, in words; empty for nobody, an error if that cannot be found out."""


@dataclass(slots=True, eq=False)
class _Repository:
    """What is used in a repository, once all of its tags were looked at."""

    going: set[str] = field(default_factory=set)
    """Tags that are to be deleted, which use nothing."""
    names: tuple[str, ...] = ()
    users: dict[Digest, str] = field(default_factory=dict)
    unanswered: int = 0
    asked: bool = False
    error: MirrorError | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)


class Usages:
    """Digests that are used, by repository; each repository is looked at once."""

    def __init__(self, inquiry: Inquiry, listings: Listings) -> None:
        self._inquiry = inquiry
        self._listings = listings
        self._repositories: defaultdict[Repository, _Repository] = defaultdict(_Repository)

    def keep(self, repository: Repository, digest: Digest) -> None:
        """Learn that a manifest is wanted for its own sake."""
        self._repositories[repository].users[digest] = "a mapping"

    def expect_gone(self, repository: Repository, tags: set[str]) -> None:
        """Learn of tags that are to be deleted, and so do not count."""
        self._repositories[repository].going |= tags

    def ask(self, asker: Asker, repository: Repository, digest: Digest, then: Known) -> None:
        """Have `then` called with who uses a digest."""
        known = self._repositories[repository]
        known.waiting.append(partial(self._answer, asker, repository, digest, then))
        if not known.asked:
            known.asked = True
            known.unanswered = 1
            task = ListTags(repository, Side.DESTINATION)
            self._listings.ask(asker, task, partial(self._listed, asker, repository, known))
        elif not known.unanswered:
            self._over(known)

    def _listed(
        self,
        asker: Asker,
        repository: Repository,
        known: _Repository,
        answer: Answer | MirrorError,
    ) -> None:
        if isinstance(answer, Names):
            known.names = answer.names
            for tag in answer.names:
                if tag not in known.going:
                    reference = Reference(repository, tag)
                    resolve = Resolve(Side.DESTINATION, reference)
                    then = partial(self._resolved, asker, reference, known)
                    self._ask(asker, known, resolve, then)
        else:
            known.error = as_error(answer)
        self._answered(known)

    def _ask(
        self,
        asker: Asker,
        known: _Repository,
        task: Task,
        then: Callable[[Answer | MirrorError], None],
    ) -> None:
        known.unanswered += 1
        self._inquiry.ask(asker, task, then)

    def _resolved(
        self,
        asker: Asker,
        reference: Reference,
        known: _Repository,
        answer: Answer | MirrorError,
    ) -> None:
        if isinstance(answer, Descriptor):
            user = f"the tag {reference.tag}"
            self._use(asker, reference.repository, known, answer, user, depth=0)
        elif answer is not None:
            known.error = as_error(answer)
        self._answered(known)

    def _use(
        self,
        asker: Asker,
        repository: Repository,
        known: _Repository,
        used: Descriptor,
        user: str,
        *,
        depth: int,
    ) -> None:
        """Note a digest that is used, and ask what it names if it may be an index."""
        if used.digest in known.users:
            return
        known.users[used.digest] = user
        if used.may_be_index and depth < DEPTH_LIMIT:
            task = ReadManifest(repository, used.digest, Side.DESTINATION)
            then = partial(self._read, asker, repository, known, user, depth)
            self._ask(asker, known, task, then)

    def _read(
        self,
        asker: Asker,
        repository: Repository,
        known: _Repository,
        user: str,
        depth: int,
        answer: Answer | MirrorError,
    ) -> None:
        if isinstance(answer, Manifest):
            for child in answer.manifests:
                self._use(asker, repository, known, child, user, depth=depth + 1)
        else:
            known.error = as_error(answer)
        self._answered(known)

    def _answered(self, known: _Repository) -> None:
        known.unanswered -= 1
        if not known.unanswered:
            self._over(known)

    def _over(self, known: _Repository) -> None:
        waiting, known.waiting = known.waiting, []
        for answer in waiting:
            answer()

    def _answer(self, asker: Asker, repository: Repository, digest: Digest, then: Known) -> None:
        known = self._repositories[repository]
        names = {*cosign_tags(digest), fallback_tag(digest)} & set(known.names)
        if known.error is not None:
            then(known.error)
        elif digest in known.users:
            then(known.users[digest])
        elif names:
            then(f"the tag {min(names)}")
        else:
            task = ListReferrers(Side.DESTINATION, repository, digest, Fallback.ABSENT)
            self._inquiry.ask(asker, task, partial(self._referred, then))

    def _referred(self, then: Known, answer: Answer | MirrorError) -> None:
        if isinstance(answer, ReferrerList):
            then("a referrer" if answer.referrers or answer.alone is not None else "")
        else:
            then(as_error(answer))
