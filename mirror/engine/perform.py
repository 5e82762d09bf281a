"""One function per kind of task: what carrying it out means."""

from mirror.engine.transfer import copy_blob
from mirror.errors import DigestMismatch, NotFound, Side, Truncated
from mirror.events import (
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Landing,
    ManifestPushed,
    Tell,
    Traffic,
)
from mirror.image.manifest import Descriptor
from mirror.plan.summary import Summary
from mirror.plan.task import (
    Answer,
    CopyBlob,
    FindBlob,
    FindRepository,
    Landed,
    ListCatalog,
    ListTags,
    PutManifest,
    ReadManifest,
    Resolve,
    Task,
)
from mirror.registry.registries import Registries


class Performer:
    """Carries out tasks against real registries, and tells what came of them."""

    def __init__(
        self,
        registries: Registries,
        tell: Tell,
        traffic: Traffic,
        rehearsal: Summary | None = None,
        retries: int = 0,
    ) -> None:
        self._retries = retries
        self._registries = registries
        self._tell = tell
        self._traffic = traffic
        self._rehearsal = rehearsal

    async def perform(self, task: Task) -> Answer:
        """Carry out a task and return its answer; raise MirrorError if it cannot be done.

        With a rehearsal, tasks that change something are only counted there.
        """
        if self._rehearsal is not None and not task.asks:
            return self._rehearsal.rehearse(task)
        for _ in range(self._retries if task.asks else 0):
            try:
                return await self._carry_out(task)
            except (Truncated, DigestMismatch):
                continue  # what was read of the answer was not the answer
        return await self._carry_out(task)

    async def _carry_out(self, task: Task) -> Answer:
        match task:
            case Resolve():
                return await self._resolve(task)
            case ReadManifest():
                source = self._registries.client(task.repository, Side.SOURCE)
                return await source.manifest(str(task.digest), task.digest)
            case FindRepository():
                return await self._find_repository(task)
            case FindBlob():
                return await self._find_blob(task)
            case CopyBlob():
                return await self._copy_blob(task)
            case PutManifest():
                await self._put_manifest(task)
                return None
            case ListTags():
                return await self._registries.client(task.repository, Side.SOURCE).tags()
            case ListCatalog():
                return await self._registries.catalog(task.registry)
        raise AssertionError(f"no such task: {task!r}")

    async def _resolve(self, task: Resolve) -> Descriptor | None:
        client = self._registries.client(task.reference.repository, task.side)
        try:
            return await client.resolve(task.reference.target)
        except NotFound:
            if task.side is Side.SOURCE:
                raise
            return None

    async def _find_repository(self, task: FindRepository) -> bool:
        found = await self._registries.client(task.repository, Side.DESTINATION).exists()
        if self._rehearsal is not None:
            self._rehearsal.looked(task, found=found)
        return found

    async def _find_blob(self, task: FindBlob) -> bool:
        found = await self._registries.client(task.repository, Side.DESTINATION).has(
            task.blob.digest
        )
        if self._rehearsal is not None:
            self._rehearsal.looked(task, found=found)
        if found:
            self._tell(
                BlobLanded(task.repository, task.blob.digest, task.blob.size, Landing.PRESENT)
            )
        return found

    async def _copy_blob(self, task: CopyBlob) -> Landed:
        source = self._registries.client(task.source, Side.SOURCE)
        destination = self._registries.client(task.destination, Side.DESTINATION)
        blob = task.blob
        self._tell(BlobStarted(task.destination, blob.digest, blob.size))
        try:
            landed = await copy_blob(source, destination, task, self._traffic, self._retries)
        except BaseException:
            self._tell(BlobStopped(task.destination, blob.digest))
            raise
        self._tell(BlobLanded(task.destination, blob.digest, blob.size, landed.landing))
        return landed

    async def _put_manifest(self, task: PutManifest) -> None:
        repository = task.destination.repository
        client = self._registries.client(repository, Side.DESTINATION)
        await client.put(task.manifest, task.destination.target)
        self._tell(ManifestPushed(task.destination, task.manifest.digest))
