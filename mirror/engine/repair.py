"""Bringing to a destination what a verification missed there, and nothing else.

    blobs --> manifests, children first --> lists of referrers --> tags, the image's last
    --> a second look at what was something else: a registry may keep what it has

It is a copy that takes nothing for granted: blobs and manifests go the way of
`mirror.engine.blob_copy` and `mirror.engine.manifest_copy`.
"""

from collections.abc import Awaitable, Callable, Iterator

from mirror.effort import current_effort
from mirror.engine.blob_copy import replace_blob
from mirror.engine.manifest_copy import put_complete, put_once
from mirror.engine.referrer_copy import add_to_list
from mirror.engine.run_state import Run
from mirror.engine.task_groups import task_group
from mirror.engine.verification import Verification
from mirror.errors import IntegrityError
from mirror.image.digest import Digest
from mirror.image.manifest import Manifest
from mirror.image.reference import Reference
from mirror.place import Place, Side


async def repair(run: Run, found: Verification) -> None:
    """Bring what is missing.

    Raises MirrorError if something cannot be brought, or if a registry keeps something
    else in its place.
    """
    current_effort().begin()
    route, destination = found.route, found.route.destination
    async with task_group() as tasks:
        for blob, corrupted in found.blobs.values():
            tasks.start_soon(_bring, run, found, blob.digest, corrupted)
    # What has a tag is put with it, but for an image that others refer to.
    tagged = set(found.tags.values()) if not found.has_referrers else set()
    for digest in _upwards(found.manifests):
        if digest in found.missing_manifests and digest not in tagged:
            await put_once(run, route, found.manifests[digest])
    async with task_group() as tasks:
        for subject, missing in found.unlisted_referrers.items():
            tasks.start_soon(add_to_list, run, destination, subject, missing)
    own = found.pair.destination.tag
    for tag in sorted(found.tags, key=lambda one: one == own):
        manifest = found.manifests[found.tags[tag]]
        await put_complete(run, route, manifest, Reference(destination, tag))
    async with task_group() as tasks:
        for digest, look in found.rechecks:
            tasks.start_soon(_look_again, found, digest, look)


async def _bring(run: Run, found: Verification, digest: Digest, corrupted: bool) -> None:
    blob, _ = found.blobs[digest]
    await replace_blob(run, found.route, blob, corrupted=corrupted)


async def _look_again(
    found: Verification, digest: Digest, look: Callable[[], Awaitable[bool]]
) -> None:
    try:
        there = await look()
    except IntegrityError:
        there = False
    if not there:
        place = Place(Side.DESTINATION, f"{found.route.destination}@{digest}", "looking again")
        raise IntegrityError(
            "it took what was missing, and still has something else",
            hint="Have it delete this and collect its garbage, then run again.",
        ).at(place)


def _upwards(manifests: dict[Digest, Manifest]) -> Iterator[Digest]:
    """Give the manifests with children before their parents."""
    given: set[Digest] = set()

    def visit(digest: Digest) -> Iterator[Digest]:
        if digest in given or digest not in manifests:
            return
        given.add(digest)
        for child in manifests[digest].manifests:
            yield from visit(child.digest)
        yield digest

    for digest in manifests:
        yield from visit(digest)
