"""What still uses a digest of a destination repository: its tags, its indexes, its referrers.

Where a registry deletes digests only, a digest takes along every tag that names it and
breaks every index that lists it; so all other tags are looked up first, and what mappings
want by digest, each down to its last child.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from anyio.abc import TaskGroup

from mirror.engine.concurrency import together
from mirror.engine.listings import Listings
from mirror.engine.repository_access import Destination
from mirror.engine.single_flight import SharedWork
from mirror.errors import MirrorError
from mirror.image.digest import Digest
from mirror.image.digest_tag import cosign_tags, fallback_tag
from mirror.image.manifest import DEPTH_LIMIT, Descriptor
from mirror.image.reference import Reference, Repository
from mirror.place import Side
from mirror.wire.referrers import Fallback

_MAPPING = "a mapping"


@dataclass(slots=True, eq=False)
class _Scan:
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
        self._flights: SharedWork[_Scan] = SharedWork(tasks)
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
        manifest = await self._destination.manifest(repository, digest)
        if manifest.subject is not None:
            return f"{manifest.subject}, to which it refers,"  # a signature is its subject's
        listed = await self._destination.referrers(repository, digest, Fallback.ABSENT)
        return "a referrer" if listed.referrers or listed.alone is not None else ""

    async def _scan(self, repository: Repository) -> _Scan:
        """Look at all tags of a repository, once; an error is the answer to all who ask."""
        known = self._scans.get(repository)
        if known is None:
            try:
                known = await self._flights.do(repository, lambda: self._look(repository))
            except MirrorError as error:
                known = error
            self._scans[repository] = known
        if isinstance(known, MirrorError):
            raise known
        return known

    async def _look(self, repository: Repository) -> _Scan:
        scan = _Scan(repository)
        scan.names = (await self._listings.tags(repository, Side.DESTINATION)).names
        async with together() as tasks:
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
