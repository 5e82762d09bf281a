"""What refers to an image, brought before its tag, and written as the destination keeps it.

    what the destination lacks --> brought like any other manifest
    the lists of a registry that keeps none itself --> read, and added to

Only one writer adds to such a list at a time.  Distribution specification 1.1, "Pushing
Manifests with Subject".
"""

from mirror.effort import current_effort
from mirror.engine.concurrency import together
from mirror.engine.manifest_copy import copy_contents, copy_parts, put_complete
from mirror.engine.referrer_search import ReferrerSearch, find_referrers
from mirror.engine.run_state import Route, Run
from mirror.errors import NothingRefers, Refused
from mirror.image.digest import Digest
from mirror.image.digest_tag import is_digest_tag, subject_of
from mirror.image.manifest import OCI_MANIFEST, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.place import Place, Side
from mirror.wire.referrers import Fallback

_OURS = "A list may be there; move that tag away if nobody needs it."

Unlisted = dict[Digest, tuple[Descriptor, ...]]
"""What has to be added to the lists of a destination, by subject."""


async def wanted_referrers(
    run: Run, route: Route, image: Descriptor | Manifest, tag: str | None, *, required: bool
) -> ReferrerSearch | None:
    """Return the referrers that are to be copied with an image; None if there are none.

    Of an image whose referrers were brought in this run, it is nothing.  Raises
    NothingRefers if something is required.
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
    async with together() as tasks:
        for subject, found in referrers.lists.items():
            tasks.start_soon(_copy_list, run, route, subject, found, unlisted)
        for tag, digest in referrers.tags.items():
            tasks.start_soon(_copy_tag, run, route, tag, digest)
    async with together() as tasks:
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
