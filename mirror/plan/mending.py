"""Bringing to a destination what a verification missed there, and nothing else.

blobs --> manifests, children first --> lists of referrers --> tags, the image's last
"""

from collections.abc import Callable, Iterator
from functools import partial

from mirror.errors import MirrorError
from mirror.image.digest import Digest
from mirror.image.manifest import Manifest
from mirror.image.reference import Reference
from mirror.plan.checking import Case
from mirror.plan.inquiry import Inquiry
from mirror.plan.knowledge import Knowledge
from mirror.plan.task import Answer, CopyBlob, Landed, MergeReferrers, PutManifest, Task
from mirror.plan.writers import Writers

_Step = Callable[[Case], None]


class Mending:
    """Cases that are being repaired."""

    def __init__(self, inquiry: Inquiry, knowledge: Knowledge) -> None:
        self._inquiry = inquiry
        self._knowledge = knowledge
        self._writers = Writers(inquiry)

    def mend(self, case: Case) -> None:
        """Bring what is missing, until the case is over."""
        case.unanswered = 1
        for blob, spoiled in case.blobs.values():
            # What is something else there must not be taken from there again.
            task = CopyBlob(case.here, case.there, blob, shared=not spoiled, mountable=not spoiled)
            self._ask(case, task, self._put_manifests)
        self._answered(case, self._put_manifests)

    def _put_manifests(self, case: Case) -> None:
        """Put the next manifest that is not there; children first, each after what it names."""
        tagged = set(case.tags.values())
        while case.lacking:
            digest = next(one for one in _upwards(case.manifests) if one in case.lacking)
            case.lacking.remove(digest)
            if digest not in tagged:
                reference = Reference(case.there, digest=digest)
                self._put(case, reference, case.manifests[digest], self._put_manifests)
                return
        self._merge(case)

    def _merge(self, case: Case) -> None:
        case.unanswered = 1
        for subject, missing in case.unlisted.items():
            case.unanswered += 1
            task = MergeReferrers(case.there, subject, missing)
            self._writers.merge(case, task, partial(self._take, case, self._put_tags))
        self._answered(case, self._put_tags)

    def _put_tags(self, case: Case) -> None:
        """Put the next tag that names nothing, or something else; the image's own last."""
        if not case.tags:
            case.over(case, None)
            return
        own = case.pair.destination.tag
        tag = min(case.tags, key=lambda one: one == own)
        manifest = case.manifests[case.tags.pop(tag)]
        self._put(case, Reference(case.there, tag), manifest, self._put_tags)

    def _put(self, case: Case, reference: Reference, manifest: Manifest, then: _Step) -> None:
        case.unanswered = 0
        self._ask(case, PutManifest(reference, manifest), then)

    def _ask(self, case: Case, task: Task, then: _Step) -> None:
        case.unanswered += 1
        self._inquiry.ask(case, task, partial(self._take, case, then))

    def _take(self, case: Case, then: _Step, answer: Answer | MirrorError) -> None:
        if case.settled:
            return
        if isinstance(answer, MirrorError):
            case.over(case, answer)
            return
        if isinstance(answer, Landed):
            self._landed(case, answer)
        self._answered(case, then)

    def _landed(self, case: Case, landed: Landed) -> None:
        if landed.refused is not None:
            self._knowledge.mount_refused(case.there, landed.refused)

    def _answered(self, case: Case, then: _Step) -> None:
        case.unanswered -= 1
        if not case.unanswered:
            then(case)


def _upwards(manifests: dict[Digest, Manifest]) -> Iterator[Digest]:
    """Give the manifests with children before their parents."""
    given: set[Digest] = set()

    def visit(digest: Digest) -> Iterator[Digest]:
        if digest in given or digest not in manifests:
            return
        given.add(digest)
        for child in manifests[digest].manifests:
            yield from visit(child.digest)
        yield digest

    for digest in manifests:
        yield from visit(digest)
