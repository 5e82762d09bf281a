"""One pair: both sides compared, what differs copied, the tag last."""

from mirror.effort import current_effort
from mirror.engine.ledger import Remembered
from mirror.engine.manifest_copy import by_digest, copy_contents, put_complete
from mirror.engine.referrer_copy import (
    ReferrerSearch,
    add_to_list,
    copy_referrers,
    missing_of_list,
    wanted_referrers,
)
from mirror.engine.run_state import Route, Run
from mirror.engine.task_groups import both, task_group
from mirror.errors import Denied, MirrorError, NotFound, placed
from mirror.events import DestinationChanging, ImageSettled, Status
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.platform_filter import apply_platform_filter
from mirror.image.reference import Reference
from mirror.image.referrers_index import subject_of
from mirror.mapping.wildcard import Pair
from mirror.place import Place, Side

# The blobs of an image are guessed from the size of its manifest, before they are known: a
# descriptor takes about 200 bytes, and one in an index, 250 with its platform, stands for
# about four blobs.
_BYTES_PER_BLOB = 200
_BYTES_PER_BLOB_IN_INDEX = 60
# Before anything is known: the children of an index are read side by side.
_AT_LEAST = 2


class ImageCopy:
    """One pair on its way, and what is known of both its sides by now."""

    def __init__(self, run: Run, pair: Pair) -> None:
        self.pair = pair
        self.missing = False
        """Whether its source turned out not to have it."""
        self._run = run
        self._options = pair.options or run.rule_options
        self._route = Route(pair.source.repository, pair.destination.repository)
        self._destination = pair.destination
        self._source_digest = pair.source.digest
        self._source_descriptor: Descriptor | None = None
        self._selection = self._options.selection
        self._destination_digest: Digest | None = None
        self._wanted_digest = pair.source.digest
        self._recalled = False

    async def copy(self) -> Status:
        """Bring what the source reference names to the destination reference.

        Afterwards the destination names the same digest, or that of what the platform
        filter left, and everything below it is there.  Raises MirrorError; then the
        destination's tag names what it named before.
        """
        known = self._remembered()
        if known is not None and self._never_moves(known):
            self._recall(known)
            return Status.UNCHANGED
        self._prepare_connections(_AT_LEAST)
        await self._compare(known)
        try:
            await self._copy_unless_there(remembered=known is not None)
        except NotFound as error:
            await self._look_again(error)
            await self._copy_unless_there(remembered=known is not None)
        if not current_effort().begun:
            return Status.UNCHANGED
        return Status.COPIED if self._run.destination.writes else Status.PLANNED

    def settled(self, status: Status, error: MirrorError | None = None) -> ImageSettled:
        """Return how it ended, and what it came to."""
        effort, new = current_effort(), status in (Status.COPIED, Status.PLANNED)
        return ImageSettled(
            self.pair.source,
            self._destination,
            str(self.pair.origin),
            status,
            self._wanted_digest,
            effort.bytes_copied if status is not Status.PLANNED else 0,
            effort.attempts,
            error,
            self._source_digest,
            rule=self._options.name,
            wanted=self._options.wanted,
            replaced=self._destination_digest
            if new and self._destination_digest != self._wanted_digest
            else None,
            recalled=self._recalled,
        )

    def _remembered(self) -> Remembered | None:
        """Return what earlier runs saw at the destination; a folder may have been changed."""
        if self._run.options.force or self._route.destination.registry.is_local:
            return None
        return self._run.recall(self._destination, self._options.wanted)

    def _never_moves(self, known: Remembered) -> bool:
        """Whether the image need not be looked at at all, as long as it is remembered."""
        immutable = self._options.tag_filter.is_immutable(self.pair.source.tag or "")
        return immutable and not known.sampled and known.named == str(self.pair.source)

    def _recall(self, known: Remembered) -> None:
        """Take over the digests of both sides from the ledger, without asking either."""
        self._recalled = True
        self._source_digest, self._destination_digest, self._wanted_digest = (
            known.source,
            known.digest,
            known.digest,
        )
        self._selection = None

    async def _compare(self, known: Remembered | None) -> None:
        """Find out what both sides name; a ledger may vouch for the destination."""
        if known is None or not known.fresh:
            await both(self._look_at_source, self._look_at_destination)
            return
        await self._look_at_source()
        if known.source == self._source_digest:
            self._recall_destination(known)
        else:
            await self._look_at_destination()

    def _recall_destination(self, known: Remembered) -> None:
        self._recalled, self._destination_digest = True, known.digest
        if not self._options.referrers:
            self._recall(known)

    async def _look_at_source(self) -> None:
        """Find out what the source names: a digest says so itself, and a list may have."""
        if self._source_digest is not None:
            return
        found = self._run.listings.described(self.pair.source)
        try:
            self._see_source(found or await self._run.source.resolve(self.pair.source))
        except NotFound:
            self.missing = True
            raise

    def _see_source(self, found: Descriptor) -> None:
        self._source_descriptor, self._source_digest, self._wanted_digest = (
            found,
            found.digest,
            found.digest,
        )
        self._selection = self._options.selection if found.may_be_index else None

    async def _look_at_destination(self) -> None:
        if self._run.options.force:
            return
        try:
            found = await self._run.destination.resolve(self._destination)
        except Denied:
            return  # some logins may push and not look; the push says so if not
        if found is not None:
            self._destination_digest = found.digest
            self._run.known.found_repository(self._route.destination)

    async def _look_again(self, error: NotFound) -> None:
        """Look the tag up once more, since something that it named is not there any more.

        Raises the error again if the tag names the same.
        """
        at_source = error.place is not None and error.place.side is Side.SOURCE
        if not at_source or self.pair.source.digest is not None:
            raise error
        before = self._source_digest
        try:
            found = await self._run.source.resolve(self.pair.source)
        except NotFound:
            self.missing = True
            raise
        except MirrorError:
            raise error from None
        if found.digest == before:
            raise error
        current_effort().begun = False
        self._see_source(found)

    async def _copy_unless_there(self, *, remembered: bool) -> None:
        assert self._source_digest is not None, "both sides have answered"
        if self._source_digest == self._destination_digest and self._selection is None:
            await self._complete_referrers(
                self._source_descriptor or Descriptor(self._source_digest, 0)
            )
            return
        if self._recalled and not self._options.referrers:
            return
        self._prepare_connections(
            _expected_blobs(self._source_descriptor) if self._source_descriptor is not None else 1
        )
        if remembered and self._run.destination.writes:
            self._run.emit(DestinationChanging(self.pair.destination))
        wanted = await self._filter(await self._read(self._source_digest))
        if await self._is_there(wanted):
            await self._complete_referrers(wanted)
        elif isinstance(wanted, Manifest):
            await self._copy(wanted)
        elif _is_same(self._destination_digest, only := await self._read(wanted.digest)):
            await self._complete_referrers(only)
        else:
            await self._copy(only)

    async def _read(self, digest: Digest) -> Manifest:
        """Return a manifest of the source."""
        try:
            return await self._run.source.manifest(self._route.source, digest)
        except NotFound:
            # Of what is named by its digest, nothing else has asked the source before.
            self.missing = digest == self.pair.source.digest
            raise

    async def _filter(self, manifest: Manifest) -> Manifest | Descriptor:
        """Return what the platform filter leaves; see `mirror.image.platform_filter`."""
        if self._selection is None or not manifest.is_index:
            return manifest
        place = Place(Side.SOURCE, f"{self._route.source}@{manifest.digest}", "choosing platforms")
        with placed(place):
            left = apply_platform_filter(manifest, self._selection)
        self._wanted_digest = left.digest
        if left.digest != manifest.digest and self._destination.tag is None:
            # Its name at the destination is another one too, and was not looked up yet.
            self._destination = Reference(self._route.destination, digest=left.digest)
            await self._look_at_destination()
        return left

    async def _is_there(self, wanted: Manifest | Descriptor) -> bool:
        """Whether the destination names what is wanted, with everything that is wanted of it."""
        if not _is_same(self._destination_digest, wanted):
            return False
        sparse = self._selection is not None and self._selection.keep_index
        if not sparse or not isinstance(wanted, Manifest):
            return True
        # Behind an index that is kept whole there may be fewer platforms than now.
        missing: list[Digest] = []
        async with task_group() as tasks:
            for digest in {child.digest for child in wanted.manifests}:
                tasks.start_soon(self._look_for_child, digest, missing)
        return not missing

    async def _look_for_child(self, digest: Digest, missing: list[Digest]) -> None:
        try:
            found = await self._run.destination.check_manifest(
                self._route.destination, digest, deep=False
            )
        except MirrorError:
            found = False  # or not ours to see: then the push decides
        if found:
            self._run.known.add_manifest(self._route.destination, digest)
        else:
            missing.append(digest)

    async def _complete_referrers(self, image: Manifest | Descriptor) -> None:
        """Copy the referrers of an image that is there."""
        referrers = await self._find_referrers(image) if self._options.referrers else None
        if referrers is None:
            return
        if not (isinstance(image, Manifest) and image.sparse):
            self._run.known.add_manifest(self._route.destination, image.digest)
        await copy_referrers(self._run, self._route, image.digest, referrers)

    async def _copy(self, manifest: Manifest) -> None:
        """Copy a manifest: what it names, itself, its referrers, and the tag last."""
        run, route, tag = self._run, self._route, self._destination.tag
        self._wanted_digest = manifest.digest
        list_of = subject_of(tag) if tag is not None and self._options.referrers else None
        if list_of is not None and manifest.may_be_list_of(list_of):
            await self._copy_list(manifest, list_of)
            return
        referrers = await self._find_referrers(manifest) if self._options.referrers else None
        await copy_contents(run, route, manifest)
        if referrers is not None and route.source != route.destination:
            await put_complete(run, route, manifest, by_digest(route.destination, manifest))
            await copy_referrers(run, route, manifest.digest, referrers)
            if tag is None:
                return
        await put_complete(run, route, manifest, self._destination)

    async def _copy_list(self, index: Manifest, subject: Digest) -> None:
        """Bring what a list of referrers names, and add it to what others have listed there."""
        named = self._destination_digest is not None
        repository = self._route.destination
        left = await missing_of_list(self._run, repository, subject, index, named=named)
        if left.manifests:
            await copy_contents(self._run, self._route, left)
            await add_to_list(self._run, repository, subject, left.manifests, left)

    async def _find_referrers(self, image: Manifest | Descriptor) -> ReferrerSearch | None:
        return await wanted_referrers(
            self._run, self._route, image, self._destination.tag,
            required=self._options.require_referrers,
        )  # fmt: skip

    def _prepare_connections(self, requests: int) -> None:
        """Have connections ready for so many requests at once, to both registries."""
        self._run.prepare_connections(self.pair, requests)


def _expected_blobs(manifest: Descriptor) -> int:
    """Guess how many blobs are behind a manifest, by its size."""
    per_blob = _BYTES_PER_BLOB_IN_INDEX if manifest.is_index else _BYTES_PER_BLOB
    return max(1, manifest.size // per_blob)


def _is_same(present: Digest | None, wanted: Manifest | Descriptor) -> bool:
    """Whether a destination names this, by whichever algorithm."""
    if present is None or present == wanted.digest:
        return present is not None
    if present.algorithm == wanted.digest.algorithm or not isinstance(wanted, Manifest):
        return False
    return Digest.of(wanted.content, present.algorithm) == present
