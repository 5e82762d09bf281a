"""What refers to a manifest, whichever way a registry has it.

    ASKING --200, an index--> ASKING the next page; after the last READING, or OVER
    ASKING --there is no such list--> READING the tag that stands for it, or OVER
    READING --200, an index / 404--> OVER

Distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

from enum import Enum, auto
from http import HTTPStatus

import msgspec
from msgspec import Struct

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, Descriptor, Manifest
from mirror.image.reference import Repository
from mirror.image.referrers_index import fallback_tag
from mirror.wire.error_response import failure
from mirror.wire.listing import next_page
from mirror.wire.message import Reply, Request
from mirror.wire.requests import ask_manifest

# What registries without the list answer; GHCR and Artifact Registry lead to web pages.
_NO_LIST = frozenset({400, 404, 405, 406, 501})
# Codes with which one that has lists says that there is nothing to list.
_NOTHING_THERE = {"NAME_UNKNOWN", "MANIFEST_UNKNOWN"}


class Fallback(Enum):
    """When the tag is read that may stand for a list of referrers."""

    INSTEAD = auto()
    """Where there is no list."""
    BESIDES = auto()
    """In any case."""
    ABSENT = auto()
    """Never: there is no such tag."""


class ReferrerList(Struct, frozen=True):
    """What refers to a manifest, and how the registry has it."""

    referrers: tuple[Descriptor, ...] = ()
    listed: bool = False
    """Whether the registry keeps such lists; otherwise a tag stands for each."""
    alone: Descriptor | None = None
    """What that tag names, if it is not a list."""


class _SearchState(Enum):
    ASKING = auto()
    READING = auto()
    OVER = auto()


class Referrers:
    """Send `request` and hand the answer to `answered`, until it is over."""

    def __init__(
        self,
        repository: Repository,
        subject: Digest,
        *,
        listed: bool = True,
        fallback: Fallback = Fallback.INSTEAD,
    ) -> None:
        self.found: dict[Digest, Descriptor] = {}
        """What refers to the subject, in the order in which the registry has it."""
        self.alone: Descriptor | None = None
        """What the tag names, if it is not a list."""
        self.listed = listed
        """Whether the registry keeps such lists; otherwise a tag stands for each."""
        self._repository = repository
        self._subject = subject
        self._fallback = fallback
        self._state = _SearchState.ASKING if listed else self._after_list()
        self._path = self._url = f"/v2/{repository.path}/referrers/{subject}"
        self._asked: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._state is _SearchState.OVER

    def request(self) -> Request:
        """Ask for the next page, or for the tag."""
        if self._state is _SearchState.READING:
            return ask_manifest(self._repository, fallback_tag(self._subject))
        self._asked.add(self._url)
        headers = {"Accept": OCI_INDEX, "Accept-Encoding": "identity"}
        return Request("GET", self._url, headers, lists=True)

    def answered(self, reply: Reply, content: bytes) -> bool:
        """Take the answer to the last request; False if it is a refusal.

        Raises InvalidManifest for a tag with something else than a manifest behind it.
        """
        if self._state is _SearchState.ASKING:
            return self._listed(reply, content)
        self._state = _SearchState.OVER
        if reply.status == HTTPStatus.OK and not self._is_subject(content):
            named = Manifest.parse(content, reply.media_type)
            if named.media_type == OCI_INDEX:
                self._take(named)
            else:
                self.alone = named.descriptor
        return reply.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)

    def _after_list(self) -> _SearchState:
        if self._fallback is Fallback.INSTEAD and not self.listed:
            return _SearchState.READING
        return _SearchState.READING if self._fallback is Fallback.BESIDES else _SearchState.OVER

    def _is_subject(self, content: bytes) -> bool:
        """Whether this is not a list of referrers but the subject itself, by another name."""
        return Digest.of(content, self._subject.algorithm) == self._subject

    def _listed(self, reply: Reply, content: bytes) -> bool:
        elsewhere = reply.redirected or reply.is_page
        if reply.status == HTTPStatus.OK and not elsewhere:
            try:
                self._take(self._list_in(reply, content))
            except RegistryError:
                if self._followed:
                    raise
                elsewhere = True  # as from one who answers anything to everything
            else:
                following = next_page(reply, self._path)
                if following is None or following in self._asked:
                    self._state = self._after_list()
                else:
                    self._url = following
                return True
        if reply.status == HTTPStatus.NOT_FOUND and failure(reply, content).code in _NOTHING_THERE:
            self._state = self._after_list()  # it knows the question
            return True
        if self._followed or (not elsewhere and reply.status not in _NO_LIST):
            return False
        self.listed = False
        self._state = self._after_list()
        return True

    @property
    def _followed(self) -> bool:
        """Whether the last request was for a page after the first."""
        return len(self._asked) > 1

    def _list_in(self, reply: Reply, content: bytes) -> Manifest:
        page = Manifest.parse(content, reply.media_type)
        if self._followed and msgspec.json.decode(content).get("manifests") is None:
            raise RegistryError("the list goes on at an address that names nothing")
        if page.media_type != OCI_INDEX or self._is_subject(content):
            raise RegistryError(f"{page.media_type} came instead of a list of referrers")
        return page

    def _take(self, page: Manifest) -> None:
        for one in page.manifests:
            if one.digest != self._subject:
                self.found.setdefault(one.digest, one)
