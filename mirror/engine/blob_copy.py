"""One blob into one repository: found there, mounted or streamed.

    known to be there
    may be there --look--> there
    not there --> mounted from where it is, or streamed from its source

However many manifests wait for it, it is brought once; the first upload to a registry goes
alone, so that other repositories mount what it brought.
"""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from functools import partial

from mirror.effort import current_effort
from mirror.engine.lanes import Priority
from mirror.engine.run_state import Route, Run
from mirror.errors import MirrorError, RegistryError
from mirror.events import Landing
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.place import Side


async def copy_blob(run: Run, route: Route, blob: Descriptor) -> bool:
    """Have a blob at the destination; return whether it had to be copied.

    Raises MirrorError if it cannot be copied.
    """
    if run.known.has_blob(route.destination, blob.digest):
        return False
    return await run.contents.do(
        blob_key(route, blob), partial(ensure_blob, run, route, blob),
        partial(is_of_other_source, route.source),
    )  # fmt: skip


def blob_key(route: Route, blob: Descriptor) -> Hashable:
    """Return what two must have in common so that one copy of a blob serves both."""
    # Of two that promise different things of one digest, at most one is right.
    return "blob", route.destination, blob.digest, blob.size, blob.urls


async def ensure_blob(
    run: Run, route: Route, blob: Descriptor, *, refused: bool = False, missing: int = 0
) -> bool:
    """Find, mount or stream a blob that is not known to be there.

    Return False if it was found by looking for it.

    ``refused`` says that the registry does not have it, whatever it said before: then it is
    looked for in any case, and not mounted.  ``missing`` is how many bytes its manifest still
    lacks: what lacks little is finished first.
    """
    known, destination = run.known, route.destination
    exists = known.exists(destination)
    if refused or (exists and not run.options.force):
        if await _is_there(run, destination, blob):
            known.add_blob(destination, blob.digest)
            return False
        await copy_missing_blob(run, route, blob, mountable=not refused, missing=missing)
    else:
        may_exist = exists is None and not run.options.force
        await copy_missing_blob(run, route, blob, may_exist=may_exist, missing=missing)
    return True


async def _is_there(run: Run, destination: Repository, blob: Descriptor) -> bool:
    try:
        return await run.destination.has(
            destination, blob, dry_run_only=run.known.asks_only_in_dry_run(destination)
        )
    except RegistryError:
        return False  # some logins may push and not look


async def copy_missing_blob(
    run: Run,
    route: Route,
    blob: Descriptor,
    *,
    may_exist: bool = False,
    mountable: bool = True,
    missing: int = 0,
) -> None:
    """Mount a blob, or stream it.

    ``may_exist`` says that it may be there, which a mount finds out by the way.
    """
    destination = route.destination
    registry = destination.registry
    # Within one registry everything is mounted from the source, and nothing waits.
    shared = mountable and run.known.mounts(registry) and route.source.registry != registry
    async with run.first_uploads.turn(registry, blob.digest) if shared else _at_once():

        def mount_source() -> Repository | None:
            if not mountable:
                return None
            return run.known.mount_source(
                route.source, destination, blob.digest, may_exist=may_exist
            )

        # What will be mounted is a small request, however large it is; so is an empty blob.
        size = max(1, blob.size) if mount_source() in (None, destination) else 1
        async with run.slots.hold(
            Priority.COPY, route.source.registry, registry, size=size, content=blob.digest.hex,
            missing=missing,
        ) as slot:  # fmt: skip
            current_effort().begin()
            # What is known now decides: it may have come to the registry meanwhile.
            origin = mount_source()
            if shared and origin in (None, destination) and run.peers is not None:
                origin = await run.peers.claim(registry, blob) or origin
            arrival = await run.destination.copy_blob(route.source, destination, blob, origin)
            slot.moved = arrival.landing is Landing.COPIED and run.destination.writes
        if arrival.refused is not None:
            run.known.mount_refused(destination, arrival.refused)
        if arrival.landing is Landing.COPIED:
            current_effort().charge(blob.size)
        run.known.add_blob(destination, blob.digest)


async def replace_blob(run: Run, route: Route, blob: Descriptor, *, corrupted: bool) -> None:
    """Copy a blob again that was looked for and is missing, or has wrong content.

    One that is ``corrupted`` there is never mounted from there.
    """

    async def copy() -> bool:
        await copy_missing_blob(run, route, blob, mountable=not corrupted)
        return True

    await run.contents.do(("replacement", route.destination, blob.digest, corrupted), copy)


@asynccontextmanager
async def _at_once() -> AsyncIterator[None]:
    yield


def is_of_other_source(source: Repository, error: Exception) -> bool:
    """Whether an error says nothing of this source, since another one did it wrong."""
    place = error.place if isinstance(error, MirrorError) else None
    return place is not None and place.side is Side.SOURCE and not place.is_in(str(source))
