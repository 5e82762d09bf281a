"""What repositories of one side are asked: each question in its turn, and once for all who ask.

    `Source` reads;  `Destination` reads, and writes what a copy brings there.

A destination that only counts what it would write is `mirror.engine.dry_run`.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from mirror.effort import note_attempts
from mirror.engine.blob_transfer import BlobArrival, BlobTransfer, Transfers
from mirror.engine.lanes import Priority
from mirror.engine.single_flight import SingleFlight
from mirror.engine.slots import Slots
from mirror.errors import IntegrityError, MirrorError, NotFound, Refused, RegistryError, Truncated
from mirror.events import (
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Emit,
    Landing,
    ManifestPushed,
)
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Registry, Repository
from mirror.image.referrers_index import fallback_tag
from mirror.place import Side
from mirror.registry.backoff import Backoff
from mirror.registry.client import Client
from mirror.registry.created_date import creation
from mirror.wire.listing import Listing, PagedNames
from mirror.wire.referrers import Fallback, ReferrerList

T = TypeVar("T")

# Bytes of manifests that were read and are kept; enough for the tags of a repository that
# name the same image.
_KEPT_LIMIT = 16 * 1024 * 1024


class Clients(Protocol):
    """Gives the client of a repository; see `mirror.registry.clients`."""

    def client(self, repository: Repository, side: Side) -> Client:
        """Return the client of a repository, as one side of a copy sees it."""
        ...

    def deleting(self, repository: Repository) -> Client:
        """Return the client of a destination repository that may delete there."""
        ...

    async def catalog(self, registry: Registry, below: str, rest: Listing | None) -> PagedNames:
        """Return a page of a source registry's repositories."""
        ...

    def prepare_connections(self, registry: Registry, side: Side, connections: int) -> None:
        """Have connections ready that will be needed soon."""
        ...

    def shorten_deadlines(self) -> None:
        """Wait no longer than for a silence for any answer that carries no blob."""
        ...


class _Requests:
    """Questions to the repositories of one side; errors are those of the client."""

    side: Side

    def __init__(self, clients: Clients, slots: Slots, backoff: Backoff) -> None:
        self._clients = clients
        self._slots = slots
        self._backoff = backoff
        self._flights = SingleFlight()

    async def _ask(
        self,
        rank: Priority,
        repository: Repository,
        question: Callable[[Client], Awaitable[T]],
        *key: object,
        size: int = 0,
    ) -> T:
        async def ask() -> T:
            client = self._clients.client(repository, self.side)
            async with self._slots.hold(rank, repository.registry, size=size):
                return await self._complete(lambda: question(client))

        return await self._flights.do((rank, repository, *key), ask)

    async def _complete(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again where an answer was cut short, or was not what it should be.

        Only reading an answer to its end shows that; everything else that may pass is
        tried again by `mirror.registry.retrying`.
        """
        cut, wrong = 0, 0
        while True:
            try:
                return await ask()
            except MirrorError as error:
                again = isinstance(error, Truncated) and error.retryable
                if again and cut < self._backoff.retries:
                    await self._backoff.sleep(self._backoff.wait_after(cut))
                    cut += 1
                elif _may_differ(error) and wrong < min(1, self._backoff.retries):
                    wrong += 1
                else:
                    raise
            note_attempts(1 + cut + wrong)

    async def manifest(self, repository: Repository, digest: Digest) -> Manifest:
        """Return a manifest, verified."""
        return await self._ask(
            Priority.READ, repository, lambda client: client.manifest(str(digest), digest), digest
        )

    async def tags(self, repository: Repository) -> PagedNames:
        """Return all tags of a repository."""
        return await self._ask(Priority.LIST, repository, lambda client: client.tags())

    async def referrers(
        self, repository: Repository, subject: Digest, fallback: Fallback = Fallback.INSTEAD
    ) -> ReferrerList:
        """Return the referrers of a manifest."""
        return await self._ask(
            Priority.READ, repository, lambda client: client.referrers(subject, fallback),
            "referrers", subject, fallback,
        )  # fmt: skip


class Source(_Requests):
    """Where images come from."""

    side = Side.SOURCE

    def __init__(self, clients: Clients, slots: Slots, backoff: Backoff) -> None:
        super().__init__(clients, slots, backoff)
        self._kept: OrderedDict[Digest, Manifest] = OrderedDict()
        self._kept_bytes = 0

    async def resolve(self, reference: Reference) -> Descriptor:
        """Return what a tag or digest names; raise NotFound if there is nothing."""
        return await self._ask(
            Priority.RESOLVE, reference.repository, lambda client: client.resolve(reference.target),
            reference.target,
        )  # fmt: skip

    async def manifest(self, repository: Repository, digest: Digest) -> Manifest:
        """Return a manifest, verified; one that was read lately is not read again."""
        if (manifest := self.kept(digest)) is None:
            manifest = await super().manifest(repository, digest)
            self._keep(manifest)
        return manifest

    def kept(self, digest: Digest) -> Manifest | None:
        """Return a manifest that was read, if it is still kept."""
        return self._kept.get(digest)

    async def created(self, reference: Reference) -> float:
        """Return when what a tag names was created, in seconds since 1970."""
        return await self._ask(
            Priority.LIST, reference.repository, lambda client: creation(client, reference),
            reference.target,
        )  # fmt: skip

    async def catalog(self, registry: Registry, below: str, rest: Listing | None) -> PagedNames:
        """Return a page of a registry's repositories; of folders, of those below one."""
        async with self._slots.hold(Priority.LIST, registry):
            return await self._complete(lambda: self._clients.catalog(registry, below, rest))

    def _keep(self, manifest: Manifest) -> None:
        if self._kept.pop(manifest.digest, None) is None:
            self._kept_bytes += len(manifest.content)
        self._kept[manifest.digest] = manifest
        while self._kept_bytes > _KEPT_LIMIT:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.content)


