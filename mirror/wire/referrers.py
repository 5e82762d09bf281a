"""What refers to a manifest, whichever way a registry has it.

    ASKING --200, an index--> ASKING the next page, or OVER after the last
    ASKING --there is no such list--> READING the tag that stands for it
    READING --200, an index / 404--> OVER

Distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

from enum import Enum, auto
from http import HTTPStatus

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, Descriptor, Manifest
from mirror.image.reference import Repository
from mirror.wire.content import ask_manifest
from mirror.wire.listing import next_page
from mirror.wire.message import Reply, Request

# What registries without the list answer; GHCR and Artifact Registry lead to web pages.
_NO_LIST = frozenset({400, 404, 405, 406, 501})
# What cosign adds to the tag that stands for a list, for its own manifests.
_COSIGN = (".sig", ".att", ".sbom")


def fallback_tag(subject: Digest) -> str:
    """The tag that stands for the list of what refers to this."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


def cosign_tags(subject: Digest) -> tuple[str, ...]:
    """The tags under which cosign keeps what it says of this."""
    return tuple(fallback_tag(subject) + ending for ending in _COSIGN)


class _State(Enum):
    ASKING = auto()
    READING = auto()
    OVER = auto()


class Referrers:
    """Send `request` and hand the answer to `answered`, until it is over."""

    def __init__(self, repository: Repository, subject: Digest, *, listed: bool = True) -> None:
        self.found: dict[Digest, Descriptor] = {}
        """What refers to the subject, in the order in which the registry has it."""
        self.listed = listed
        """Whether the registry keeps such lists; otherwise a tag stands for each."""
        self._repository = repository
        self._subject = subject
        self._state = _State.ASKING if listed else _State.READING
        self._url = f"/v2/{repository.path}/referrers/{subject}"
        self._asked: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._state is _State.OVER

    def request(self) -> Request:
        """Ask for the next page, or for the tag."""
        if self._state is _State.READING:
            return ask_manifest(self._repository, fallback_tag(self._subject))
        self._asked.add(self._url)
        headers = {"Accept": OCI_INDEX, "Accept-Encoding": "identity"}
        return Request("GET", self._url, headers)

    def answered(self, reply: Reply, content: bytes) -> bool:
        """Take the answer to the last request; False if it is a refusal.

        Raises InvalidManifest for a tag with something else than an index behind it.
        """
        if self._state is _State.ASKING:
            return self._listed(reply, content)
        self._state = _State.OVER
        if reply.status == HTTPStatus.OK:
            self._take(Manifest.parse(content, reply.media_type))
        return reply.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)

    def _listed(self, reply: Reply, content: bytes) -> bool:
        elsewhere = reply.redirected or reply.is_page
        if reply.status == HTTPStatus.OK and not elsewhere:
            try:
                self._take(Manifest.parse(content, reply.media_type))
            except RegistryError:
                elsewhere = True  # as from one who answers anything to everything
            else:
                following = next_page(reply)
                if following is None or following in self._asked:
                    self._state = _State.OVER
                else:
                    self._url = following
                return True
        begun = len(self._asked) > 1
        if begun or (not elsewhere and reply.status not in _NO_LIST):
            return False
        self.listed = False
        self._state = _State.READING
        return True

    def _take(self, page: Manifest) -> None:
        if page.media_type != OCI_INDEX:
            raise RegistryError(f"{page.media_type} came instead of a list of referrers")
        for one in page.manifests:
            if one.digest != self._subject:
                self.found.setdefault(one.digest, one)
