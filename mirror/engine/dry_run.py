"""A destination that counts what it is told to write, and what a run would do, in numbers."""

from collections import Counter
from typing import Any

from msgspec import Struct, field

from mirror.engine.blob_transfer import BlobArrival
from mirror.engine.lanes import Priority
from mirror.engine.repository_access import Destination
from mirror.events import BlobLanded, Landing
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Registry, Repository
from mirror.registry.client import Client


class RegistryPlan(Struct):
    """What one registry would see of what a run writes."""

    requests: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    blobs_copied: int = 0
    blobs_mounted: int = 0
    manifests: int = 0


class Plan(Struct):
    """What a run would do, by registry host."""

    registries: dict[str, RegistryPlan] = field(default_factory=dict)
    dry_run_only: Counter[str] = field(default_factory=Counter)
    """Requests that only a dry run sends, per registry host."""

    def at(self, host: str) -> RegistryPlan:
        """Return what a registry would see."""
        return self.registries.setdefault(host, RegistryPlan())

    def add(self, other: "Plan") -> None:
        """Add what another plan says, for other images."""
        for host, theirs in other.registries.items():
            mine = self.at(host)
            for name in RegistryPlan.__struct_fields__:
                setattr(mine, name, getattr(mine, name) + getattr(theirs, name))
        self.dry_run_only.update(other.dry_run_only)

    def requests(self, sent: Counter[str]) -> Counter[str]:
        """Return how many requests a run would send to each host.

        ``sent`` are those of the dry run; a run would send them as well, but for those
        only a dry run sends.
        """
        writing = Counter({host: plan.requests for host, plan in self.registries.items()})
        return sent + writing - self.dry_run_only

    def text(self, sent: Counter[str]) -> str:
        """Return the plan as a table, one line per registry; see `requests`."""
        requests = self.requests(sent)
        rows: list[tuple[str, ...]] = [
            ("registry", "requests", "read", "written", "blobs", "mounts", "manifests")
        ]
        for host in sorted({*self.registries, *sent}):
            plan = self.at(host)
            numbers = (
                requests[host],
                plan.bytes_read,
                plan.bytes_written,
                plan.blobs_copied,
                plan.blobs_mounted,
                plan.manifests,
            )
            rows.append((host, *map(str, numbers)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(_line(row, widths) for row in rows)


class DryRunDestination(Destination):
    """Answers what is read from it truly, and counts what would be written.

    Requests are those of a run in which nothing fails: those of an upload for a blob, POST for
    a mount, one PUT for a manifest, GET and PUT for a list of referrers, DELETE.  What cannot
    be known is not in it: a registry that mounts nothing or deletes digests only, blobs
    that are read over several connections, or once for several destinations.
    """

    writes = False

    def __init__(self, *around: Any) -> None:
        super().__init__(*around)
        self.plan = Plan()

    async def exists(self, repository: Repository, *, dry_run_only: bool = False) -> bool:
        """See `Destination`; a run would find out by mounting."""

        async def look(client: Client) -> bool:
            found = await client.exists()
            self.plan.dry_run_only[repository.registry.host] += dry_run_only
            return found

        return await self._ask(Priority.FIND, repository, look)

    async def has(
        self, repository: Repository, blob: Descriptor, *, dry_run_only: bool = False
    ) -> bool:
        """See `Destination`.

        A run would have found a blob that is there with one request as well, a
        mount, and one that is not with the request that opens its upload.
        """

        async def look(client: Client) -> bool:
            found = await client.has(blob.digest)
            self.plan.dry_run_only[repository.registry.host] += dry_run_only and not found
            return found

        found = await self._ask(Priority.FIND, repository, look, blob.digest)
        if found:
            self._emit(BlobLanded(repository, blob.digest, blob.size, Landing.PRESENT))
        return found

    async def copy_blob(
        self,
        source: Repository,
        repository: Repository,
        blob: Descriptor,
        mount_from: Repository | None,
    ) -> BlobArrival:
        """Count a mount, or a blob that is read there and written here."""
        if mount_from is not None:
            self._seen_by(repository.registry, 1).blobs_mounted += 1
            return BlobArrival(Landing.MOUNTED)
        upload = self._clients.client(repository, self.side).uploads.begin(blob, None)
        there = self._seen_by(repository.registry, upload.requests_needed)
        # What is empty is not read.
        self._seen_by(source.registry, 1 if blob.size else 0).bytes_read += blob.size
        there.bytes_written += blob.size
        there.blobs_copied += 1
        return BlobArrival(Landing.COPIED)

    async def put(self, reference: Reference, manifest: Manifest) -> None:
        """Count a manifest."""
        there = self._seen_by(reference.repository.registry, 1)
        there.manifests += 1
        there.bytes_written += len(manifest.content)

    async def merge_referrers(
        self,
        repository: Repository,
        subject: Digest,
        referrers: tuple[Descriptor, ...],
        whole: Manifest | None = None,
    ) -> bool:
        """Count a list that is read and written."""
        self._seen_by(repository.registry, 2).manifests += 1
        return True

    async def delete(self, reference: Reference) -> bool:
        """Count a deletion."""
        self._seen_by(reference.repository.registry, 1)
        return True

    def _seen_by(self, registry: Registry, requests: int) -> RegistryPlan:
        """Count requests, which folders do not get, and return what else a registry would see."""
        found = self.plan.at(registry.host)
        found.requests += requests if not registry.is_local else 0
        return found


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *numbers = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *numbers]).rstrip()
