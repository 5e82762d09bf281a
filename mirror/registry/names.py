"""Lists of names that a registry gives page by page: its repositories, and their tags."""

from http import HTTPStatus

from mirror.errors import Place, Side, placed
from mirror.image.reference import Registry
from mirror.registry.reading import expect, read
from mirror.wire.listing import PAGE_LIMIT, Listing, catalog
from mirror.wire.message import Send


async def repositories(send: Send, registry: Registry) -> tuple[str, ...]:
    """Return the paths of a source registry's catalog."""
    with placed(Place(Side.SOURCE, registry.host, "listing the repositories")):
        return await names(send, catalog())


async def names(send: Send, listing: Listing) -> tuple[str, ...]:
    """Return what is listed, to the last page."""
    found: list[str] = []
    while not listing.over:
        async with send(listing.request()) as reply:
            if listing.refused(reply):
                continue
            await expect(reply, HTTPStatus.OK)
            found += listing.page(reply, await read(reply, PAGE_LIMIT))
    return tuple(found)
