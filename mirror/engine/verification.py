"""One pair, both sides compared: everything below what the source names is looked for.

    what the source names is read, and everything below it
    --each manifest and blob--> there / missing / something else
    --referrers, if they are wanted--> the same

What was found in a repository is not looked for again in the same run.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from anyio.abc import TaskGroup
from msgspec.structs import replace

from mirror.effort import current_effort
from mirror.engine.referrer_copy import wanted_referrers
from mirror.engine.run_state import Route, Run
from mirror.engine.task_groups import task_group
from mirror.errors import Differs, IntegrityError, MirrorError, NotFound, Unsupported, placed
from mirror.events import Condition, Difference, ImageSettled, Status
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, Descriptor, Manifest
from mirror.image.platform_filter import apply_platform_filter
from mirror.image.reference import Reference, Repository
from mirror.image.referrers_index import subject_of
from mirror.mapping.wildcard import Pair
from mirror.place import Place, Side
from mirror.wire.referrers import Fallback

# By which registries name what they are not told a name for.
_CANONICAL = "sha256"

Seen = set[tuple[Repository, Digest]]
"""What was found in a repository by this run."""


class Verification:
    """One pair that is verified: what should be at its destination, and what was found."""

    def __init__(self, run: Run, pair: Pair, seen: Seen) -> None:
        self.pair = pair
        self.route = Route(pair.source.repository, pair.destination.repository)
        self.manifests: dict[Digest, Manifest] = {}
        """Everything that should be there, parents before children."""
        self.differences: list[Difference] = []
        self.blobs: dict[Digest, tuple[Descriptor, bool]] = {}
        """The blobs that are not there, or, if so marked, are something else."""
        self.missing_manifests: set[Digest] = set()
        """The manifests that are not there, or are something else."""
        self.tags: dict[str, Digest] = {}
        """Tags that name nothing there, or something else, and what they should name."""
        self.unlisted_referrers: dict[Digest, tuple[Descriptor, ...]] = {}
        """What is missing in lists of referrers that tags stand for."""
        self.rechecks: list[tuple[Digest, Callable[[], Awaitable[bool]]]] = []
        """What to look for again after a repair, since something else was there, and how."""
        self.has_referrers = False
        """Whether anything refers to the image, which comes between its manifest and its tag."""
        self.source: Digest | None = None
        """What the source names."""
        self.root: Digest | None = None
        """What the destination should name."""
        self._run = run
        self._seen = seen
        self._unseen: list[tuple[Digest, Digest]] = []
        self._listed_as: Digest | None = None
        self._tasks: TaskGroup

    async def compare(self) -> None:
        """Look for everything of the pair; what differs is in ``differences``.

        Raises MirrorError if that cannot be found out.
        """
        tag, named = self.pair.destination.tag, list[Digest | None]()
        async with task_group() as tasks:
            self._tasks = tasks
            if tag is not None:
                tasks.start_soon(self._resolve, named)
            await self._expect(await self._read_root())
        self._note_unseen()
        if tag is not None and self.root is not None and self._listed_as is None:
            self._compare_tag(tag, self.root, named[0])

    def settled(self, status: Status, error: MirrorError | None = None) -> ImageSettled:
        """Return how it ended, and what it came to."""
        effort, pair = current_effort(), self.pair
        return ImageSettled(
            pair.source,
            pair.destination,
            str(pair.origin),
            status,
            self.root or self.source,
            effort.bytes_copied,
            effort.attempts,
            error,
            self.source,
            tuple(sorted(self.differences, key=str)),
            wanted=self._run.rule_options.wanted,
        )

    async def _resolve(self, named: list[Digest | None]) -> None:
        found = await self._run.destination.resolve(self.pair.destination)
        named.append(found.digest if found is not None else None)
        if found is not None:
            self._run.known.found_repository(self.route.destination)

    async def _read_root(self) -> Manifest:
        """Return what should be at the destination, as the platform filter leaves it."""
        run, source = self._run, self.route.source
        digest = self.pair.source.digest
        if digest is None:
            digest = self.source = (await run.source.resolve(self.pair.source)).digest
        manifest = await run.source.manifest(source, digest)
        self.source = manifest.digest
        selection = run.options.selection
        if selection is None or not manifest.is_index:
            return manifest
        place = Place(Side.SOURCE, f"{source}@{manifest.digest}", "choosing platforms")
        with placed(place):
            left = apply_platform_filter(manifest, selection)
        if isinstance(left, Manifest):
            return left
        return await run.source.manifest(source, left.digest)

    async def _expect(self, root: Manifest) -> None:
        """Look for the image, and for its referrers if they are wanted."""
        tag, options = self.pair.destination.tag, self._run.options
        if tag is not None and root.digest.algorithm != _CANONICAL:
            # A tag names what it names by this one.
            root = replace(root, digest=Digest.of(root.content))
        self.root = root.digest
        subject = subject_of(tag) if options.referrers and tag is not None else None
        if subject is not None and root.may_be_list_of(subject):
            self._listed_as = subject
            await self._look_for_list(subject, {one.digest: one for one in root.manifests})
            return
        self._walk(root, 0)
        if options.referrers:
            await self._look_for_referrers(root, tag)

    def _walk(self, manifest: Manifest, depth: int) -> None:
        """Look for a manifest, and for everything below it."""
        if manifest.digest in self.manifests:
            return
        if depth >= DEPTH_LIMIT and manifest.manifests:
            place = Place(
                Side.SOURCE, f"{self.route.source}@{manifest.digest}", "walking the index"
            )
            raise Unsupported(f"more than {DEPTH_LIMIT} indexes within each other").at(place)
        self.manifests[manifest.digest] = manifest
        start = self._tasks.start_soon
        start(self._look_for_manifest, manifest.digest)
        foreign = self._run.options.push_foreign
        for blob in manifest.needed_blobs(foreign=foreign).values():
            start(self._look_for_blob, blob)
        for child in {child.digest: child for child in manifest.manifests}.values():
            start(self._walk_child, child, depth + 1)

    async def _walk_child(self, child: Descriptor, depth: int) -> None:
        try:
            manifest = await self._run.source.manifest(self.route.source, child.digest)
        except NotFound:
            if not child.may_be_blob:
                raise
            await self._look_for_blob(child)
        else:
            self._walk(manifest, depth)

    async def _walk_referrer(self, digest: Digest) -> None:
        self._walk(await self._run.source.manifest(self.route.source, digest), 1)

    async def _look_for_manifest(self, digest: Digest) -> None:
        there = self.route.destination
        if (there, digest) in self._seen:
            return
        check = partial(self._run.destination.check_manifest, there, digest)
        found = await _found(partial(check, deep=self._run.options.deep))
        if found is True:
            self._seen.add((there, digest))
            return
        self.missing_manifests.add(digest)
        self.differences.append(_difference("manifest", digest, found))
        if isinstance(found, IntegrityError):
            self.rechecks.append((digest, partial(check, deep=True)))

    async def _look_for_blob(self, blob: Descriptor) -> None:
        there = self.route.destination
        if (there, blob.digest) in self._seen or blob.digest in self.blobs:
            return
        check = partial(self._run.destination.check_blob, there, blob)
        found = await _found(partial(check, deep=self._run.options.deep))
        if found is True:
            self._seen.add((there, blob.digest))
            self._run.known.add_blob(there, blob.digest)
        elif blob.digest not in self.blobs:
            self.blobs[blob.digest] = blob, isinstance(found, IntegrityError)
            self.differences.append(_difference("blob", blob.digest, found))
            if isinstance(found, IntegrityError):
                self.rechecks.append((blob.digest, partial(check, deep=True)))

    async def _look_for_referrers(self, root: Manifest, tag: str | None) -> None:
        required = self._run.options.require_referrers
        referrers = await wanted_referrers(self._run, self.route, root, tag, required=required)
        if referrers is None:
            return
        self.has_referrers = True
        for subject, found in referrers.lists.items():
            self._tasks.start_soon(self._look_for_list, subject, found)
        for name, digest in referrers.tags.items():
            self._tasks.start_soon(self._look_for_tag, name, digest)

    async def _look_for_list(self, subject: Digest, referrers: dict[Digest, Descriptor]) -> None:
        """Look for what a list has; the one at the destination may have more."""
        own = self._listed_as is not None
        fallback = Fallback.BESIDES if own else Fallback.INSTEAD
        listed = await self._run.destination.referrers(self.route.destination, subject, fallback)
        there = {one.digest for one in listed.referrers}
        missing = tuple(one for digest, one in referrers.items() if digest not in there)
        if listed.listed and not own:
            self._unseen += [(one.digest, subject) for one in missing]
        elif missing:
            self.differences += [_difference("referrer", one.digest, False) for one in missing]
            self.unlisted_referrers[subject] = missing
        for digest in referrers:
            self._tasks.start_soon(self._walk_referrer, digest)

    async def _look_for_tag(self, tag: str, digest: Digest) -> None:
        found = await self._run.destination.resolve(Reference(self.route.destination, tag))
        self._compare_tag(tag, digest, found.digest if found is not None else None)
        await self._walk_referrer(digest)

    def _compare_tag(self, tag: str, wanted: Digest, found: Digest | None) -> None:
        """Note a tag that names nothing, or something else."""
        if found == wanted:
            return
        self.tags[tag] = wanted
        condition = Condition.MISSING if found is None else Condition.DIFFERENT
        instead = f"names {found}, not {wanted}" if found is not None else ""
        self.differences.append(Difference(condition, "tag", tag, instead))

    def _note_unseen(self) -> None:
        """Note what a registry should list, since it says itself what it refers to."""
        for digest, subject in self._unseen:
            if self.manifests[digest].subject == subject:
                self.differences.append(_difference("referrer", digest, False))
                self.missing_manifests.add(digest)
                self.rechecks.append((digest, partial(self._is_listed, subject, digest)))

    async def _is_listed(self, subject: Digest, digest: Digest) -> bool:
        listed = await self._run.destination.referrers(self.route.destination, subject)
        return digest in {one.digest for one in listed.referrers}


async def _found(check: Callable[[], Awaitable[bool]]) -> bool | IntegrityError:
    """Return whether something is there, or how it is something else."""
    try:
        return await check()
    except IntegrityError as error:
        return error


def _difference(noun: str, digest: Digest, found: bool | IntegrityError) -> Difference:
    """Say what is missing, or is something else."""
    if isinstance(found, IntegrityError):
        return Difference(Condition.DIFFERENT, noun, str(digest), found.message)
    return Difference(Condition.MISSING, noun, str(digest))


def differs(differences: list[Difference], where: object, hint: str = Differs.hint) -> Differs:
    """Return the error of a destination that is not what its source is."""
    counts: dict[tuple[Condition, str], int] = {}
    for one in differences:
        key = one.condition, one.noun
        counts[key] = counts.get(key, 0) + 1
    words = (
        f"{count} {noun}{'s' if count > 1 else ''} {condition}"
        for (condition, noun), count in counts.items()
    )
    return Differs(", ".join(words), hint=hint).at(Place(Side.DESTINATION, str(where), "comparing"))
