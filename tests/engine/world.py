"""A made-up world of registries, and what a run asks of them, recorded as tasks."""

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import anyio
from msgspec.structs import replace

from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.blob_transfer import BlobArrival, Transfers
from mirror.engine.dry_run import DryRunDestination, Plan
from mirror.engine.ledger import Recall, nothing
from mirror.engine.pair_processing import CopyProcessing
from mirror.engine.repository_access import Destination, Source
from mirror.engine.run_state import Run
from mirror.engine.schedule import Schedule
from mirror.engine.slots import Slots
from mirror.engine.task_groups import task_group
from mirror.errors import MirrorError, NotFound
from mirror.events import Event, ImageSettled, Landing, PruneSettled, Traffic
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from mirror.image.reference import Reference, Registry, Repository
from mirror.image.referrers_index import fallback_tag
from mirror.mapping.grammar import Document, Mappings, Rule
from mirror.mapping.rule_options import RuleOptions
from mirror.options import Options, Timeouts
from mirror.place import Side
from mirror.registry.backoff import Backoff
from mirror.registry.capabilities import Capabilities
from mirror.registry.client import Client
from mirror.registry.error_context import ErrorContext
from mirror.registry.uploads import Uploads
from mirror.wire.listing import Listing, PagedNames
from mirror.wire.message import Reply, Request
from mirror.wire.referrers import Fallback, ReferrerList


class Task:
    """Something that was asked or done."""


@dataclass(frozen=True)
class ListCatalog(Task):
    registry: Registry
    page: int = 0


@dataclass(frozen=True)
class ListTags(Task):
    repository: Repository
    side: Side


@dataclass(frozen=True)
class Resolve(Task):
    side: Side
    reference: Reference


@dataclass(frozen=True)
class ReadManifest(Task):
    repository: Repository
    digest: Digest
    side: Side


@dataclass(frozen=True)
class ReadCreation(Task):
    reference: Reference


@dataclass(frozen=True)
class ListReferrers(Task):
    side: Side
    repository: Repository
    subject: Digest
    fallback: Fallback


@dataclass(frozen=True)
class FindRepository(Task):
    repository: Repository


@dataclass(frozen=True)
class FindBlob(Task):
    repository: Repository
    digest: Digest


@dataclass(frozen=True)
class CheckManifest(Task):
    repository: Repository
    digest: Digest


@dataclass(frozen=True)
class CopyBlob(Task):
    source: Repository
    destination: Repository
    blob: Descriptor
    mount_from: Repository | None


@dataclass(frozen=True)
class PutManifest(Task):
    destination: Reference
    manifest: Manifest


@dataclass(frozen=True)
class DeleteManifest(Task):
    reference: Reference


@dataclass(frozen=True)
class MergeReferrers(Task):
    repository: Repository
    subject: Digest
    referrers: tuple[Descriptor, ...]


Answer = PagedNames | Descriptor | Manifest | BlobArrival | ReferrerList | float | bool | None
Break = Callable[[Task], MirrorError | None]


def descriptor(content: bytes, media_type: str = "application/x") -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


