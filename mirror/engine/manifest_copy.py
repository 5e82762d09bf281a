"""A manifest and everything below it, into one repository: blobs, then children, then itself.

Manifests that several images name are brought once.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial

from mirror.effort import current_effort, note_attempts
from mirror.engine.blob_copy import blob_key, copy_blob, ensure_blob, is_of_other_source
from mirror.engine.run_state import Route, Run
from mirror.errors import Incomplete, NotFound, RegistryError, Unsupported
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.image.referrers_index import is_digest_tag
from mirror.place import Place, Side

# Times a manifest is put again that the registry found incomplete: it has 15 seconds in all.
_REPAIRS = 4
_NOT_SPARSE = "The registry wants every child that an index names: leave out --keep-manifest-list."


async def copy_contents(
    run: Run, route: Route, manifest: Manifest, depth: int = 0, *, refused: bool = False
) -> bool:
    """Have everything at the destination that a manifest names; return if anything was copied.

    ``refused`` says that the registry misses some of it, so that its blobs are looked for
    even where a mount or the registry itself said that they are there.
    """
    if route.source == route.destination:
        return False  # another name for what is there already
    await _find_repository(run, route.destination)
    if depth >= DEPTH_LIMIT and manifest.manifests:
        place = Place(Side.SOURCE, f"{route.source}@{manifest.digest}", "walking the index")
        raise Unsupported(f"more than {DEPTH_LIMIT} indexes within each other").at(place)
    needed = manifest.needed_blobs(foreign=run.options.push_foreign).values()
    blobs = sorted(needed, key=lambda blob: -blob.size)
    return await copy_parts(run, route, blobs, manifest.manifests, depth + 1, refused=refused)


async def copy_parts(
    run: Run,
    route: Route,
    blobs: Iterable[Descriptor],
    manifests: Iterable[Descriptor],
    depth: int,
    *,
    refused: bool = False,
) -> bool:
    """Have these blobs and manifests at the destination, side by side; see `copy_contents`.

    What several images lack at the same time is copied once.
    """
    known, destination = run.known, route.destination
    parts: dict[Hashable, Callable[[], Awaitable[bool]]] = {}
    lacked = [blob for blob in blobs if not known.has_blob(destination, blob.digest)]
    missing = sum(blob.size for blob in lacked)
    for blob in lacked:
        parts[blob_key(route, blob)] = partial(
            ensure_blob, run, route, blob, refused=refused, missing=missing
        )
    for one in manifests:
        if not known.has_manifest(destination, one.digest):
            parts[_key(destination, one.digest)] = partial(_copy_manifest, run, route, one, depth)
    return any(await run.contents.do_all(parts, partial(is_of_other_source, route.source)))


async def _copy_manifest(run: Run, route: Route, child: Descriptor, depth: int) -> bool:
    """Have a manifest at the destination by its digest, with everything below it.

    What is listed under a type that is unknown, and turns out not to be a manifest, is
    copied as the blob that it is.
    """
    try:
        manifest = await run.source.manifest(route.source, child.digest)
    except NotFound:
        if not child.may_be_blob:
            raise
        return await copy_blob(run, route, child)
    await copy_contents(run, route, manifest, depth)
    if not run.known.has_manifest(route.destination, child.digest):  # by another tag, meanwhile
        await put_complete(run, route, manifest, by_digest(route.destination, manifest), depth)
    return True


def _key(repository: Repository, digest: Digest) -> Hashable:
    """Return what two copies of a manifest have in common."""
    return "manifest", repository, digest


async def put_once(run: Run, route: Route, manifest: Manifest) -> None:
    """Store a manifest whose contents are there by its digest, once however many lack it."""
    if run.known.has_manifest(route.destination, manifest.digest):
        return

    async def put() -> bool:
        await put_complete(run, route, manifest, by_digest(route.destination, manifest))
        return True

    await run.contents.do(_key(route.destination, manifest.digest), put)


async def put_complete(
    run: Run, route: Route, manifest: Manifest, target: Reference, depth: int = 0
) -> None:
    """Store a manifest whose contents are there; bring again what the registry misses of it.

    Replicas that lag behind and clean-ups that run meanwhile have a registry refuse a
    manifest although everything was there.  Where nothing was missing after all, it is given
    time to notice: 1, 2, 4, 8 seconds.
    """
    current_effort().begin()
    if not is_digest_tag(target.tag or ""):
        await _put(run, route, manifest, target, depth)
        return
    # As a referrer it may be copied with its subject, and as an image of its own.
    async with run.tag_writers.turn(target):
        if not run.known.names(target, manifest.digest):
            await _put(run, route, manifest, target, depth)
            run.known.add_tag(target, manifest.digest)


async def _put(run: Run, route: Route, manifest: Manifest, target: Reference, depth: int) -> None:
    refusals = 0
    while True:
        try:
            await run.destination.put(target, manifest)
            break
        except Incomplete as error:
            if manifest.sparse:
                raise Incomplete(error.message, hint=_NOT_SPARSE).at(error.place) from error
            if refusals >= min(run.options.retries, _REPAIRS):
                raise
        refusals += 1
        note_attempts(refusals + 1)
        named = (*manifest.blobs, *manifest.manifests)
        run.known.distrust(route.destination, (one.digest for one in named))
        if not await copy_contents(run, route, manifest, depth, refused=True):
            await run.backoff.sleep(2.0 ** (refusals - 1))
    if not manifest.sparse:
        run.known.add_manifest(route.destination, manifest.digest)


async def _find_repository(run: Run, repository: Repository) -> None:
    """Find out whether the repository is there, where that decides how blobs are sent."""
    if not run.known.needs_look(repository):
        return
    try:
        found = await run.destination.exists(
            repository, dry_run_only=run.known.asks_only_in_dry_run(repository)
        )
    except RegistryError:
        found = True  # some logins may push and not list: each blob is asked for by itself
    if found:
        run.known.found_repository(repository)
    else:
        run.known.missed_repository(repository)


def by_digest(repository: Repository, manifest: Manifest) -> Reference:
    """Return the reference of a manifest by its digest."""
    return Reference(repository, digest=manifest.digest)