class Destination(_Requests):
    """Where images go."""

    side = Side.DESTINATION
    writes = True
    """Whether writing changes the registry; a dry run only counts."""

    def __init__(
        self,
        clients: Clients,
        slots: Slots,
        transfers: Transfers,
        emit: Emit,
    ) -> None:
        super().__init__(clients, slots, transfers.backoff)
        self._transfers = transfers
        self._emit = emit

    async def resolve(self, reference: Reference) -> Descriptor | None:
        """Return what a tag or digest names; None if there is nothing."""
        try:
            return await self._ask(
                Priority.RESOLVE, reference.repository,
                lambda client: client.resolve(reference.target), reference.target,
            )  # fmt: skip
        except NotFound:
            return None

    async def exists(self, repository: Repository, *, dry_run_only: bool = False) -> bool:
        """Whether there is such a repository; ``dry_run_only`` says that only a dry run asks."""
        return await self._ask(Priority.FIND, repository, lambda client: client.exists())

    async def has(
        self, repository: Repository, blob: Descriptor, *, dry_run_only: bool = False
    ) -> bool:
        """Whether a blob is in a repository; ``dry_run_only`` says that only a dry run asks."""
        found = await self._ask(
            Priority.FIND, repository, lambda client: client.has(blob.digest), blob.digest
        )
        if found:
            self._emit(BlobLanded(repository, blob.digest, blob.size, Landing.PRESENT))
        return found

    async def check_manifest(self, repository: Repository, digest: Digest, *, deep: bool) -> bool:
        """Whether a manifest is in a repository.

        One that is there and something else than its digest says is an IntegrityError;
        that shows only if it is read to its end, which ``deep`` asks for.
        """
        return await self._ask(
            Priority.FIND, repository, lambda client: client.check_manifest(digest, deep=deep),
            "manifest", digest, deep,
        )  # fmt: skip

    async def check_blob(self, repository: Repository, blob: Descriptor, *, deep: bool) -> bool:
        """Whether a blob is in a repository; see `check_manifest`."""
        if not deep or not blob.size:
            return await self._ask(
                Priority.FIND, repository, lambda client: client.check_blob(blob), "blob", blob
            )
        return await self._ask(
            Priority.FIND, repository, lambda client: self._transfers.read_through(client, blob),
            "deep", blob, size=blob.size,
        )  # fmt: skip

    async def copy_blob(
        self,
        source: Repository,
        repository: Repository,
        blob: Descriptor,
        mount_from: Repository | None,
    ) -> BlobArrival:
        """Mount a blob, or stream it from its source.

        The caller holds a slot of both registries.
        """
        transfer = BlobTransfer(
            self._clients.client(source, Side.SOURCE),
            self._clients.client(repository, Side.DESTINATION),
            blob,
            mount_from,
            self._transfers,
        )
        self._emit(BlobStarted(repository, blob.digest, blob.size))
        try:
            landed = await transfer.copy()
        except BaseException:
            self._emit(BlobStopped(repository, blob.digest))
            raise
        self._emit(BlobLanded(repository, blob.digest, blob.size, landed.landing))
        return landed

    async def put(self, reference: Reference, manifest: Manifest) -> None:
        """Store a manifest under a tag or digest."""
        async with self._slots.hold(Priority.PUT, reference.repository.registry):
            client = self._clients.client(reference.repository, Side.DESTINATION)
            try:
                await self._complete(lambda: client.put(manifest, reference.target))
            except Refused:
                # Immutable tags refuse even what they name already, and that was wanted.
                if not await _names(client, reference.target, manifest.digest):
                    raise
                return
        self._emit(ManifestPushed(reference, manifest.digest))

    async def merge_referrers(
        self,
        repository: Repository,
        subject: Digest,
        referrers: tuple[Descriptor, ...],
        whole: Manifest | None = None,
    ) -> bool:
        """Add to the list that a tag stands for; return whether anything was not in it yet.

        A list that is not there at all becomes ``whole``, if that is given.
        """
        async with self._slots.hold(Priority.PUT, repository.registry):
            client = self._clients.client(repository, Side.DESTINATION)
            index = await self._complete(lambda: client.merge_referrers(subject, referrers, whole))
        if index is None:
            return False
        self._emit(ManifestPushed(Reference(repository, fallback_tag(subject)), index.digest))
        return True

    async def delete(self, reference: Reference) -> bool:
        """Delete a tag or a manifest; return False where the registry deletes no tags."""

        async def ask() -> bool:
            async with self._slots.hold(Priority.DELETE, reference.repository.registry):
                client = self._clients.deleting(reference.repository)
                return await self._complete(lambda: client.delete(reference))

        return await self._flights.do(("delete", reference), ask)


def _may_differ(error: MirrorError) -> bool:
    """Whether the same question may get another answer: these were wrong bytes, or a web page."""
    if isinstance(error, IntegrityError):
        return True
    return isinstance(error, RegistryError) and error.retryable


async def _names(client: Client, target: str, digest: Digest) -> bool:
    """Whether a tag names this digest; False too if the registry does not say."""
    try:
        return (await client.resolve(target)).digest == digest
    except MirrorError:
        return False
