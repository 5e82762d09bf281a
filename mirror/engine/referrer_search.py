"""What refers to an image, to what it lists, and to whatever refers to those.

Registries have it in lists of their own, behind tags that stand for such lists,
and behind tags of cosign; the tags are told by the repository's tag list, which
is read once.  Everything is asked about once, so that manifests that refer to each other
in a circle ends.  Distribution specification 1.1, "Listing Referrers".
"""

from dataclasses import dataclass, field

from anyio.abc import TaskGroup

from mirror.engine.concurrency import together
from mirror.engine.run_state import Run
from mirror.errors import NotFound, RegistryError
from mirror.image.digest import Digest
from mirror.image.digest_tag import cosign_tags, fallback_tag, is_digest_tag
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.wire.referrers import Fallback


@dataclass(slots=True)
class ReferrerSearch:
    """What refers to one image and to what it lists."""

    lists: dict[Digest, dict[Digest, Descriptor]] = field(default_factory=dict)
    """What refers to each subject, by its digest."""
    tags: dict[str, Digest] = field(default_factory=dict)
    """Tags that are made of a subject's digest, and what they name."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.lists or self.tags)


async def find_referrers(
    run: Run, source: Repository, image: Descriptor | Manifest
) -> ReferrerSearch:
    """Return everything that refers to an image at its source."""
    tags: frozenset[str] | None = None
    try:
        names = (await run.listings.tags(source)).names
        tags = frozenset(tag for tag in names if is_digest_tag(tag))
    except RegistryError:
        pass  # some logins may read tags and not list them: then each that there could be is tried
    async with together() as tasks:
        search = _Search(run, source, image.digest, tags, tasks)
        search.follow(image)
    return search.found


class _Search:
    """One image's search; each question is a task of the group."""

    def __init__(
        self,
        run: Run,
        source: Repository,
        image: Digest,
        tags: frozenset[str] | None,
        tasks: TaskGroup,
    ) -> None:
        """``tags`` are the source's that are made of digests; None if it does not say."""
        self.found = ReferrerSearch()
        self._run = run
        self._source = source
        self._image = image
        self._tags = tags
        self._tasks = tasks
        self._followed: set[Digest] = set()

    def follow(self, one: Descriptor | Manifest) -> None:
        """Ask for the referrers of a manifest and of its children."""
        if one.digest in self._followed:
            return
        self._followed.add(one.digest)
        self._tasks.start_soon(self._list, one.digest)
        for tag in cosign_tags(one.digest):
            if self._tags is None or tag in self._tags:
                self._tasks.start_soon(self._resolve, tag)
        if isinstance(one, Descriptor):
            one = self._run.source.kept(one.digest) or one
        if isinstance(one, Manifest):
            self._follow_children(one)
        elif one.may_be_index:
            self._tasks.start_soon(self._read, one)

    async def _list(self, subject: Digest) -> None:
        tag = fallback_tag(subject)
        if self._tags is None:
            fallback = Fallback.INSTEAD
        else:
            fallback = Fallback.BESIDES if tag in self._tags else Fallback.ABSENT
        listed = await self._run.source.referrers(self._source, subject, fallback)
        # The image itself may be said to refer to a part of it, but comes in any case.
        referrers = {one.digest: one for one in listed.referrers if one.digest != self._image}
        if referrers:
            self.found.lists[subject] = referrers
        if listed.alone is not None:
            self.found.tags[tag] = listed.alone.digest
            self.follow(listed.alone)
        for one in referrers.values():
            self.follow(one)

    async def _resolve(self, tag: str) -> None:
        try:
            found = await self._run.source.resolve(Reference(self._source, tag))
        except NotFound:
            return  # it is gone
        self.found.tags[tag] = found.digest
        self.follow(found)

    async def _read(self, one: Descriptor) -> None:
        try:
            manifest = await self._run.source.manifest(self._source, one.digest)
        except NotFound:
            if one.may_be_blob:
                return
            raise
        self._follow_children(manifest)

    def _follow_children(self, manifest: Manifest) -> None:
        for child in manifest.manifests:
            self.follow(child)
