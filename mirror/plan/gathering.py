"""Bringing an image to a repository: its blobs, then its children, then itself.

Every manifest waits for what it names, and is put when nothing is missing; the
one with the tag is put last.  Manifests and blobs that several images want are
brought once.  A failure travels up to everything that waits for what failed.
"""

from functools import partial

from mirror.errors import (
    Incomplete,
    MirrorError,
    NotFound,
    Place,
    RegistryError,
    Side,
    Unsupported,
)
from mirror.image.digest import Digest
from mirror.image.manifest import DEPTH_LIMIT, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.options import Options
from mirror.plan.choosing import Choosing
from mirror.plan.following import Finder
from mirror.plan.inquiry import Inquiry, as_error
from mirror.plan.knowledge import Knowledge
from mirror.plan.listings import Listings
from mirror.plan.node import Node, Stage, is_elsewhere
from mirror.plan.referring import Referring
from mirror.plan.shelf import Shelf
from mirror.plan.supply import Supply
from mirror.plan.task import (
    Answer,
    CopyBlob,
    FindBlob,
    FindRepository,
    MergeReferrers,
    PutManifest,
    ReadManifest,
    Task,
)

# Times a manifest is mended and put again that the registry found incomplete.
_REPAIRS = 4
_NOT_SPARSE = "The registry wants every child that an index names: leave out --keep-manifest-list."


