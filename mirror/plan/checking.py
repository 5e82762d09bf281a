"""Walking an image at its source, and looking for each part of it at its destination.

resolved on both sides --> what the source names is read, and everything below it
    --each manifest and blob--> there / missing / something else
    --what refers to it, if that is wanted--> the same

What was found in a repository is not looked for again in the same run.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mirror.errors import (
    IntegrityError,
    MirrorError,
    NotFound,
    NothingRefers,
    Place,
    Side,
    Unsupported,
)
from mirror.image.digest import Digest
from mirror.image.digesttag import is_digest_tag, subject_of
from mirror.image.manifest import DEPTH_LIMIT, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.image.subset import left_of
from mirror.options import Options
from mirror.plan.case import Case, compare_tag, difference, note_unseen
from mirror.plan.following import Finder, Following
from mirror.plan.inquiry import Inquiry
from mirror.plan.knowledge import Knowledge
from mirror.plan.shelf import Shelf
from mirror.plan.task import (
    Answer,
    CheckBlob,
    CheckManifest,
    ListReferrers,
    ReadManifest,
    Resolve,
    Task,
)
from mirror.wire.referrers import Fallback, ReferrerList

# By which registries name what they are not told a name for.
_CANONICAL = "sha256"


class Checking:
    """Cases that are being looked into."""

    def __init__(
        self, inquiry: Inquiry, knowledge: Knowledge, finder: Finder, shelf: Shelf, options: Options
    ) -> None:
        self._inquiry = inquiry
        self._knowledge = knowledge
        self._finder = finder
        self._shelf = shelf
        self._options = options
        self._seen: set[tuple[Repository, Digest]] = set()

    def check(self, case: Case) -> None:
        """Look for everything of a pair, until the case is over."""
        case.unanswered = 1
        if case.pair.source.digest is not None:
            self._read(case, case.pair.source.digest, partial(self._root_read, case))
        else:
            self._ask(case, Resolve(Side.SOURCE, case.pair.source), partial(self._resolved, case))
        if case.pair.destination.tag is not None:
            resolve = Resolve(Side.DESTINATION, case.pair.destination)
            self._ask(case, resolve, partial(self._named, case))
        self._answered(case)

    def _resolved(self, case: Case, answer: Answer) -> None:
        assert isinstance(answer, Descriptor), f"a descriptor was asked for, {answer!r} came"
        case.source = answer.digest
        self._read(case, answer.digest, partial(self._root_read, case))

    def _named(self, case: Case, answer: Answer) -> None:
        case.named = answer.digest if isinstance(answer, Descriptor) else None
        if case.named is not None:
            self._knowledge.found_repository(case.there)

    def _root_read(self, case: Case, manifest: Manifest) -> None:
        """Choose what is wanted of it, as a copy does."""
        case.source = manifest.digest
        selection = self._options.selection
        if selection is None or not manifest.is_index:
            self._expect(case, manifest)
            return
        try:
            left = left_of(manifest, selection)
        except MirrorError as error:
            place = Place(Side.SOURCE, f"{case.here}@{manifest.digest}", "choosing platforms")
            self._end(case, error.at(place))
            return
        if isinstance(left, Manifest):
            self._expect(case, left)
        else:
            self._read(case, left.digest, partial(self._expect, case))

    def _expect(self, case: Case, root: Manifest) -> None:
        tag = case.pair.destination.tag
        if tag is not None and root.digest.algorithm != _CANONICAL:
            # A tag names what it names by this one.
            root = replace(root, digest=Digest.of(root.content))
        case.root = root.digest
        subject = subject_of(tag) if self._options.referrers and tag is not None else None
        if subject is not None and root.may_be_list_of(subject):
            case.list_of = subject
            self._expect_list(case, root, subject)
            return
        self._walk(case, 0, root)
        if self._options.referrers:
            case.unanswered += 1
            self._finder.find(case, case.here, root, partial(self._followed, case))

    def _expect_list(self, case: Case, index: Manifest, subject: Digest) -> None:
        """Look for what a list has; the one at the destination may have more."""
        referrers = {one.digest: one for one in index.manifests}
        task = ListReferrers(Side.DESTINATION, case.there, subject, Fallback.BESIDES)
        self._ask(case, task, partial(self._listed, case, subject, referrers))

    def _walk(self, case: Case, depth: int, manifest: Manifest) -> None:
        """Look for a manifest, and for everything below it."""
        if manifest.digest in case.manifests:
            return
        if depth >= DEPTH_LIMIT and manifest.manifests:
            place = Place(Side.SOURCE, f"{case.here}@{manifest.digest}", "walking the index")
            error = Unsupported(f"more than {DEPTH_LIMIT} indexes within each other")
            self._end(case, error.at(place))
            return
        case.manifests[manifest.digest] = manifest
        self._look_for_manifest(case, manifest.digest)
        for blob in manifest.needed_blobs(foreign=self._options.push_foreign).values():
            self._look_for_blob(case, blob)
        for child in {child.digest: child for child in manifest.manifests}.values():
            self._read(case, child.digest, partial(self._walk, case, depth + 1), child)

    def _look_for_manifest(self, case: Case, digest: Digest) -> None:
        if (case.there, digest) in self._seen:
            return
        task = CheckManifest(case.there, digest, deep=self._options.deep)
        self._look(case, task, partial(self._manifest_looked, case, digest))

    def _manifest_looked(self, case: Case, digest: Digest, found: bool | IntegrityError) -> None:
        if found is True:
            self._seen.add((case.there, digest))
            return
        case.lacking.add(digest)
        case.differences.append(difference("manifest", digest, found))
        if isinstance(found, IntegrityError):
            case.doubts.append((CheckManifest(case.there, digest, deep=True), digest))

    def _look_for_blob(self, case: Case, blob: Descriptor) -> None:
        if (case.there, blob.digest) in self._seen or blob.digest in case.blobs:
            return
        task = CheckBlob(case.there, blob, deep=self._options.deep)
        self._look(case, task, partial(self._blob_looked, case, blob))

    def _blob_looked(self, case: Case, blob: Descriptor, found: bool | IntegrityError) -> None:
        if found is True:
            self._seen.add((case.there, blob.digest))
            self._knowledge.add_blob(case.there, blob.digest)
        elif blob.digest not in case.blobs:
            case.blobs[blob.digest] = blob, isinstance(found, IntegrityError)
            case.differences.append(difference("blob", blob.digest, found))
            if isinstance(found, IntegrityError):
                case.doubts.append((CheckBlob(case.there, blob, deep=True), blob.digest))

    def _followed(self, case: Case, outcome: Following | MirrorError) -> None:
        if not isinstance(outcome, MirrorError) and not outcome and self._requires(case):
            place = Place(Side.SOURCE, f"{case.here}@{case.root}", "looking for referrers")
            outcome = NothingRefers("nothing refers to it").at(place)
        if isinstance(outcome, MirrorError):
            self._end(case, outcome)
            return
        case.referred = bool(outcome)
        for subject, referrers in outcome.lists.items():
            task = ListReferrers(Side.DESTINATION, case.there, subject)
            self._ask(case, task, partial(self._listed, case, subject, referrers))
        for tag, digest in outcome.tags.items():
            resolve = Resolve(Side.DESTINATION, Reference(case.there, tag))
            self._ask(case, resolve, partial(self._tag_named, case, tag, digest))
        self._answered(case)

    def _requires(self, case: Case) -> bool:
        tag = case.pair.destination.tag
        return self._options.require_referrers and not is_digest_tag(tag or "")

    def _listed(
        self, case: Case, subject: Digest, referrers: dict[Digest, Descriptor], answer: Answer
    ) -> None:
        assert isinstance(answer, ReferrerList), f"a list was asked for, {answer!r} came"
        there = {one.digest for one in answer.referrers}
        missing = tuple(one for digest, one in referrers.items() if digest not in there)
        if answer.listed and case.list_of is None:
            case.unseen += [(one.digest, subject) for one in missing]
        elif missing:
            case.differences += [difference("referrer", d.digest, found=False) for d in missing]
            case.unlisted[subject] = missing
        for digest in referrers:
            self._read(case, digest, partial(self._walk, case, 1))

    def _tag_named(self, case: Case, tag: str, digest: Digest, answer: Answer) -> None:
        found = answer.digest if isinstance(answer, Descriptor) else None
        compare_tag(case, tag, digest, found)
        self._read(case, digest, partial(self._walk, case, 1))

    def _read(
        self,
        case: Case,
        digest: Digest,
        then: Callable[[Manifest], None],
        listed: Descriptor | None = None,
    ) -> None:
        """Have a manifest of the source, which may be at hand, or turn out to be a blob."""
        if (kept := self._shelf.find(digest)) is not None:
            then(kept)
        else:
            task = ReadManifest(case.here, digest)
            case.unanswered += 1
            read = partial(self._manifest_read, then)
            self._inquiry.ask(case, task, partial(self._read_or_not, case, read, listed))

    def _read_or_not(
        self,
        case: Case,
        read: Callable[[Answer], None],
        listed: Descriptor | None,
        answer: Answer | MirrorError,
    ) -> None:
        if isinstance(answer, NotFound) and listed is not None and listed.may_be_blob:
            self._look_for_blob(case, listed)
            self._answered(case)
        else:
            self._take(case, read, answer)

    def _manifest_read(self, then: Callable[[Manifest], None], answer: Answer) -> None:
        assert isinstance(answer, Manifest), f"a manifest was asked for, {answer!r} came"
        self._shelf.keep(answer)
        then(answer)

    def _look(self, case: Case, task: Task, then: Callable[[bool | IntegrityError], None]) -> None:
        case.unanswered += 1
        self._inquiry.ask(case, task, partial(self._looked, case, then))

    def _looked(
        self,
        case: Case,
        then: Callable[[bool | IntegrityError], None],
        answer: Answer | MirrorError,
    ) -> None:
        if case.settled:
            return
        if isinstance(answer, IntegrityError | bool):
            then(answer)
            self._answered(case)
        else:
            assert isinstance(answer, MirrorError), f"yes or no was asked for, {answer!r} came"
            self._end(case, answer)

    def _ask(self, case: Case, task: Task, then: Callable[[Answer], None]) -> None:
        case.unanswered += 1
        self._inquiry.ask(case, task, partial(self._take, case, then))

    def _take(
        self, case: Case, then: Callable[[Answer], None], answer: Answer | MirrorError
    ) -> None:
        if case.settled:
            return
        if isinstance(answer, MirrorError):
            self._end(case, answer)
        else:
            then(answer)
            self._answered(case)

    def _answered(self, case: Case) -> None:
        case.unanswered -= 1
        if not case.unanswered:
            self._end(case, None)

    def _end(self, case: Case, error: MirrorError | None) -> None:
        if case.settled:
            return
        tag = case.pair.destination.tag
        if error is None:
            note_unseen(case)
            if tag is not None and case.root is not None and case.list_of is None:
                compare_tag(case, tag, case.root, case.named)
        case.over(case, error)
