"""Lists of repositories and tags, each read once in a run however many need it.

Tags come whole; a catalog comes page by page, so that work on its first
repositories begins before its last are known.
"""

from collections.abc import AsyncIterator

import anyio
from anyio.abc import TaskGroup

from mirror.engine.repository_access import Destination, Source
from mirror.errors import MirrorError
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference, Registry, Repository
from mirror.place import Side
from mirror.wire.listing import PagedNames


class Listings:
    """What was listed so far; an error is not kept, and the list is asked for again."""

    def __init__(self, source: Source, destination: Destination, tasks: TaskGroup) -> None:
        self._source = source
        self._destination = destination
        self._tasks = tasks
        self._tags: dict[tuple[Side, Repository], PagedNames] = {}
        self._catalogs: dict[tuple[Registry, str], _CatalogPages] = {}

    async def tags(self, repository: Repository, side: Side = Side.SOURCE) -> PagedNames:
        """Return all tags of a repository."""
        if (known := self._tags.get((side, repository))) is None:
            asked = self._source if side is Side.SOURCE else self._destination
            known = self._tags[side, repository] = await asked.tags(repository)
        return known

    def described(self, reference: Reference) -> Descriptor | None:
        """Return what a source's list of tags said that a tag names; None if it did not say."""
        listed = self._tags.get((Side.SOURCE, reference.repository))
        return listed.described.get(reference.tag or "") if listed is not None else None

    async def repositories(self, registry: Registry, below: str) -> AsyncIterator[tuple[str, ...]]:
        """Give the pages of a source registry's catalog as they come.

        Of folders on this machine only those ``below`` one are looked at.
        """
        key = registry, below
        if (catalog := self._catalogs.get(key)) is None:
            catalog = self._catalogs[key] = _CatalogPages()
            self._tasks.start_soon(self._read, key, catalog)
        number = 0
        while True:
            while number < len(catalog.pages):
                yield catalog.pages[number]
                number += 1
            if catalog.error is not None:
                raise catalog.error
            if catalog.over:
                return
            await catalog.changed.wait()

    async def _read(self, key: tuple[Registry, str], catalog: "_CatalogPages") -> None:
        rest = None
        while not catalog.over:
            try:
                page = await self._source.catalog(*key, rest)
            except MirrorError as error:
                del self._catalogs[key]
                catalog.error, catalog.over = error, True
            else:
                catalog.pages.append(page.names)
                rest, catalog.over = page.rest, page.rest is None
            changed, catalog.changed = catalog.changed, anyio.Event()
            changed.set()


class _CatalogPages:
    """What came of a catalog so far."""

    def __init__(self) -> None:
        self.pages: list[tuple[str, ...]] = []
        self.over = False
        self.error: MirrorError | None = None
        self.changed = anyio.Event()
