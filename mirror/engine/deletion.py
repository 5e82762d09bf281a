"""Tags on their way out of a destination, one by one.

    its sources, asked once more: not there --> what it names --> the tag is deleted
                                                 no tags are deleted there --> is the digest
                                                 used otherwise? --> the digest is deleted

What was listed some time ago may be wrong by now, so that no tag goes that its source
still names when it is asked for it.  Every tag has one outcome, but for those that were gone
already, which have none.

Some registries delete by digest only, which removes every tag with that digest and breaks
every index that lists it.  So all other tags are resolved first, and all digests that
mappings want, each down to its last child.
"""

from collections import defaultdict
from collections.abc import Iterable

from anyio.abc import TaskGroup
from msgspec import Struct, field

from mirror.engine.listings import Listings
from mirror.engine.repository_access import Destination, Source
from mirror.engine.single_flight import SharedWork
from mirror.engine.task_groups import task_group
from mirror.errors import MirrorError, NotFound, Refused
from mirror.events import DestinationChanging, Emit, PruneSettled, PruneStatus
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, Descriptor
from mirror.image.reference import Reference, Repository
from mirror.image.referrers_index import cosign_tags, fallback_tag
from mirror.mapping.grammar import Rule
from mirror.mapping.rule_options import name_of
from mirror.place import Place, Side
from mirror.wire.referrers import Fallback

_MAPPING = "a mapping"


