"""One function per kind of task: what carrying it out means."""

from dataclasses import replace

from mirror.engine.neighbours import Neighbours
from mirror.engine.transfer import Transfer
from mirror.errors import (
    IntegrityError,
    MirrorError,
    NotFound,
    Refused,
    RegistryError,
    Side,
    Truncated,
)
from mirror.events import (
    BlobLanded,
    BlobStarted,
    BlobStopped,
    Effort,
    Landing,
    ManifestPushed,
    Tell,
    Traffic,
)
from mirror.image.digest import Digest, Verifier
from mirror.image.digesttag import fallback_tag
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference, Repository
from mirror.options import Options
from mirror.plan.summary import Summary
from mirror.plan.task import (
    Answer,
    CheckBlob,
    CheckManifest,
    CopyBlob,
    DeleteManifest,
    FindBlob,
    FindRepository,
    Landed,
    ListCatalog,
    ListReferrers,
    ListTags,
    MergeReferrers,
    PutManifest,
    ReadCreation,
    ReadManifest,
    Resolve,
    Task,
)
from mirror.registry.client import Client
from mirror.registry.creation import creation
from mirror.registry.registries import Registries
from mirror.wire.rate import Bucket


class Performer:
    """Carries out tasks against real registries, and tells what came of them."""

    def __init__(
        self,
        registries: Registries,
        options: Options,
        tell: Tell,
        traffic: Traffic,
        rehearsal: Summary | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self._registries = registries
        self._neighbours = neighbours
        self._options = options
        self._tell = tell
        self._traffic = traffic
        self._rehearsal = rehearsal
        self._patience = registries.patience
        self._bucket = Bucket(options.limit_rate) if options.limit_rate is not None else None

    async def perform(self, task: Task, effort: Effort) -> Answer:
        """Carry out a task and return its answer; raise MirrorError if it cannot be done.

        How hard that was is noted in ``effort``.  With a rehearsal, tasks that
        change something are only counted there.
        """
        if self._rehearsal is not None and not task.asks:
            return self._rehearsal.rehearse(task)
        if isinstance(task, CopyBlob):
            return await self._copy_blob(task, effort)
        cut, wrong = 0, 0
        while True:
            try:
                return await self._carry_out(task, effort)
            except MirrorError as error:
                # Only who reads an answer to its end sees these, so they are asked again here.
                again = isinstance(error, Truncated) and error.retryable
                if again and cut < self._patience.retries:
                    await self._patience.sleep(self._patience.wait_after(cut))
                    cut += 1
                elif _may_differ(error) and wrong < min(1, self._patience.retries):
                    wrong += 1
                else:
                    raise
            effort.note(1 + cut + wrong)

    async def _carry_out(self, task: Task, effort: Effort) -> Answer:
        if isinstance(task, CheckManifest | CheckBlob):
            return await self._check(task, effort)
        if not task.asks:
            return await self._change(task, effort)
        match task:
            case Resolve():
                return await self._resolve(task, effort)
            case ReadManifest():
                holder = self._registries.client(task.repository, task.side, effort)
                return await holder.manifest(str(task.digest), task.digest)
            case FindRepository():
                return await self._find_repository(task, effort)
            case FindBlob():
                return await self._find_blob(task, effort)
            case ReadCreation():
                source = self._source(task.reference.repository, effort)
                return await creation(source, task.reference)
        return await self._list(task, effort)

    async def _list(self, task: Task, effort: Effort) -> Answer:
        match task:
            case ListReferrers():
                listing = self._registries.client(task.repository, task.side, effort)
                return await listing.referrers(task.subject, task.fallback)
            case ListTags():
                return await self._registries.client(task.repository, task.side, effort).tags()
            case ListCatalog():
                return await self._registries.catalog(task.registry, task.below, task.rest)
        raise AssertionError(f"no such task: {task!r}")

    async def _change(self, task: Task, effort: Effort) -> Answer:
        match task:
            case PutManifest():
                await self._put_manifest(task, effort)
                return None
            case MergeReferrers():
                return await self._merge_referrers(task, effort)
            case DeleteManifest():
                deleting = self._registries.deleting(task.reference.repository, effort)
                return await deleting.delete(task.reference)
        raise AssertionError(f"no such task: {task!r}")

    def _source(self, repository: Repository, effort: Effort) -> Client:
        return self._registries.client(repository, Side.SOURCE, effort)

    def _destination(self, repository: Repository, effort: Effort) -> Client:
        return self._registries.client(repository, Side.DESTINATION, effort)

    async def _resolve(self, task: Resolve, effort: Effort) -> Descriptor | None:
        client = self._registries.client(task.reference.repository, task.side, effort)
        try:
            return await client.resolve(task.reference.target)
        except NotFound:
            if task.side is Side.SOURCE:
                raise
            return None

    async def _find_repository(self, task: FindRepository, effort: Effort) -> bool:
        found = await self._destination(task.repository, effort).exists()
        if self._rehearsal is not None:
            self._rehearsal.looked(task, found=found)
        return found

    async def _find_blob(self, task: FindBlob, effort: Effort) -> bool:
        found = await self._destination(task.repository, effort).has(task.blob.digest)
        if self._rehearsal is not None:
            self._rehearsal.looked(task, found=found)
        if found:
            self._tell(
                BlobLanded(task.repository, task.blob.digest, task.blob.size, Landing.PRESENT)
            )
        return found

    async def _check(self, task: CheckManifest | CheckBlob, effort: Effort) -> bool:
        client = self._destination(task.repository, effort)
        if isinstance(task, CheckManifest):
            return await client.check_manifest(task.digest, deep=task.deep)
        blob = task.blob
        if not task.deep or not blob.size:
            return await client.check_blob(blob)
        # Only what is here counts, and not where its descriptor leads.
        blob = replace(blob, urls=())
        verifier, chunks = Verifier(blob.digest, blob.size), client.read(blob)
        try:
            with client.reading(blob):
                async for chunk in chunks:
                    verifier.update(chunk)
                    self._traffic.moved += len(chunk)
                    if self._bucket is not None:
                        await self._throttled(len(chunk))
                verifier.finish()
        except NotFound:
            return False
        finally:
            await chunks.aclose()
        return True

    async def _copy_blob(self, task: CopyBlob, effort: Effort) -> Landed:
        task = await self._placed(task)
        source = self._source(task.source, effort)
        destination = self._destination(task.destination, effort)
        blob = task.blob
        transfer = Transfer(
            source,
            destination,
            task,
            timeouts=self._options.timeouts,
            patience=self._patience,
            traffic=self._traffic,
            effort=effort,
            throttle=self._throttled if self._bucket is not None else None,
        )
        self._tell(BlobStarted(task.destination, blob.digest, blob.size))
        try:
            landed = await transfer.copy()
        except BaseException:
            self._tell(BlobStopped(task.destination, blob.digest))
            raise
        self._tell(BlobLanded(task.destination, blob.digest, blob.size, landed.landing))
        return landed

    async def _placed(self, task: CopyBlob) -> CopyBlob:
        """Return a task with where to mount from, if somebody beside us has brought its blob."""
        ours = task.mount_from not in (None, task.destination)
        if self._neighbours is None or ours or not task.shared:
            return task
        home = await self._neighbours.ask(task.destination.registry, task.blob)
        return replace(task, mount_from=home) if home is not None else task

    async def _throttled(self, count: int) -> None:
        assert self._bucket is not None, "only a limited rate is waited for"
        if seconds := self._bucket.take(count, self._patience.clock()):
            await self._patience.sleep(seconds)

    async def _merge_referrers(self, task: MergeReferrers, effort: Effort) -> bool:
        client = self._destination(task.repository, effort)
        index = await client.merge_referrers(task.subject, task.referrers, task.whole)
        if index is not None:
            tagged = Reference(task.repository, fallback_tag(task.subject))
            self._tell(ManifestPushed(tagged, index.digest))
        return index is not None

    async def _put_manifest(self, task: PutManifest, effort: Effort) -> None:
        if task.wait:
            await self._patience.sleep(task.wait)
        client = self._destination(task.destination.repository, effort)
        target = task.destination.target
        try:
            await client.put(task.manifest, target)
        except Refused:
            # Immutable tags refuse even what they name already, and that is what was wanted.
            if not await _names(client, target, task.manifest.digest):
                raise
            return
        self._tell(ManifestPushed(task.destination, task.manifest.digest))


async def _names(client: Client, target: str, digest: Digest) -> bool:
    """Whether a tag names this digest; False too if nobody says."""
    try:
        return (await client.resolve(target)).digest == digest
    except MirrorError:
        return False


def _may_differ(error: MirrorError) -> bool:
    """Whether the same question may get another answer: these were wrong bytes, or a web page."""
    if isinstance(error, IntegrityError):
        return True
    return isinstance(error, RegistryError) and error.retryable
