"""Lists of names that a registry gives page by page: its repositories, and their tags."""

from http import HTTPStatus

from mirror.errors import MirrorError, placed
from mirror.image.reference import Registry
from mirror.place import Place, Side
from mirror.registry.blob_reader import expect, read
from mirror.wire.hints import advise_catalog
from mirror.wire.listing import PAGE_LIMIT, Listing, PagedNames, catalog
from mirror.wire.message import Send


async def repositories(send: Send, registry: Registry, rest: Listing | None = None) -> PagedNames:
    """Return the next page of a source registry's catalog: paths, and what to go on with."""
    listing = rest or catalog()
    with placed(Place(Side.SOURCE, registry.host, "listing the repositories")):
        try:
            found = await _page(send, listing)
        except MirrorError as error:
            raise advise_catalog(error, registry) from error.__cause__
    return PagedNames(found, rest=None if listing.over else listing)


async def names(send: Send, listing: Listing) -> PagedNames:
    """Return what is listed, to the last page."""
    found: list[str] = []
    while not listing.over:
        found += await _page(send, listing)
    return PagedNames(tuple(found), listing.described)


async def _page(send: Send, listing: Listing) -> tuple[str, ...]:
    """Return the names on the next page."""
    while True:
        async with send(listing.request()) as reply:
            if listing.refused(reply):
                continue
            await expect(reply, HTTPStatus.OK)
            return listing.page(reply, await read(reply, PAGE_LIMIT))