class _Scan(Struct, eq=False):
    """One repository: what uses which digest in it."""

    repository: Repository
    names: tuple[str, ...] = ()
    users: defaultdict[Digest, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Tags, or `_MAPPING`, by what they lead to."""
    named: dict[str, Digest] = field(default_factory=dict)
    """What each tag names itself."""


class Usages:
    """Digests that are used, by repository; each repository is looked at once."""

    def __init__(self, destination: Destination, listings: Listings, tasks: TaskGroup) -> None:
        self._destination = destination
        self._listings = listings
        self._flights: SharedWork[None] = SharedWork(tasks)
        self._scans: dict[Repository, _Scan | MirrorError] = {}
        self._wanted: defaultdict[Repository, set[Digest]] = defaultdict(set)
        self._going: defaultdict[Repository, set[str]] = defaultdict(set)

    def keep(self, repository: Repository, digest: Digest) -> None:
        """Note a manifest that is wanted for its own sake, with everything below it."""
        self._wanted[repository].add(digest)

    def expect_gone(self, reference: Reference) -> None:
        """Note a tag that is to be deleted, and so does not count."""
        self._going[reference.repository].add(reference.tag or "")

    async def user_of(self, repository: Repository, digest: Digest) -> str:
        """Return what uses a digest, in words; empty for nothing.

        Raises MirrorError if that cannot be found out.
        """
        scan = await self._scan(repository)
        # A tag that goes may still be kept: what is below it goes a night later.
        going = {tag for tag in self._going[repository] if scan.named.get(tag) == digest}
        users = scan.users.get(digest, set()) - going
        signatures = {*cosign_tags(digest), fallback_tag(digest)} & set(scan.names)
        if users or signatures:
            name = min(users or signatures)
            return name if name == _MAPPING else f"the tag {name}"
        try:
            manifest = await self._destination.manifest(repository, digest)
        except NotFound:
            return ""  # it went with another tag that named it
        if manifest.subject is not None:
            return f"{manifest.subject}, to which it refers,"  # a signature is its subject's
        listed = await self._destination.referrers(repository, digest, Fallback.ABSENT)
        return "a referrer" if listed.referrers or listed.alone is not None else ""

    async def _scan(self, repository: Repository) -> _Scan:
        """Look at all tags of a repository, once; an error is the answer to all who ask."""
        if repository not in self._scans:
            await self._flights.do(repository, lambda: self._scan_once(repository))
        known = self._scans[repository]
        if isinstance(known, MirrorError):
            raise known
        return known

    async def _scan_once(self, repository: Repository) -> None:
        # It is kept before the work is over: a caller that comes in between would begin again.
        try:
            self._scans[repository] = await self._look(repository)
        except MirrorError as error:
            self._scans[repository] = error

    async def _look(self, repository: Repository) -> _Scan:
        scan = _Scan(repository)
        scan.names = (await self._listings.tags(repository, Side.DESTINATION)).names
        async with task_group() as tasks:
            for tag in scan.names:
                tasks.start_soon(self._look_at_tag, scan, tag, tasks)
            for digest in self._wanted[repository]:
                self._use(scan, Descriptor(digest, 0), _MAPPING, 0, tasks)
        return scan

    async def _look_at_tag(self, scan: _Scan, tag: str, tasks: TaskGroup) -> None:
        found = await self._destination.resolve(Reference(scan.repository, tag))
        if found is not None:
            scan.named[tag] = found.digest
            self._use(scan, found, tag, 0, tasks)

    def _use(self, scan: _Scan, used: Descriptor, user: str, depth: int, tasks: TaskGroup) -> None:
        """Note a digest that is used, and ask what it names if it may be an index."""
        if user in scan.users[used.digest]:
            return
        scan.users[used.digest].add(user)
        if used.may_be_index and depth < DEPTH_LIMIT:
            tasks.start_soon(self._use_children, scan, used.digest, user, depth, tasks)

    async def _use_children(
        self, scan: _Scan, digest: Digest, user: str, depth: int, tasks: TaskGroup
    ) -> None:
        manifest = await self._destination.manifest(scan.repository, digest)
        for child in manifest.manifests:
            self._use(scan, child, user, depth + 1, tasks)


class TagDeletion(Struct, eq=False):
    """A tag that is to go, and the sources that should have it no more."""

    reference: Reference
    rule: Rule
    sources: tuple[Reference, ...]
    digest: Digest | None = None
    """What it names."""
    begun: bool = False
    """Whether its deletion was sent."""
    over: bool = False


class _Kept(Exception):
    """A tag stays, for a reason that is not a failure."""


class Deletion:
    """The tags of a run that are to go."""

    def __init__(
        self, source: Source, destination: Destination, usages: Usages, emit: Emit
    ) -> None:
        self.usages = usages
        self._source = source
        self._destination = destination
        self._emit = emit
        self._known: dict[Reference, TagDeletion] = {}
        self._closed = False

    async def delete(self, deletions: Iterable[TagDeletion]) -> None:
        """Delete tags, except those that were asked for before; emit the outcome of each."""
        fresh = [one for one in deletions if self._known.setdefault(one.reference, one) is one]
        for one in fresh:
            self.usages.expect_gone(one.reference)
            if self._closed:
                self._settle(one, PruneStatus.DEFERRED)
        if self._closed:
            return
        async with task_group() as tasks:
            for one in fresh:
                tasks.start_soon(self._delete, one)

    def close(self) -> None:
        """Send no deletion more; those that are sent come to their end."""
        self._closed = True
        for one in self._known.values():
            if not one.begun:
                self._settle(one, PruneStatus.DEFERRED)

    def cancel_pending(self) -> None:
        """Tell of all that has not come to its end."""
        for one in self._known.values():
            self._settle(one, PruneStatus.DEFERRED)

    async def _delete(self, deletion: TagDeletion) -> None:
        try:
            deleted = await self._delete_unless_kept(deletion)
        except _Kept as reason:
            place = Place(Side.DESTINATION, str(deletion.reference), "deleting the tag")
            self._settle(deletion, PruneStatus.KEPT, Refused(str(reason), hint="").at(place))
        except MirrorError as error:
            self._settle(deletion, PruneStatus.FAILED, error)
        else:
            if deleted:
                done = PruneStatus.PRUNED if self._destination.writes else PruneStatus.PLANNED
                self._settle(deletion, done)
            deletion.over = True

    async def _delete_unless_kept(self, deletion: TagDeletion) -> bool:
        """Delete a tag; return False if it was gone already.  Raises _Kept where it has to stay."""
        async with task_group() as tasks:
            for source in deletion.sources:
                tasks.start_soon(self._check_gone, source)
        found = await self._destination.resolve(deletion.reference)
        if found is None or deletion.over:
            return False
        deletion.digest = found.digest
        if await self._send(deletion, deletion.reference):
            return True
        # The registry deletes by digest only.
        deletion.begun = False
        user = await self.usages.user_of(deletion.reference.repository, found.digest)
        if user:
            raise _Kept(f"this registry deletes digests only, and {user} uses this one")
        if deletion.over:
            return False
        return await self._send(
            deletion, Reference(deletion.reference.repository, digest=found.digest)
        )

    async def _check_gone(self, source: Reference) -> None:
        """Raise _Kept if a source has a tag that it did not list."""
        try:
            await self._source.resolve(source)
        except NotFound:
            return
        raise _Kept(f"{source} is there, though it was not listed")

    async def _send(self, deletion: TagDeletion, reference: Reference) -> bool:
        if self._destination.writes:
            self._emit(DestinationChanging(deletion.reference))
        deletion.begun = True
        return await self._destination.delete(reference)

    def _settle(
        self, deletion: TagDeletion, outcome: PruneStatus, error: MirrorError | None = None
    ) -> None:
        if deletion.over:
            return
        deletion.over = True
        origin, name = str(deletion.rule.origin), name_of(deletion.rule.options)
        self._emit(PruneSettled(deletion.reference, origin, outcome, deletion.digest, error, name))