class World:
    """What the source has; what the destination has is what tasks brought there."""

    def __init__(self) -> None:
        self.tags: dict[str, Manifest] = {}
        self.manifests: dict[Digest, Manifest] = {}
        self.there: dict[str, Digest] = {}
        self.blobs: set[tuple[str, Digest]] = set()
        self.done: list[Task] = []
        self.merged: dict[str, list[Digest]] = {}
        """What is in the lists for which tags stand, at destinations."""
        self.breaks: Break = lambda _: None
        self.lists: dict[str, dict[Digest, list[Manifest]]] = {"s.io/a": {}, "d.io/a": {}}
        """What refers to each manifest, in repositories whose registry keeps such lists."""
        self.alone: dict[Digest, Manifest] = {}
        """What is behind the tag of a list of the source, and is none."""
        self.vague = False
        """Whether its sources do not say what a manifest is."""
        self.hidden: set[str] = set()
        """What its sources have and do not list."""
        self.describes = False
        """Whether its sources' lists say what each tag names, as Google's do."""
        self.page = 1000
        """Names on a page of a catalog."""
        self.created: dict[str, float] = {}
        self.by_digest = False
        """Whether its destinations delete digests only."""
        self.events: list[Event] = []
        """What the last copy told."""
        self.slept: list[float] = []
        """The seconds that were waited for."""
        self.plan = Plan()
        """What the last dry run came to."""
        self.before: Callable[[Task], Any] | None = None
        """Awaited before a task is answered."""
        self.deadline: Callable[[], None]
        """Closes the last copy, as its deadline would."""

    def image(self, *blobs: str, name: str = "") -> Manifest:
        """Make up a manifest of these blobs, under a name like ``s.io/app:1``."""
        layers = [descriptor(blob.encode()) for blob in blobs]
        return self._add({"layers": layers}, OCI_MANIFEST, name)

    def index(self, *children: Manifest, name: str = "", platforms: Iterable[str] = ()) -> Manifest:
        """Make up an index of these children, each for one of the platforms if they are given."""
        listed = [descriptor(child.content, child.media_type) for child in children]
        for entry, platform in zip(listed, platforms, strict=False):
            system, architecture = platform.split("/")
            entry["platform"] = {"os": system, "architecture": architecture}
        return self._add({"manifests": listed}, OCI_INDEX, name)

    def referrer(self, subject: Manifest) -> Manifest:
        """Make up a manifest that refers to another."""
        described = descriptor(subject.content, subject.media_type)
        return self._add({"layers": [], "subject": described}, OCI_MANIFEST, "")

    def mirror(
        self,
        *lines: str,
        rule_options: RuleOptions | None = None,
        recall: Recall = nothing,
        **options: Any,
    ) -> list[ImageSettled]:
        """Carry out a copy; return what became of each image."""
        mappings = Mappings()
        mappings.document(Document("f", "\n".join(lines).encode()), rule_options)
        assert not mappings.problems
        return self.carry_out(mappings.rules, Options(**options), recall)

    def carry_out(
        self, rules: Iterable[Rule], options: Options, recall: Recall = nothing
    ) -> list[ImageSettled]:
        """Carry out a copy of these rules; see `mirror`."""

        async def work(run: Run) -> None:
            copying = CopyProcessing(run)
            self.deadline = copying.close
            await copying.carry_out(rules)

        return self.run(work, options, recall)

    def run(
        self, work: Callable[[Run], Any], options: Options, recall: Recall = nothing
    ) -> list[ImageSettled]:
        """Give a run over this world to some work; return what became of each image."""
        self.events = []
        anyio.run(self._run, work, options, recall)
        return settled(self.events)

    async def _run(self, work: Callable[[Run], Any], options: Options, recall: Recall) -> None:
        backoff, clients = Backoff(sleep=self._sleep), WorldClients(self)
        slots = Slots(Schedule(lambda _: HostLimit(options.max_per_registry or 16, 16)))
        transfers = Transfers(Timeouts(), backoff, Traffic())
        around = clients, slots, transfers, self.events.append
        dry = DryRunDestination(*around)
        destination = dry if options.dry_run else WorldDestination(self, *around)
        source = WorldSource(clients, slots, backoff)
        source.world = self
        async with task_group() as tasks:
            await work(
                Run(options, self.events.append, clients, slots, source, destination, backoff,
                    recall, tasks)
            )  # fmt: skip
            tasks.cancel_scope.cancel()
        self.plan = dry.plan

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()

    async def answer(self, task: Task) -> Any:  # what the answer is depends on the task
        """Take a task, record it, and answer it a moment later."""
        await anyio.lowlevel.checkpoint()
        if self.before is not None:
            await self.before(task)
        answer = self.breaks(task) or self._answer(task)
        if isinstance(answer, MirrorError):
            raise answer
        return answer

    def pruned(self) -> list[tuple[str, str]]:
        """What the last copy told of tags that have left their source, and why not."""
        return [(str(one.destination), str(one.outcome))
                for one in self.events if isinstance(one, PruneSettled)]  # fmt: skip

    def acts(self) -> list[str]:
        """What was changed, in order: ``put d.io/a:1``, ``copy d.io/a x``."""
        return [said for task in self.done if (said := _say(task))]

    def _add(self, document: dict[str, object], media_type: str, name: str) -> Manifest:
        manifest = Manifest.parse(json.dumps(document).encode(), media_type)
        self.manifests[manifest.digest] = manifest
        if name:
            self.tags[name] = manifest
        return manifest

    def _answer(self, task: Task) -> Answer | MirrorError:  # noqa: C901 - a table
        self.done.append(task)
        match task:
            case ListCatalog():
                return self._catalog(task)
            case ListTags(side=Side.DESTINATION):
                own = (n.rpartition(":") for n in self.there if "@" not in n)
                names = tuple(tag for name, _, tag in own if name == str(task.repository))
                return PagedNames(names) if names else NotFound("404")
            case ReadCreation():
                return self.created[str(task.reference)]
            case ListTags():
                shown = (n for n in self.tags if n not in self.hidden)
                own = (n.rpartition(":") for n in shown)
                tags = tuple(tag for name, _, tag in own if name == str(task.repository))
                return self._list(tags, task.repository)
            case Resolve(side=Side.SOURCE):
                return self._resolve(str(task.reference))
            case Resolve():
                digest = self.there.get(str(task.reference))
                return self.manifests[digest].descriptor if digest else None
            case ReadManifest():
                return self.manifests.get(task.digest) or NotFound("404")
            case FindRepository():
                return any(name.startswith(f"{task.repository}:") for name in self.there)
            case FindBlob():
                return (str(task.repository), task.digest) in self.blobs
            case CheckManifest():
                return task.digest in self.there.values()
        return self._change(task)

    def _list(self, tags: tuple[str, ...], repository: Repository) -> PagedNames:
        if not self.describes:
            return PagedNames(tags)
        named = {tag: self.tags[f"{repository}:{tag}"].descriptor for tag in tags}
        return PagedNames(tags, {tag: replace(found, size=0) for tag, found in named.items()})

    def _catalog(self, task: ListCatalog) -> PagedNames:
        paths = sorted({name.partition("/")[2].partition(":")[0] for name in self.tags})
        first = task.page * self.page
        more = Listing("/v2/_catalog") if first + self.page < len(paths) else None
        return PagedNames(tuple(paths[first : first + self.page]), rest=more)

    def _delete(self, reference: Reference) -> bool:
        if reference.digest is None and self.by_digest:
            return False
        gone = {name for name, digest in self.there.items()
                if name == str(reference) or digest == reference.digest}  # fmt: skip
        self.there = {name: self.there[name] for name in self.there.keys() - gone}
        return True

    def _change(self, task: Task) -> Answer:
        match task:
            case DeleteManifest():
                return self._delete(task.reference)
            case ListReferrers():
                return self._list_referrers(task)
            case CopyBlob():
                return self._copy(task)
            case MergeReferrers():
                tag = f"{task.repository}:{fallback_tag(task.subject)}"
                there = self.merged.setdefault(tag, [])
                more = [one.digest for one in task.referrers if one.digest not in there]
                there += more
                return bool(more)
            case PutManifest():
                self.manifests[task.manifest.digest] = task.manifest
                self.there[str(task.destination)] = task.manifest.digest
                return None
        raise AssertionError(task)

    def _list_referrers(self, task: ListReferrers) -> ReferrerList:
        """Answer like a registry with lists, or one in which a tag stands for each."""
        if (lists := self.lists.get(str(task.repository))) is not None:
            found = tuple(one.descriptor for one in lists.get(task.subject, ()))
            return ReferrerList(found, listed=True)
        tag = f"{task.repository}:{fallback_tag(task.subject)}"
        if task.fallback is Fallback.ABSENT:
            return ReferrerList()
        if task.side is Side.DESTINATION:
            there = self.merged.get(tag, [])
            return ReferrerList(tuple(self.manifests[digest].descriptor for digest in there))
        if (alone := self.alone.get(task.subject)) is not None:
            return ReferrerList(alone=alone.descriptor)
        return ReferrerList(self.tags[tag].manifests if tag in self.tags else ())

    def _resolve(self, name: str) -> Descriptor | NotFound:
        if (found := self.tags.get(name)) is None:
            return NotFound("404")
        if self.vague:
            return replace(found.descriptor, media_type="application/json")
        return found.descriptor

    def _copy(self, task: CopyBlob) -> BlobArrival:
        known = (str(task.mount_from), task.blob.digest) in self.blobs
        self.blobs.add((str(task.destination), task.blob.digest))
        if not known:
            return BlobArrival(Landing.COPIED)
        own = task.mount_from == task.destination
        return BlobArrival(Landing.PRESENT if own else Landing.MOUNTED)


