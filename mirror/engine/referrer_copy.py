"""Referrers of an image: found at its source, copied, and listed as the destination does.

Registries have them in lists of their own, behind tags that stand for such lists, and behind
tags of cosign; the tags are told by the repository's tag list, which is read once.
Everything is asked about once, so that manifests that refer to each other in a circle end.

    what the destination lacks --> copied like any other manifest
    the lists of a registry that keeps none itself --> read, and added to

Only one writer adds to such a list at a time.  Distribution specification 1.1, "Listing
Referrers" and "Pushing Manifests with Subject".
"""

from anyio.abc import TaskGroup
from msgspec import Struct, field

from mirror.effort import current_effort
from mirror.engine.manifest_copy import copy_contents, copy_parts, put_complete
from mirror.engine.run_state import Route, Run
from mirror.engine.task_groups import task_group
from mirror.errors import NotFound, NothingRefers, Refused, RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_MANIFEST, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.image.referrers_index import cosign_tags, fallback_tag, is_digest_tag, subject_of
from mirror.place import Place, Side
from mirror.wire.referrers import Fallback


class ReferrerSearch(Struct):
    """The referrers of one image and of its children."""

    lists: dict[Digest, dict[Digest, Descriptor]] = field(default_factory=dict)
    """The referrers of each subject, by its digest."""
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
    async with task_group() as tasks:
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


_OURS = "A list may be there; move that tag away if it is not needed."

Unlisted = dict[Digest, tuple[Descriptor, ...]]
"""What has to be added to the lists of a destination, by subject."""


async def wanted_referrers(
    run: Run, route: Route, image: Descriptor | Manifest, tag: str | None, *, required: bool
) -> ReferrerSearch | None:
    """Return the referrers that are to be copied with an image; None if there are none.

    None too if this run has copied them already.  Raises NothingRefers if something is
    required and there is nothing.
    """
    known = run.referrers_brought.get((route, image.digest))
    found = None
    if known is None:
        found = await find_referrers(run, route.source, image)
        if not found:
            run.referrers_brought[route, image.digest] = False
    # What is itself a signature or a list of them needs none.
    if required and not (known or found) and not is_digest_tag(tag or ""):
        place = Place(Side.SOURCE, f"{route.source}@{image.digest}", "looking for referrers")
        raise NothingRefers("nothing refers to it").at(place)
    return found or None


async def copy_referrers(run: Run, route: Route, image: Digest, referrers: ReferrerSearch) -> None:
    """Copy the referrers of an image, and have the destination list them."""
    unlisted: Unlisted = {}
    async with task_group() as tasks:
        for subject, found in referrers.lists.items():
            tasks.start_soon(_copy_list, run, route, subject, found, unlisted)
        for tag, digest in referrers.tags.items():
            tasks.start_soon(_copy_tag, run, route, tag, digest)
    async with task_group() as tasks:
        for subject, missing in unlisted.items():
            tasks.start_soon(add_to_list, run, route.destination, subject, missing)
    run.referrers_brought[route, image] = True


async def _copy_list(
    run: Run,
    route: Route,
    subject: Digest,
    referrers: dict[Digest, Descriptor],
    unlisted: Unlisted,
) -> None:
    """Copy the referrers that the destination does not list for a subject."""
    listed = await run.destination.referrers(route.destination, subject)
    there = {one.digest for one in listed.referrers}
    missing = tuple(one for digest, one in referrers.items() if digest not in there)
    # Whatever their list says of them: only manifests refer to something.
    manifests = [Descriptor(one.digest, one.size, OCI_MANIFEST) for one in missing]
    await copy_parts(run, route, (), manifests, 1)
    if missing and not listed.listed:
        unlisted[subject] = missing


async def _copy_tag(run: Run, route: Route, tag: str, digest: Digest) -> None:
    """Copy what a tag names that is made of a digest, unless it is there."""
    reference = Reference(route.destination, tag)
    found = await run.destination.resolve(reference)
    if found is not None and found.digest == digest:
        return
    if found is not None and subject_of(tag) is not None:
        place = Place(Side.DESTINATION, str(reference), "comparing referrers")
        error = Refused("the tag names something that others may have put there", hint=_OURS)
        raise error.at(place)
    manifest = await run.source.manifest(route.source, digest)
    await copy_contents(run, route, manifest, 1)
    await put_complete(run, route, manifest, reference, 1)


async def add_to_list(
    run: Run,
    repository: Repository,
    subject: Digest,
    referrers: tuple[Descriptor, ...],
    whole: Manifest | None = None,
) -> None:
    """Add to the list that a tag stands for; one that is not there becomes ``whole``, if given."""
    async with run.list_writers.turn(repository, subject):
        if await run.destination.merge_referrers(repository, subject, referrers, whole):
            current_effort().begin()


async def missing_of_list(
    run: Run, repository: Repository, subject: Digest, index: Manifest, *, named: bool
) -> Manifest:
    """Return a list of referrers with those that the destination's list has not.

    All of it, unless something is ``named`` by its tag there.
    """
    listed = await run.destination.referrers(repository, subject, Fallback.BESIDES)
    if not named:
        return index
    there = {one.digest for one in listed.referrers}
    return index.with_children(tuple(one for one in index.manifests if one.digest not in there))
