"""A made-up world of registries, and the answers it gives to a planner's tasks."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from mirror.errors import MirrorError, NotFound, Side
from mirror.events import Event, ImageSettled, Landing, PruneSettled
from mirror.image.digest import Digest
from mirror.image.digesttag import fallback_tag
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.terms import Terms
from mirror.options import Options
from mirror.plan.memory import Recall, nothing
from mirror.plan.planner import Planner
from mirror.plan.task import (
    Answer,
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
from mirror.wire.listing import Listing, Names
from mirror.wire.referrers import Fallback, ReferrerList

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
        self, *lines: str, terms: Terms | None = None, recall: Recall = nothing, **options: Any
    ) -> list[ImageSettled]:
        """Carry out a copy, one task after the other; return what became of each image."""
        mappings = Mappings()
        mappings.document(Document("f", "\n".join(lines).encode()), terms)
        assert not mappings.problems
        return self.carry_out(Planner(mappings.rules, Options(**options), recall))

    def carry_out(self, planner: Planner) -> list[ImageSettled]:
        """Carry out what a planner asks for; see `mirror`."""
        while tasks := planner.tasks():
            for task in tasks:
                if (dispatched := planner.dispatch(task)) is None:
                    planner.learn(task, MirrorError("dropped"))
                else:
                    planner.learn(task, self.breaks(dispatched) or self._answer(dispatched))
        planner.abandon()
        self.events = planner.events
        return settled(planner.events)

    def pruned(self) -> list[tuple[str, str]]:
        """What the last copy told of tags that have left their source, and why not."""
        return [(one.destination, str(one.outcome))
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

    def _answer(self, task: Task) -> Answer | MirrorError:
        self.done.append(task)
        match task:
            case ListCatalog():
                return self._catalog(task)
            case ListTags(side=Side.DESTINATION):
                own = (n.rpartition(":") for n in self.there if "@" not in n)
                names = tuple(tag for name, _, tag in own if name == str(task.repository))
                return Names(names) if names else NotFound("404")
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
                return (str(task.repository), task.blob.digest) in self.blobs
        return self._change(task)

    def _list(self, tags: tuple[str, ...], repository: Repository) -> Names:
        if not self.describes:
            return Names(tags)
        named = {tag: self.tags[f"{repository}:{tag}"].descriptor for tag in tags}
        return Names(tags, {tag: replace(found, size=0) for tag, found in named.items()})

    def _catalog(self, task: ListCatalog) -> Names:
        paths = sorted({name.partition("/")[2].partition(":")[0] for name in self.tags})
        first = task.page * self.page
        more = Listing("/v2/_catalog") if first + self.page < len(paths) else None
        return Names(tuple(paths[first : first + self.page]), rest=more)

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

    def _copy(self, task: CopyBlob) -> Landed:
        known = (str(task.mount_from), task.blob.digest) in self.blobs
        self.blobs.add((str(task.destination), task.blob.digest))
        if not known:
            return Landed(Landing.COPIED)
        own = task.mount_from == task.destination
        return Landed(Landing.PRESENT if own else Landing.MOUNTED)


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
