"""What refers to an image, brought before its tag, and written as the destination wants it.

    compare: what the destination lacks --> wanted like any other manifest
    write:   the lists of a registry that keeps none itself

Who writes such a list reads it first and adds to it, one at a time for each list.
Distribution specification 1.1, "Pushing Manifests with Subject".
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from mirror.errors import MirrorError, NothingRefers, Place, Refused, Side
from mirror.image.digest import Digest
from mirror.image.digesttag import is_digest_tag, subject_of
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.plan.following import Finder, Following
from mirror.plan.inquiry import Inquiry
from mirror.plan.node import Node
from mirror.plan.task import Answer, ListReferrers, MergeReferrers, Resolve, Task
from mirror.plan.writers import Writers
from mirror.wire.referrers import Fallback, ReferrerList

_OURS = "A list may be there; move that tag away if nobody needs it."


class Waits(Protocol):
    """Counts what an image waits for, and brings it."""

    def expect(self, node: Node) -> None:
        """Have the image wait for one thing more."""
        ...

    def arrived(self, node: Node) -> None:
        """Have the image wait for one thing less."""
        ...

    def want(self, node: Node, digest: Digest, tag: str | None = None) -> None:
        """Have the image wait for a manifest, under a tag or none."""
        ...

    def fail(self, node: Node, error: MirrorError) -> None:
        """Give the image up."""
        ...


class Referring:
    """Images on their way together with what refers to them."""

    def __init__(self, inquiry: Inquiry, finder: Finder, waits: Waits) -> None:
        self._inquiry = inquiry
        self._finder = finder
        self._waits = waits
        self._followed: dict[tuple[Repository, Repository, Digest], bool] = {}
        self._writers = Writers(inquiry)

    def find(self, node: Node, image: Descriptor | Manifest, then: Callable[[], None]) -> None:
        """Find what refers to an image; go on with it in ``node.following``, if there is any."""
        if (known := self._followed.get(_key(node))) is not None:
            self._go_on(node, then, found=known)
        else:
            self._finder.find(node, node.source, image, partial(self._found, node, then))

    def _found(
        self, node: Node, then: Callable[[], None], outcome: Following | MirrorError
    ) -> None:
        if isinstance(outcome, MirrorError):
            self._waits.fail(node, outcome)
            return
        node.following = outcome or None
        if not outcome:
            self._followed[_key(node)] = False
        self._go_on(node, then, found=bool(outcome))

    def _go_on(self, node: Node, then: Callable[[], None], *, found: bool) -> None:
        # What is itself a signature or a list of them needs none.
        if not found and node.referrers_required and not is_digest_tag(node.destination.tag or ""):
            place = Place(Side.SOURCE, f"{node.source}@{node.digest}", "looking for referrers")
            self._waits.fail(node, NothingRefers("nothing refers to it").at(place))
        elif not node.failed:
            then()

    def compare(self, node: Node) -> None:
        """Want what refers to an image and is not at its destination."""
        assert node.following is not None, "something refers to it"
        for subject, referrers in node.following.lists.items():
            task = ListReferrers(Side.DESTINATION, node.repository, subject)
            self._ask(node, task, partial(self._compared, node, subject, referrers))
        for tag, digest in node.following.tags.items():
            resolve = Resolve(Side.DESTINATION, Reference(node.repository, tag))
            self._ask(node, resolve, partial(self._named, node, tag, digest))

    def _compared(
        self,
        node: Node,
        subject: Digest,
        referrers: dict[Digest, Descriptor],
        answer: Answer,
    ) -> None:
        assert isinstance(answer, ReferrerList), f"a list was asked for, {answer!r} came"
        there = {one.digest for one in answer.referrers}
        missing = tuple(one for digest, one in referrers.items() if digest not in there)
        for one in missing:
            self._waits.want(node, one.digest)
        if missing and not answer.listed:
            node.unlisted[subject] = missing

    def _named(self, node: Node, tag: str, digest: Digest, answer: Answer) -> None:
        there = answer.digest if isinstance(answer, Descriptor) else None
        if there is not None and there != digest and subject_of(tag) is not None:
            place = Place(Side.DESTINATION, f"{node.repository}:{tag}", "comparing referrers")
            error = Refused("the tag names something that others may have put there", hint=_OURS)
            self._waits.fail(node, error.at(place))
        elif there != digest:
            self._waits.want(node, digest, tag)

    def compare_list(
        self, node: Node, subject: Digest, index: Manifest, then: Callable[[Manifest], None]
    ) -> None:
        """Find out what of a list is not in the destination's; all of it, if that has no tag."""
        task = ListReferrers(Side.DESTINATION, node.repository, subject, Fallback.BESIDES)
        self._inquiry.ask(node, task, partial(self._list_compared, node, index, then))

    def _list_compared(
        self,
        node: Node,
        index: Manifest,
        then: Callable[[Manifest], None],
        answer: Answer | MirrorError,
    ) -> None:
        if isinstance(answer, MirrorError):
            self._waits.fail(node, answer)
            return
        assert isinstance(answer, ReferrerList), f"a list was asked for, {answer!r} came"
        there = {one.digest for one in answer.referrers}
        missing = tuple(one for one in index.manifests if one.digest not in there)
        then(index if node.present is None else index.with_children(missing))

    def write(self, node: Node) -> None:
        """Write the lists that a registry does not keep by itself."""
        for subject, missing in node.unlisted.items():
            self.merge(node, MergeReferrers(node.repository, subject, missing))

    def note_followed(self, node: Node) -> None:
        """Learn that all that refers to an image is at its destination, for its other tags."""
        self._followed[_key(node)] = True

    def merge(self, node: Node, task: MergeReferrers) -> None:
        """Have a list added to, and the image wait for it."""
        self._waits.expect(node)
        self._writers.merge(node, task, partial(self._merged, node))

    def _merged(self, node: Node, answer: Answer | MirrorError) -> None:
        if isinstance(answer, MirrorError):
            self._waits.fail(node, answer)
            return
        if answer:
            node.begin()
        self._waits.arrived(node)

    def _ask(self, node: Node, task: Task, then: Callable[[Answer], None]) -> None:
        self._waits.expect(node)
        self._inquiry.ask(node, task, partial(self._take, node, then))

    def _take(
        self, node: Node, then: Callable[[Answer], None], answer: Answer | MirrorError
    ) -> None:
        if isinstance(answer, MirrorError):
            self._waits.fail(node, answer)
        elif not node.failed:
            then(answer)
            self._waits.arrived(node)


def _key(node: Node) -> tuple[Repository, Repository, Digest]:
    return node.source, node.repository, node.digest