def _send_nothing(request: Request) -> AbstractAsyncContextManager[Reply]:
    raise AssertionError(f"a world has no socket for {request}")


class WorldClient(Client):
    """One repository of the world."""

    def __init__(self, world: World, repository: Repository, side: Side) -> None:
        self.repository = repository
        self.world = world
        self.side = side
        context = ErrorContext(repository, side)
        self.uploads = Uploads(_send_nothing, repository, context, Capabilities())

    def _reference(self, target: str) -> Reference:
        digest = Digest.parse(target) if ":" in target else None
        return Reference(self.repository, None if digest else target, digest)

    async def resolve(self, target: str) -> Descriptor:
        found: Descriptor | None
        found = await self.world.answer(Resolve(self.side, self._reference(target)))
        if found is None:
            raise NotFound("404")
        return found

    async def manifest(self, target: str, digest: Digest | None = None) -> Manifest:
        assert digest is not None
        found: Manifest = await self.world.answer(ReadManifest(self.repository, digest, self.side))
        return found

    async def has(self, digest: Digest) -> bool:
        found: bool = await self.world.answer(FindBlob(self.repository, digest))
        return found

    async def check_manifest(self, digest: Digest, *, deep: bool) -> bool:
        found: bool = await self.world.answer(CheckManifest(self.repository, digest))
        return found

    async def exists(self) -> bool:
        found: bool = await self.world.answer(FindRepository(self.repository))
        return found

    async def tags(self) -> PagedNames:
        found: PagedNames = await self.world.answer(ListTags(self.repository, self.side))
        return found

    async def referrers(
        self, subject: Digest, fallback: Fallback = Fallback.INSTEAD
    ) -> ReferrerList:
        task = ListReferrers(self.side, self.repository, subject, fallback)
        found: ReferrerList = await self.world.answer(task)
        return found

    async def merge_referrers(
        self, subject: Digest, referrers: Iterable[Descriptor], whole: Manifest | None = None
    ) -> Manifest | None:
        task = MergeReferrers(self.repository, subject, tuple(referrers))
        changed = await self.world.answer(task)
        return Manifest.parse(b"{}", OCI_INDEX) if changed else None

    async def put(self, manifest: Manifest, target: str) -> None:
        await self.world.answer(PutManifest(self._reference(target), manifest))

    async def delete(self, reference: Reference) -> bool:
        found: bool = await self.world.answer(DeleteManifest(reference))
        return found


