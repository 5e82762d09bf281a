"""What is brought of an image of which only some platforms are wanted.

read --no index, or nothing to choose--> brought as it is
--an index--> what is left of it --another digest, no tag--> looked for --> brought
there already: over
"""

from collections.abc import Callable
from functools import partial

from mirror.errors import Denied, MirrorError, Place, Side
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.selection import Selection
from mirror.image.subset import left_of
from mirror.plan.inquiry import Inquiry
from mirror.plan.node import Node
from mirror.plan.task import Answer, Resolve


class Choosing:
    """Manifests that were read, on their way to what is wanted of them."""

    def __init__(
        self,
        inquiry: Inquiry,
        gather: Callable[[Node, Manifest], None],
        bring: Callable[[Node], None],
        present: Callable[[Node, Manifest | Descriptor], None],
        fail: Callable[[Node, MirrorError], None],
        *,
        force: bool,
    ) -> None:
        """Be told who goes on: with a manifest, another node, what is there, a failure."""
        self._inquiry = inquiry
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
        if node.digest == node.present:
            self._present(node, left)
        elif isinstance(left, Manifest):
            self._gather(node, left)
        else:
            node.selection = None
            self._bring(node)
