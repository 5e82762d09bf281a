"""What is brought of an image of which only some platforms are wanted.

read --no index, or nothing to choose--> brought as it is
--an index--> what is left of it --another digest, no tag--> looked for --> brought
there already: over
an index that is kept as it is, and there already --is every child that is wanted?--> over,
or brought
"""

from collections.abc import Callable
from functools import partial

from mirror.errors import Denied, MirrorError, Place, Side
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.selection import Selection
from mirror.image.subset import left_of
from mirror.plan.inquiry import Inquiry
from mirror.plan.knowledge import Knowledge
from mirror.plan.node import Node
from mirror.plan.task import Answer, CheckManifest, Resolve


class Choosing:
    """Manifests that were read, on their way to what is wanted of them."""

    def __init__(
        self,
        inquiry: Inquiry,
        knowledge: Knowledge,
        gather: Callable[[Node, Manifest], None],
        bring: Callable[[Node], None],
        present: Callable[[Node, Manifest | Descriptor], None],
        fail: Callable[[Node, MirrorError], None],
        *,
        force: bool,
    ) -> None:
        """Be told who goes on: with a manifest, another node, what is there, a failure."""
        self._inquiry = inquiry
        self._knowledge = knowledge
        self._gather = gather
        self._bring = bring
        self._present = present
        self._fail = fail
        self._force = force

    def choose(self, node: Node, manifest: Manifest) -> None:
        """Go on with what is wanted of a manifest, unless it is there."""
        if node.selection is not None and manifest.is_index:
            self._select(node, manifest, node.selection)
        else:
            self._go_on(node, manifest)

    def _select(self, node: Node, index: Manifest, selection: Selection) -> None:
        try:
            left = left_of(index, selection)
        except MirrorError as error:
            place = Place(Side.SOURCE, f"{node.source}@{node.digest}", "choosing platforms")
            self._fail(node, error.at(place))
            return
        renamed = left.digest != node.digest and node.destination.tag is None
        node.become(left.digest)
        if renamed and not self._force:
            # Its name at the destination is another one too, which nobody has looked for.
            task = Resolve(Side.DESTINATION, node.destination)
            self._inquiry.ask(node, task, partial(self._looked, node, left))
        else:
            self._go_on(node, left)

    def _looked(
        self, node: Node, left: Manifest | Descriptor, answer: Answer | MirrorError
    ) -> None:
        if isinstance(answer, MirrorError) and not isinstance(answer, Denied):
            self._fail(node, answer)
            return
        if isinstance(answer, Descriptor):
            node.present = answer.digest
        self._go_on(node, left)

    def _go_on(self, node: Node, left: Manifest | Descriptor) -> None:
        kept = node.selection is not None and node.selection.keep_index
        there = _is_present(node, left)
        if there and kept and isinstance(left, Manifest) and left.manifests:
            self._look_for_children(node, left)
        elif there:
            self._present(node, left)
        elif isinstance(left, Manifest):
            self._gather(node, left)
        else:
            node.selection = None
            self._bring(node)

    def _look_for_children(self, node: Node, index: Manifest) -> None:
        """Ask for what is behind an index that is there: it may be fewer platforms than now."""
        children = {child.digest for child in index.manifests}
        missing: set[Digest] = set()
        for digest in list(children):
            task = CheckManifest(node.repository, digest)
            then = partial(self._child_looked, node, index, digest, children, missing)
            self._inquiry.ask(node, task, then)

    def _child_looked(
        self,
        node: Node,
        index: Manifest,
        digest: Digest,
        unanswered: set[Digest],
        missing: set[Digest],
        answer: Answer | MirrorError,
    ) -> None:
        unanswered.remove(digest)
        if answer is True:
            self._knowledge.add_manifest(node.repository, digest)
        else:
            missing.add(digest)  # or not ours to see: then the push decides
        if unanswered:
            return
        if missing:
            self._gather(node, index)
        else:
            self._present(node, index)


def _is_present(node: Node, left: Manifest | Descriptor) -> bool:
    """Whether the destination names this, by whichever algorithm."""
    present = node.present
    if present is None or present == node.digest:
        return present is not None
    if present.algorithm == node.digest.algorithm or not isinstance(left, Manifest):
        return False
    return Digest.of(left.content, present.algorithm) == present