class WorldClients:
    """Gives the clients of a world's repositories."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pages: dict[Registry, int] = {}

    def client(self, repository: Repository, side: Side) -> Client:
        return WorldClient(self.world, repository, side)

    def deleting(self, repository: Repository) -> Client:
        return WorldClient(self.world, repository, Side.DESTINATION)

    async def catalog(self, registry: Registry, below: str, rest: Listing | None) -> PagedNames:
        page = self.pages[registry] + 1 if rest is not None else 0
        self.pages[registry] = page
        found: PagedNames = await self.world.answer(ListCatalog(registry, page))
        return found

    def prepare_connections(self, registry: Registry, side: Side, connections: int) -> None:
        pass

    def shorten_deadlines(self) -> None:
        pass


class WorldSource(Source):
    """Where the world has its images; when they were created it says itself."""

    world: World

    async def created(self, reference: Reference) -> float:
        found: float = await self.world.answer(ReadCreation(reference))
        return found


class WorldDestination(Destination):
    """Where the world takes images; blobs come without a transfer."""

    def __init__(self, world: World, *around: Any) -> None:
        super().__init__(*around)
        self.world = world

    async def copy_blob(
        self,
        source: Repository,
        repository: Repository,
        blob: Descriptor,
        mount_from: Repository | None,
    ) -> BlobArrival:
        found: BlobArrival = await self.world.answer(CopyBlob(source, repository, blob, mount_from))
        return found


def settled(events: Iterable[Event]) -> list[ImageSettled]:
    return [event for event in events if isinstance(event, ImageSettled)]


def kinds(tasks: Iterable[Task]) -> list[str]:
    return [type(task).__name__ for task in tasks]


def _say(task: Task) -> str:
    match task:
        case CopyBlob():
            origin = f" from {task.mount_from}" if task.mount_from else ""
            return f"copy {task.blob.digest.short} to {task.destination}{origin}"
        case PutManifest():
            return f"put {task.destination}"
        case DeleteManifest():
            return f"delete {task.reference}"
        case MergeReferrers():
            names = ", ".join(one.digest.short for one in task.referrers)
            return f"list {names} of {task.subject.short} in {task.repository}"
    return ""
