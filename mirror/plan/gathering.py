"""Bringing an image to a repository: its blobs, then its children, then itself.

Every manifest waits for what it names, and is put when nothing is missing; the
one with the tag is put last.  Manifests and blobs that several images want are
brought once.  A failure travels up to everything that waits for what failed.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from mirror.errors import Incomplete, MirrorError, Place, RegistryError, Side, Unsupported
from mirror.events import Landing
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.plan.choosing import Choosing
from mirror.plan.inquiry import Inquiry
from mirror.plan.knowledge import Knowledge
from mirror.plan.node import Node
from mirror.plan.task import (
    Answer,
    CopyBlob,
    FindBlob,
    FindRepository,
    Landed,
    PutManifest,
    ReadManifest,
    Task,
)

# Times a manifest is mended and put again that the registry found incomplete.
_REPAIRS = 4
_NOT_SPARSE = "The registry wants every child that an index names: leave out --keep-manifest-list."
# Manifests kept for the next tag that has them, in bytes.
_KEPT_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A manifest that waits for a blob, as its own source describes it."""

    node: Node
    blob: Descriptor


class Gathering:
    """All manifests and blobs that are on their way."""

    def __init__(
        self, inquiry: Inquiry, knowledge: Knowledge, *, force: bool, repairs: int = 0
    ) -> None:
        self._inquiry = inquiry
        self._knowledge = knowledge
        self._force = force
        self._repairs = min(repairs, _REPAIRS)
        self._choosing = Choosing(inquiry, self._read, self.bring, self._fail, force=force)
        self._children: dict[tuple[Repository, Digest], Node] = {}
        self._blobs: dict[tuple[Repository, Digest], list[_Waiting]] = {}
        self._kept: OrderedDict[Digest, Manifest] = OrderedDict()
        self._kept_bytes = 0

    def bring(self, node: Node) -> None:
        """Bring a manifest and everything below it to where it is wanted."""
        if (kept := self._kept.get(node.digest)) is not None:
            self._manifest_read(node, kept)
            return
        task = ReadManifest(node.source, node.digest)
        self._inquiry.ask(node, task, partial(self._manifest_read, node))

    def dispatch(self, task: Task) -> bool:
        """Return whether a task is still needed; if it moves anything, that begins now."""
        match task:
            case FindBlob():
                return bool(self._needing(task.repository, task.blob))
            case CopyBlob():
                needing = self._needing(task.destination, task.blob)
                for node in needing:
                    node.begin()
                return bool(needing)
        return self._inquiry.wants(task)

    def _needing(self, repository: Repository, blob: Descriptor) -> list[Node]:
        waiting = self._blobs[repository, blob.digest]
        return [one.node for one in waiting if not one.node.abandoned]

    def _manifest_read(self, node: Node, answer: Answer | MirrorError) -> None:
        if not isinstance(answer, Manifest):
            self._fail(node, _as_error(answer))
            return
        self._keep(answer)
        self._choosing.choose(node, answer)

    def _read(self, node: Node, manifest: Manifest) -> None:
        """Go on with a manifest as it is to be put."""
        node.manifest = manifest
        if node.source == node.repository:
            self._push(node)  # another tag for what is there already
        elif self._knowledge.needs_look(node.repository):
            task = FindRepository(node.repository, self._knowledge.rehearses(node.repository))
            self._inquiry.ask(node, task, partial(self._repository_found, node))
        else:
            self._gather(node, manifest)

    def _repository_found(self, node: Node, answer: Answer | MirrorError) -> None:
        assert node.manifest is not None, "a manifest is read before its repository is looked for"
        if answer is False:
            self._knowledge.missed_repository(node.repository)
        elif answer is True or isinstance(answer, RegistryError):
            # Some logins may push and not list: each blob is then asked for by itself.
            self._knowledge.found_repository(node.repository)
        else:
            self._fail(node, _as_error(answer))
            return
        self._gather(node, node.manifest)

    def _gather(self, node: Node, manifest: Manifest) -> None:
        """Want everything that must be there before this manifest."""
        if node.depth >= DEPTH_LIMIT and manifest.manifests:
            self._fail(node, _too_deep(node))
            return
        # The node counts as missing itself, so that it is not pushed half-way.
        node.missing = 1
        for blob in {blob.digest: blob for blob in manifest.blobs if not blob.foreign}.values():
            self._want_blob(node, blob)
        for digest in dict.fromkeys(child.digest for child in manifest.manifests):
            self._want_child(node, digest)
        self._arrived(node)

    def _want_child(self, node: Node, digest: Digest) -> None:
        key = (node.repository, digest)
        if self._knowledge.has_manifest(node.repository, digest):
            return
        node.missing += 1
        if (child := self._children.get(key)) is not None:
            child.parents.append(node)
            if child.begun:
                node.begin()
            return
        destination = Reference(node.repository, digest=digest)
        child = Node(node.source, destination, digest, depth=node.depth + 1, parents=[node])
        child.effort = node.effort
        self._children[key] = child
        node.mended = node.mended or bool(node.refusals)
        self.bring(child)

    def _arrived(self, node: Node) -> None:
        """Count one thing less that this manifest waits for."""
        node.missing -= 1
        if not node.missing and not node.failed:
            self._push(node)

    def _push(self, node: Node) -> None:
        assert node.manifest is not None, "a manifest is read before it is pushed"
        node.begin()
        # Where nothing was missing after all, the registry needs time to notice.
        lags = node.refusals and not node.mended
        task = PutManifest(node.destination, node.manifest, _lag(node.refusals) if lags else 0.0)
        self._inquiry.ask(node, task, partial(self._manifest_put, node))

    def _manifest_put(self, node: Node, answer: Answer | MirrorError) -> None:
        assert node.manifest is not None, "a manifest is read before it is put"
        whole = not node.manifest.sparse
        if isinstance(answer, Incomplete) and not whole:
            answer.hint = _NOT_SPARSE
        elif isinstance(answer, Incomplete) and node.refusals < self._repairs and not node.failed:
            self._repair(node)
            return
        if isinstance(answer, MirrorError):
            self._fail(node, answer)
            return
        if whole:
            self._knowledge.add_manifest(node.repository, node.digest)
        if node.ended is not None:
            node.ended(node, None)
            return
        del self._children[node.repository, node.digest]
        for parent in node.parents:
            self._arrived(parent)

    def _repair(self, node: Node) -> None:
        """Look again for everything that a manifest names, and bring what is not there."""
        assert node.manifest is not None, "a manifest is read before it is refused"
        node.refusals += 1
        node.mended = False
        node.effort.note(node.refusals + 1)
        named = (*node.manifest.blobs, *node.manifest.manifests)
        self._knowledge.distrust(node.repository, (one.digest for one in named))
        self._gather(node, node.manifest)

    def _fail(self, node: Node, error: MirrorError) -> None:
        if node.failed:
            return
        node.failed = True
        if node.ended is not None:
            node.ended(node, error)
            return
        del self._children[node.repository, node.digest]
        for parent in node.parents:
            if _is_elsewhere(error, node, parent) and not parent.failed:
                self._want_child(parent, node.digest)
                self._arrived(parent)  # not this one, but perhaps it is there by now
            else:
                self._fail(parent, error)

    def _keep(self, manifest: Manifest) -> None:
        """Remember a manifest for the next tag that has it, and forget the oldest."""
        if self._kept.pop(manifest.digest, None) is None:
            self._kept_bytes += len(manifest.content)
        self._kept[manifest.digest] = manifest
        while self._kept_bytes > _KEPT_LIMIT:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.content)

    def _want_blob(self, node: Node, blob: Descriptor) -> None:
        if self._knowledge.has_blob(node.repository, blob.digest):
            return
        node.missing += 1
        key = (node.repository, blob.digest)
        if (waiting := self._blobs.get(key)) is not None:
            waiting.append(_Waiting(node, blob))
            return
        self._blobs[key] = [_Waiting(node, blob)]
        self._bring_blob(node, blob)

    def _bring_blob(self, node: Node, blob: Descriptor) -> None:
        exists = self._knowledge.exists(node.repository)
        if node.refusals or (exists and not self._force):
            task = FindBlob(node.repository, blob, self._knowledge.rehearses(node.repository))
            self._inquiry.ask(node, task, partial(self._blob_found, node, blob))
        else:
            self._copy(node, blob, look=exists is None and not self._force)

    def _blob_found(self, node: Node, blob: Descriptor, answer: Answer | MirrorError) -> None:
        if isinstance(answer, MirrorError) and not isinstance(answer, RegistryError):
            self._blob_failed(node, blob, answer)
        elif answer is True:
            self._blob_arrived(node.repository, blob)
        else:
            # Not there, or not ours to ask: some logins may push and not look.
            self._copy(node, blob, look=False)

    def _copy(self, node: Node, blob: Descriptor, *, look: bool) -> None:
        registry = node.repository.registry
        # Within one registry everyone mounts from the source, and need not wait for the first.
        shared = self._knowledge.mounts(registry) and node.source.registry != registry
        if node.refusals:
            # What a mount or the registry's word brought was not there: bring it all the way.
            node.mended = True
            shared = False
        task = CopyBlob(
            node.source, node.repository, blob, look, shared, mountable=not node.refusals
        )
        self._inquiry.ask(node, task, partial(self._blob_copied, node, blob))

    def _blob_copied(self, node: Node, blob: Descriptor, answer: Answer | MirrorError) -> None:
        if not isinstance(answer, Landed):
            self._blob_failed(node, blob, _as_error(answer))
            return
        if answer.refused is not None:
            self._knowledge.mount_refused(node.repository, answer.refused)
        if answer.landing is Landing.COPIED:
            node.root.bytes_copied += blob.size
        self._blob_arrived(node.repository, blob)

    def _blob_arrived(self, repository: Repository, blob: Descriptor) -> None:
        self._knowledge.add_blob(repository, blob.digest)
        for waiting in self._blobs.pop((repository, blob.digest)):
            self._arrived(waiting.node)

    def _blob_failed(self, node: Node, blob: Descriptor, error: MirrorError) -> None:
        """Fail who waits for a blob, but for those who can have it from elsewhere."""
        key = (node.repository, blob.digest)
        waiting = self._blobs.pop(key)
        others = [
            one for one in waiting if _is_elsewhere(error, node, one.node) or one.blob != blob
        ]
        for one in waiting:
            if one not in others:
                self._fail(one.node, error)
        others = [one for one in others if not one.node.failed]
        if others:
            self._blobs[key] = others
            self._bring_blob(others[0].node, others[0].blob)


def _lag(refusals: int) -> float:
    """Return the seconds to let a registry notice what it has: 1, 2, 4, 8."""
    return 2.0 ** (refusals - 1)


def _is_elsewhere(error: MirrorError, failed: Node, other: Node) -> bool:
    """Whether what one source did wrong says nothing of another's."""
    at_source = error.place is not None and error.place.side is Side.SOURCE
    return at_source and other.source != failed.source


def _as_error(answer: Answer | MirrorError) -> MirrorError:
    assert isinstance(answer, MirrorError), f"{answer!r} is no answer to what was asked"
    return answer


def _too_deep(node: Node) -> MirrorError:
    error = Unsupported(f"more than {DEPTH_LIMIT} indexes within each other")
    return error.at(Place(Side.SOURCE, f"{node.source}@{node.digest}", "walking the index"))