class Gathering:
    """All manifests and blobs that are on their way."""

    def __init__(
        self, inquiry: Inquiry, listings: Listings, knowledge: Knowledge, options: Options
    ) -> None:
        self._inquiry = inquiry
        self._knowledge = knowledge
        self._force = options.force
        self._foreign = options.push_foreign
        self._repairs = min(options.retries, _REPAIRS)
        self._shelf = Shelf()
        self._choosing = Choosing(
            inquiry,
            knowledge,
            self._chosen,
            self.bring,
            self.present,
            self.fail,
            force=options.force,
        )  # fmt: skip
        self._referring = Referring(inquiry, Finder(inquiry, listings, self._shelf), self)
        self._supply = Supply(inquiry, knowledge, self.arrived, self.fail, force=options.force)
        self._children: dict[tuple[Repository, Digest], Node] = {}

    def bring(self, node: Node) -> None:
        """Bring a manifest and everything below it to where it is wanted."""
        if (kept := self._shelf.find(node.digest)) is not None:
            self._manifest_read(node, kept)
            return
        task = ReadManifest(node.source, node.digest)
        self._inquiry.ask(node, task, partial(self._manifest_read, node))

    def present(self, node: Node, image: Manifest | Descriptor) -> None:
        """Bring what refers to an image that is there already."""
        if node.referrers:
            self._referring.find(node, image, partial(self._present, node, image))
        else:
            self._end(node)

    def _present(self, node: Node, image: Manifest | Descriptor) -> None:
        if node.following is not None:
            if not (isinstance(image, Manifest) and image.sparse):
                self._knowledge.add_manifest(node.repository, node.digest)
            node.stage = Stage.BRING
            self._go_on(node)
        else:
            self._end(node)

    def dispatch(self, task: Task) -> bool:
        """Return whether a task is still needed; if it moves anything, that begins now."""
        if isinstance(task, FindBlob | CopyBlob):
            return self._supply.dispatch(task)
        return self._inquiry.wants(task)

    def _manifest_read(self, node: Node, answer: Answer | MirrorError) -> None:
        if isinstance(answer, NotFound) and node.listed is not None and node.listed.may_be_blob:
            self._turn_blob(node, node.listed)
            return
        if not isinstance(answer, Manifest):
            node.absent = isinstance(answer, NotFound)
            self.fail(node, as_error(answer))
            return
        self._shelf.keep(answer)
        self._choosing.choose(node, answer)

    def _turn_blob(self, node: Node, blob: Descriptor) -> None:
        """Bring as a blob what is listed as a manifest of a type that nobody knows."""
        node.failed = True  # as a manifest
        del self._children[node.repository, node.digest]
        for parent in node.parents:
            self._supply.want(parent, blob)
            self.arrived(parent)

    def _chosen(self, node: Node, manifest: Manifest) -> None:
        if node.parents or not node.referrers:
            self._read(node, manifest)
        elif node.list_of is not None and manifest.may_be_list_of(node.list_of):
            compared = partial(self._list_compared, node)
            self._referring.compare_list(node, node.list_of, manifest, compared)
        else:
            self._referring.find(node, manifest, partial(self._followed, node, manifest))

    def _list_compared(self, node: Node, left: Manifest) -> None:
        """Go on with what is not in the list at the destination."""
        if left.manifests:
            self._read(node, left)
        else:
            self._end(node)

    def _followed(self, node: Node, manifest: Manifest) -> None:
        if node.following is not None and node.source != node.repository:
            node.stage = Stage.PUT
        self._read(node, manifest)

    def _read(self, node: Node, manifest: Manifest) -> None:
        """Go on with a manifest as it is to be put."""
        node.manifest = manifest
        if node.source == node.repository:
            self._push(node, node.destination)  # another tag for what is there already
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
            self.fail(node, as_error(answer))
            return
        self._gather(node, node.manifest)

    def _gather(self, node: Node, manifest: Manifest) -> None:
        """Want everything that must be there before this manifest."""
        if node.depth >= DEPTH_LIMIT and manifest.manifests:
            self.fail(node, _too_deep(node))
            return
        # The node counts as missing itself, so that it is not pushed half-way.
        node.missing = 1
        for blob in manifest.needed_blobs(foreign=self._foreign).values():
            self._supply.want(node, blob)
        for child in {child.digest: child for child in manifest.manifests}.values():
            self._want_child(node, child.digest, child)
        self.arrived(node)

    def want(self, node: Node, digest: Digest, tag: str | None = None) -> None:
        """Have an image wait for another manifest, under a tag or none."""
        if tag is None:
            self._want_child(node, digest)
            return
        self.expect(node)
        other = Node(
            node.source,
            Reference(node.repository, tag),
            digest,
            partial(self._tag_ended, node),
            depth=node.depth + 1,
            parents=[node],
        )
        other.effort = node.effort
        self.bring(other)

    def _tag_ended(self, node: Node, _: Node, error: MirrorError | None) -> None:
        if error is not None:
            self.fail(node, error)
        else:
            self.arrived(node)

    def _want_child(self, node: Node, digest: Digest, listed: Descriptor | None = None) -> None:
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
        child = Node(
            node.source, destination, digest, depth=node.depth + 1, parents=[node], listed=listed
        )
        child.effort = node.effort
        self._children[key] = child
        node.mended = node.mended or bool(node.refusals)
        self.bring(child)

    def expect(self, node: Node) -> None:
        """Count one thing more that a manifest waits for."""
        node.missing += 1

    def arrived(self, node: Node) -> None:
        """Count one thing less that a manifest waits for."""
        node.missing -= 1
        if not node.missing and not node.failed:
            self._go_on(node)

    def _go_on(self, node: Node) -> None:
        """Do what comes next for a manifest of which nothing is missing."""
        if node.following is not None and node.stage >= Stage.NAME:
            self._referring.note_followed(node)
        match node.stage:
            case Stage.PUT:
                self._push(node, Reference(node.repository, digest=node.digest))
            case Stage.NAME:
                self._name(node)
            case Stage.END:
                self._end(node)
            case _:
                self._refer(node)

    def _refer(self, node: Node) -> None:
        """Bring what refers to an image, and then write the lists of it."""
        node.missing = 1
        if node.stage is Stage.BRING:
            node.stage = Stage.WRITE
            self._referring.compare(node)
        else:
            named = node.destination.tag is None or node.present == node.digest
            node.stage = Stage.END if named else Stage.NAME
            self._referring.write(node)
        self.arrived(node)

    def _name(self, node: Node) -> None:
        """Put a manifest under its name; a list is added to what others have put there."""
        manifest = node.manifest
        assert manifest is not None, "a manifest is read before it is put"
        subject = node.list_of
        if subject is None or not manifest.may_be_list_of(subject):
            self._push(node, node.destination)
            return
        node.stage = Stage.END
        task = MergeReferrers(node.repository, subject, manifest.manifests, manifest)
        self._referring.merge(node, task)

    def _end(self, node: Node) -> None:
        assert node.ended is not None, "an image's root is told of"
        if not node.begun:
            node.present = node.digest
        node.ended(node, None)

    def _push(self, node: Node, destination: Reference) -> None:
        assert node.manifest is not None, "a manifest is read before it is pushed"
        node.begin()
        # Where nothing was missing after all, the registry needs time to notice.
        lags = node.refusals and not node.mended
        task = PutManifest(destination, node.manifest, _lag(node.refusals) if lags else 0.0)
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
            self.fail(node, answer)
            return
        if whole:
            self._knowledge.add_manifest(node.repository, node.digest)
        if node.stage is Stage.PUT:
            node.stage = Stage.BRING
            self._go_on(node)
        elif node.ended is not None:
            node.ended(node, None)
        else:
            del self._children[node.repository, node.digest]
            for parent in node.parents:
                self.arrived(parent)

    def _repair(self, node: Node) -> None:
        """Look again for everything that a manifest names, and bring what is not there."""
        assert node.manifest is not None, "a manifest is read before it is refused"
        node.refusals += 1
        node.mended = False
        node.effort.note(node.refusals + 1)
        named = (*node.manifest.blobs, *node.manifest.manifests)
        self._knowledge.distrust(node.repository, (one.digest for one in named))
        self._gather(node, node.manifest)

    def fail(self, node: Node, error: MirrorError) -> None:
        """Give a manifest up, and what waits for it."""
        if node.failed:
            return
        node.failed = True
        if node.ended is not None:
            node.ended(node, error)
            return
        del self._children[node.repository, node.digest]
        for parent in node.parents:
            if is_elsewhere(error, node, parent) and not parent.failed:
                self._want_child(parent, node.digest, node.listed)
                self.arrived(parent)  # not this one, but perhaps it is there by now
            else:
                self.fail(parent, error)


def _lag(refusals: int) -> float:
    """Return the seconds to let a registry notice what it has: 1, 2, 4, 8."""
    return 2.0 ** (refusals - 1)


def _too_deep(node: Node) -> MirrorError:
    error = Unsupported(f"more than {DEPTH_LIMIT} indexes within each other")
    return error.at(Place(Side.SOURCE, f"{node.source}@{node.digest}", "walking the index"))
