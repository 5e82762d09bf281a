"""Who still uses a digest of a destination repository: its tags, its indexes, its referrers.

Where a registry deletes digests only, a digest takes along every tag that names it and
breaks every index that lists it; so all other tags are looked up first, and what mappings
want by digest, each down to its last child.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import MirrorError, Side
from mirror.events import Effort
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

_MAPPING = "a mapping"


@dataclass(slots=True, eq=False)
class _Scan(Asker):
    """One repository: what uses which digest in it, once all of its tags were looked at."""

    repository: Repository
    effort: Effort = field(default_factory=Effort)
    names: tuple[str, ...] = ()
    users: defaultdict[Digest, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Tags, or `_MAPPING`, by what they lead to."""
    named: dict[str, Digest] = field(default_factory=dict)
    """What each tag names itself."""
    unanswered: int = 1
    error: MirrorError | None = None
    waiting: list[Callable[[], None]] = field(default_factory=list)

    @property
    def abandoned(self) -> bool:
        """See `Asker`; who asked first may be done before those who wait too."""
        return False


class Usages:
    """Digests that are used, by repository; each repository is looked at once."""

    def __init__(self, inquiry: Inquiry, listings: Listings) -> None:
        self._inquiry = inquiry
        self._listings = listings
        self._scans: dict[Repository, _Scan] = {}
        self._wanted: defaultdict[Repository, set[Digest]] = defaultdict(set)
        self._going: defaultdict[Repository, set[str]] = defaultdict(set)

    def keep(self, repository: Repository, digest: Digest) -> None:
        """Learn that a manifest is wanted for its own sake, with everything below it."""
        self._wanted[repository].add(digest)

    def expect_gone(self, reference: Reference) -> None:
        """Learn of a tag that is to be deleted, and so does not count."""
        self._going[reference.repository].add(reference.tag or "")

    def ask(self, asker: Asker, repository: Repository, digest: Digest, then: Known) -> None:
        """Have `then` called with who uses a digest."""
        scan = self._scans.get(repository)
        if scan is None:
            scan = self._scans[repository] = _Scan(repository)
            task = ListTags(repository, Side.DESTINATION)
            self._listings.ask(scan, task, partial(self._listed, scan))
        answer = partial(self._answer, scan, asker, digest, then)
        if scan.unanswered:
            scan.waiting.append(answer)
        else:
            answer()

    def _listed(self, scan: _Scan, answer: Answer | MirrorError) -> None:
        if isinstance(answer, Names):
            scan.names = answer.names
            for tag in answer.names:
                resolve = Resolve(Side.DESTINATION, Reference(scan.repository, tag))
                self._ask(scan, resolve, partial(self._resolved, scan, tag))
        else:
            scan.error = as_error(answer)
        for digest in self._wanted[scan.repository]:
            self._use(scan, Descriptor(digest, 0), _MAPPING, depth=0)
        self._answered(scan)

    def _ask(self, scan: _Scan, task: Task, then: Callable[[Answer | MirrorError], None]) -> None:
        scan.unanswered += 1
        self._inquiry.ask(scan, task, then)

    def _resolved(self, scan: _Scan, tag: str, answer: Answer | MirrorError) -> None:
        if isinstance(answer, Descriptor):
            scan.named[tag] = answer.digest
            self._use(scan, answer, tag, depth=0)
        elif answer is not None:
            scan.error = as_error(answer)
        self._answered(scan)

    def _use(self, scan: _Scan, used: Descriptor, user: str, *, depth: int) -> None:
        """Note a digest that is used, and ask what it names if it may be an index."""
        if user in scan.users[used.digest]:
            return
        scan.users[used.digest].add(user)
        if used.may_be_index and depth < DEPTH_LIMIT:
            task = ReadManifest(scan.repository, used.digest, Side.DESTINATION)
            self._ask(scan, task, partial(self._read, scan, user, depth))

    def _read(self, scan: _Scan, user: str, depth: int, answer: Answer | MirrorError) -> None:
        if isinstance(answer, Manifest):
            for child in answer.manifests:
                self._use(scan, child, user, depth=depth + 1)
        else:
            scan.error = as_error(answer)
        self._answered(scan)

    def _answered(self, scan: _Scan) -> None:
        scan.unanswered -= 1
        if not scan.unanswered:
            waiting, scan.waiting = scan.waiting, []
            for answer in waiting:
                answer()

    def _answer(self, scan: _Scan, asker: Asker, digest: Digest, then: Known) -> None:
        # A tag that goes may still be kept: what is below it goes a night later.
        going = {tag for tag in self._going[scan.repository] if scan.named.get(tag) == digest}
        users = scan.users.get(digest, set()) - going
        signatures = {*cosign_tags(digest), fallback_tag(digest)} & set(scan.names)
        if scan.error is not None:
            then(scan.error)
        elif users or signatures:
            name = min(users or signatures)
            then(name if name == _MAPPING else f"the tag {name}")
        else:
            task = ReadManifest(scan.repository, digest, Side.DESTINATION)
            read = partial(self._itself_read, asker, scan.repository, digest, then)
            self._inquiry.ask(asker, task, read)

    def _itself_read(
        self,
        asker: Asker,
        repository: Repository,
        digest: Digest,
        then: Known,
        answer: Answer | MirrorError,
    ) -> None:
        """Go on if it refers to nothing itself: a signature is its subject's."""
        if not isinstance(answer, Manifest):
            then(as_error(answer))
        elif answer.subject is not None:
            then(f"{answer.subject}, to which it refers,")
        else:
            task = ListReferrers(Side.DESTINATION, repository, digest, Fallback.ABSENT)
            self._inquiry.ask(asker, task, partial(self._referred, then))

    def _referred(self, then: Known, answer: Answer | MirrorError) -> None:
        if isinstance(answer, ReferrerList):
            then("a referrer" if answer.referrers or answer.alone is not None else "")
        else:
            then(as_error(answer))
