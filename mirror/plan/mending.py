"""Bringing to a destination what a verification missed there, and nothing else.

blobs --> manifests, children first --> lists of referrers --> tags, the image's last
--> a second look at what was something else: a registry may keep what it has
"""

from collections.abc import Callable, Iterator
from functools import partial

from mirror.errors import IntegrityError, MirrorError, Place, Side
from mirror.events import Landing
from mirror.image.digest import Digest
from mirror.image.manifest import Manifest
from mirror.image.reference import Reference
from mirror.plan.case import Case
from mirror.plan.inquiry import Inquiry
from mirror.plan.knowledge import Knowledge
from mirror.plan.task import Answer, CopyBlob, Landed, MergeReferrers, PutManifest, Task
from mirror.plan.writers import Writers
from mirror.wire.referrers import ReferrerList

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
            self._inquiry.ask(case, task, partial(self._copied, case, task))
            case.unanswered += 1
        self._answered(case, self._put_manifests)

    def _put_manifests(self, case: Case) -> None:
        """Put the next manifest that is not there; children first, each after what it names."""
        # What has a tag is put with it, but for an image that others refer to.
        tagged = set(case.tags.values()) if not case.referred else set()
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
            self._look_again(case)
            return
        own = case.pair.destination.tag
        tag = min(case.tags, key=lambda one: one == own)
        manifest = case.manifests[case.tags.pop(tag)]
        self._put(case, Reference(case.there, tag), manifest, self._put_tags)

    def _look_again(self, case: Case) -> None:
        case.unanswered = 1
        for task, digest in case.doubts:
            case.unanswered += 1
            self._inquiry.ask(case, task, partial(self._looked, case, digest))
        self._answered(case, self._end)

    def _looked(self, case: Case, digest: Digest, answer: Answer | MirrorError) -> None:
        if case.settled:
            return
        listed = isinstance(answer, ReferrerList) and digest in [
            one.digest for one in answer.referrers
        ]
        if answer is True or listed:
            self._answered(case, self._end)
        elif isinstance(answer, MirrorError) and not isinstance(answer, IntegrityError):
            case.over(case, answer)
        else:
            case.over(case, _kept(case, digest))

    def _end(self, case: Case) -> None:
        case.over(case, None)

    def _put(self, case: Case, reference: Reference, manifest: Manifest, then: _Step) -> None:
        case.unanswered = 0
        self._ask(case, PutManifest(reference, manifest), then)

    def _ask(self, case: Case, task: Task, then: _Step) -> None:
        case.unanswered += 1
        self._inquiry.ask(case, task, partial(self._take, case, then))

    def _copied(self, case: Case, task: CopyBlob, answer: Answer | MirrorError) -> None:
        if isinstance(answer, Landed):
            self._knowledge.add_blob(case.there, task.blob.digest)
            if answer.refused is not None:
                self._knowledge.mount_refused(case.there, answer.refused)
            if answer.landing is Landing.COPIED:
                case.bytes_copied += task.blob.size
        self._take(case, self._put_manifests, answer)

    def _take(self, case: Case, then: _Step, answer: Answer | MirrorError) -> None:
        if case.settled:
            return
        if isinstance(answer, MirrorError):
            case.over(case, answer)
            return
        self._answered(case, then)

    def _answered(self, case: Case, then: _Step) -> None:
        case.unanswered -= 1
        if not case.unanswered:
            then(case)


def _kept(case: Case, digest: Digest) -> MirrorError:
    error = IntegrityError(
        "it took what was missing, and still has something else",
        hint="Have it delete this and collect its garbage, then run again.",
    )
    return error.at(Place(Side.DESTINATION, f"{case.there}@{digest}", "looking again"))


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
