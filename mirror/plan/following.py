"""Finding what refers to an image, to what it lists, and to whatever refers to those.

Registries have it in lists of their own, behind tags that stand for such lists,
and behind tags of cosign; the tags are told by the repository's tag list, which
is read once.  Everything is asked about once, so that what refers to each other
in a circle ends.  Distribution specification 1.1, "Listing Referrers".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import MirrorError, NotFound, RegistryError, Side
from mirror.image.digest import Digest
from mirror.image.digesttag import cosign_tags, fallback_tag, is_digest_tag
from mirror.image.manifest import Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.plan.inquiry import Asker, Inquiry, as_error
from mirror.plan.listings import Listings
from mirror.plan.shelf import Shelf
from mirror.plan.task import (
    Answer,
    ListReferrers,
    ListTags,
    ReadManifest,
    Resolve,
    Task,
)
from mirror.wire.listing import Names
from mirror.wire.referrers import Fallback, ReferrerList


@dataclass(slots=True)
class Following:
    """What refers to one image and to what it lists."""

    lists: dict[Digest, dict[Digest, Descriptor]] = field(default_factory=dict)
    """What refers to each subject, by its digest."""
    tags: dict[str, Digest] = field(default_factory=dict)
    """Tags that are made of a subject's digest, and what they name."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.lists or self.tags)


Found = Callable[[Following | MirrorError], None]


@dataclass(slots=True, eq=False)
class _Search:
    """One image's search."""

    asker: Asker
    source: Repository
    image: Digest
    found: Found
    following: Following = field(default_factory=Following)
    asked: set[Digest] = field(default_factory=set)
    unanswered: int = 0
    tags: frozenset[str] | None = None
    """The source's tags that are made of digests; None if it does not say."""
    doubtful: set[Task] = field(default_factory=set)
    """Questions about what may turn out to be a blob."""
    over: bool = False


class Finder:
    """Searches that are under way."""

    def __init__(self, inquiry: Inquiry, listings: Listings, shelf: Shelf) -> None:
        self._inquiry = inquiry
        self._listings = listings
        self._shelf = shelf

    def find(
        self, asker: Asker, source: Repository, image: Descriptor | Manifest, found: Found
    ) -> None:
        """Have `found` called with everything that refers to an image, or with an error."""
        search = _Search(asker, source, image.digest, found)
        self._listings.ask(asker, ListTags(source), partial(self._tags_listed, search, image))

    def _tags_listed(
        self, search: _Search, image: Descriptor | Manifest, answer: Answer | MirrorError
    ) -> None:
        if isinstance(answer, Names):
            search.tags = frozenset(tag for tag in answer.names if is_digest_tag(tag))
        elif not isinstance(answer, RegistryError):
            self._end(search, as_error(answer))
            return
        # Who may not list tags may still read them: then each that there could be is tried.
        search.unanswered = 1
        self._follow(search, image)
        self._answered(search)

    def _follow(self, search: _Search, one: Descriptor | Manifest) -> None:
        """Ask what refers to a manifest, and to what it lists."""
        if one.digest in search.asked:
            return
        search.asked.add(one.digest)
        self._list(search, one.digest)
        for tag in cosign_tags(one.digest):
            if search.tags is None or tag in search.tags:
                resolve = Resolve(Side.SOURCE, Reference(search.source, tag))
                self._ask(search, resolve, partial(self._tag_found, search, tag))
        if isinstance(one, Descriptor):
            one = self._shelf.find(one.digest) or one
        if isinstance(one, Manifest):
            self._read(search, one)
        elif one.may_be_index:
            task = ReadManifest(search.source, one.digest)
            if one.may_be_blob:
                search.doubtful.add(task)
            self._ask(search, task, partial(self._read, search))

    def _list(self, search: _Search, subject: Digest) -> None:
        tag = fallback_tag(subject)
        if search.tags is None:
            fallback = Fallback.INSTEAD
        else:
            fallback = Fallback.BESIDES if tag in search.tags else Fallback.ABSENT
        task = ListReferrers(Side.SOURCE, search.source, subject, fallback)
        self._ask(search, task, partial(self._listed, search, subject))

    def _listed(self, search: _Search, subject: Digest, answer: Answer) -> None:
        assert isinstance(answer, ReferrerList), f"a list was asked for, {answer!r} came"
        # The image itself may be said to refer to a part of it, but comes in any case.
        referrers = {one.digest: one for one in answer.referrers if one.digest != search.image}
        if referrers:
            search.following.lists[subject] = referrers
        if answer.alone is not None:
            search.following.tags[fallback_tag(subject)] = answer.alone.digest
            self._follow(search, answer.alone)
        for one in referrers.values():
            self._follow(search, one)

    def _tag_found(self, search: _Search, tag: str, answer: Answer) -> None:
        assert isinstance(answer, Descriptor), f"a descriptor was asked for, {answer!r} came"
        search.following.tags[tag] = answer.digest
        self._follow(search, answer)

    def _read(self, search: _Search, answer: Answer) -> None:
        assert isinstance(answer, Manifest), f"a manifest was asked for, {answer!r} came"
        self._shelf.keep(answer)
        for child in answer.manifests:
            self._follow(search, child)

    def _ask(self, search: _Search, task: Task, then: Callable[[Answer], None]) -> None:
        search.unanswered += 1
        self._inquiry.ask(search.asker, task, partial(self._take, search, task, then))

    def _take(
        self,
        search: _Search,
        task: Task,
        then: Callable[[Answer], None],
        answer: Answer | MirrorError,
    ) -> None:
        if search.over:
            return
        if not isinstance(answer, MirrorError):
            then(answer)
        elif not (isinstance(answer, NotFound) and _says_nothing(search, task)):
            self._end(search, answer)
            return
        self._answered(search)

    def _answered(self, search: _Search) -> None:
        search.unanswered -= 1
        if not search.unanswered and not search.over:
            self._end(search, search.following)

    def _end(self, search: _Search, outcome: Following | MirrorError) -> None:
        search.over = True
        search.found(outcome)


def _says_nothing(search: _Search, task: Task) -> bool:
    """Whether it is no matter that this is not there: a tag that is gone, or a listed blob."""
    return isinstance(task, Resolve) or task in search.doubtful
