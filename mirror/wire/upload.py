"""Putting a blob where it belongs: mount, open, send, commit.

    OPENING --201--> MOUNTED                      the registry had it elsewhere
    OPENING --202--> SENDING                      a session is open
    OPENING --any other answer to a mount--> OPENING, without the mount
    SENDING --202 to a PATCH--> SENDING           more is to come, or the empty PUT
    SENDING --broken off, then 204 to a GET--> SENDING   from where the registry says it is
    SENDING --201 to the PUT--> STORED

Distribution specification, "Pushing blobs" and "Mounting a blob from another
repository".
"""

import re
from collections.abc import AsyncIterable
from enum import Enum, auto
from urllib.parse import quote, urlsplit

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.wire.address import join
from mirror.wire.message import Reply, Request
from mirror.wire.requests import stated_digest
from mirror.wire.upload_strategy import Method, UploadStrategy

_OCTETS = {"Content-Type": "application/octet-stream"}
_TAKEN = (200, 201, 202, 204)
_LOST = {"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "RANGE_INVALID"}
# Quay says it with a unit, Gitea leaves it out when there is nothing yet.
_RANGE = re.compile(r"\s*(?:bytes[= ])?0-([0-9]{1,19})\s*")


class State(Enum):
    """Where an upload stands."""

    OPENING = auto()
    SENDING = auto()
    MOUNTED = auto()
    STORED = auto()


class Upload:
    """One blob's way into one repository.

    Send what `opening` says and hand the answer to `opened`, until the state is
    no longer OPENING.  While it is SENDING, send what `sending` makes of the next
    `piece` bytes of the blob and hand the answer to `sent`.  Both takers return
    whether the answer was understood; one that was not leaves the state as it is.
    """

    def __init__(
        self,
        repository: Repository,
        digest: Digest,
        size: int,
        mount_from: Repository | None = None,
        strategy: UploadStrategy | None = None,
    ) -> None:
        self.state = State.OPENING
        self.refused: Repository | None = None
        """Whose blob the registry would not mount, although it has it, or for its own reasons."""
        self.digest = digest
        self.size = size
        self.strategy = strategy or UploadStrategy()
        """What was known of the registry when this upload began."""
        self._strategy = self.strategy.for_size(size)
        self._sent = 0
        self._trusted = self._strategy.resumes
        self._repository = repository
        self._mount_from = mount_from
        self._location = ""

    def opening(self) -> Request:
        """Ask to mount the blob or to open a session."""
        path = f"/v2/{self._repository.path}/blobs/uploads/"
        if self._mount_from is None:
            return Request("POST", path, length=0)
        origin = self._mount_from.path
        path += f"?mount={_quoted(self.digest)}&from={quote(origin)}"
        reads = (origin,) if origin != self._repository.path else ()
        return Request("POST", path, length=0, reads=reads)

    def opened(self, reply: Reply) -> bool:
        """Take the answer to `opening`."""
        if reply.status == 201 and self._mount_from and stated_digest(reply) in (None, self.digest):
            self.state = State.MOUNTED
        elif reply.status == 202 and reply.headers.get("Location"):
            # A mount from the repository itself asked whether the blob is there.
            if self._mount_from != self._repository:
                self.refused = self.refused or self._mount_from
            self._location = resolve_location(reply)
            self._strategy = self._strategy.at_least(_minimum(reply))
            self.state = State.SENDING
        elif self._mount_from is not None:
            # Registries refuse a mount with any status from 400 to 500; what
            # they say to a plain POST is what counts.
            self.refused = self._mount_from
            self._mount_from = None
        else:
            return False
        return True

    @property
    def position(self) -> int:
        """How many bytes of the blob the registry has, as far as it told."""
        return self._sent

    @property
    def piece(self) -> int:
        """How many of the blob's next bytes the next request carries."""
        left = self.size - self._sent
        return min(left, self._strategy.chunk) if self._strategy.method is Method.CHUNKED else left

    @property
    def requests_needed(self) -> int:
        """How many requests bring the blob if nothing fails, the one that opens it included."""
        match self._strategy.method:
            case Method.CHUNKED if self.size:
                return 2 + -(-self.size // self._strategy.chunk)
            case Method.STREAMED if self.size:
                return 3
        return 2

    def sending(self, body: AsyncIterable[bytes] | bytes) -> Request:
        """Ask to take the next piece, or to close the session after the last."""
        length = self.piece
        if self._strategy.method is Method.WHOLE or not length:
            joint = "&" if "?" in self._location else "?"
            url = f"{self._location}{joint}digest={_quoted(self.digest)}"
            return Request("PUT", url, _OCTETS, body, length, repeatable=False)
        headers = dict(_OCTETS)
        if self._strategy.method is Method.CHUNKED:
            headers["Content-Range"] = f"{self._sent}-{self._sent + length - 1}"
        return Request("PATCH", self._location, headers, body, length, repeatable=False)

    def sent(self, reply: Reply) -> bool:
        """Take the answer to `sending`."""
        if reply.status not in _TAKEN or reply.is_page:
            return False
        if self._strategy.method is Method.WHOLE or not self.piece:
            self.state = State.STORED
            return True
        self._sent += self.piece
        # A registry that miscounted once is not asked again where an upload stands.
        self._trusted = self._trusted and _received(reply) in (None, self._sent)
        if reply.headers.get("Location"):
            self._location = resolve_location(reply)
        return True

    def status(self) -> Request | None:
        """Ask how much of the blob has arrived; None where that cannot be relied on.

        Only what is sent in chunks can go on from where it is.
        """
        if self.state is not State.SENDING or not self._trusted:
            return None
        return Request("GET", self._location) if self._strategy.method is Method.CHUNKED else None

    def accepts_position(self, reply: Reply) -> bool:
        """Take the answer to `status`; return whether to go on from `position`."""
        if reply.status not in _TAKEN:
            return False
        received = _received(reply)
        if received is None or not self._sent <= received <= self.size:
            return False
        # "0-0" is one byte and none; where none was acknowledged, begin at none.
        self._sent = 0 if received == 1 and not self._sent else received
        if reply.headers.get("Location"):
            self._location = resolve_location(reply)
        return True

    def note_arrival(self) -> None:
        """Note that the blob is there, although the answer to the commit was lost."""
        self.state = State.STORED

    def lost(self, status: int, code: str) -> bool:
        """Whether this answer to `sending` says that there is no such session any more."""
        return code in _LOST or (status in (404, 416) and code != "NAME_UNKNOWN")

    def cancel(self) -> Request | None:
        """Ask to forget the session; None when none is open."""
        if self.state is not State.SENDING:
            return None
        return Request("DELETE", self._location, repeatable=False, urgent=True)


def _minimum(reply: Reply) -> int:
    """Return how small the registry says that chunks may be, but for the last."""
    text = reply.headers.get("OCI-Chunk-Min-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _received(reply: Reply) -> int | None:
    """Return how many bytes of a session have arrived, if the reply says so."""
    found = _RANGE.fullmatch(reply.headers.get("Range", ""))
    return int(found[1]) + 1 if found is not None else None


def _quoted(digest: Digest) -> str:
    return quote(str(digest), safe=":")


def resolve_location(reply: Reply) -> str:
    """Return the Location as an absolute address, its query byte for byte.

    A Location may be relative.  One that falls back to plain http on the host
    that just spoke https is a proxy's mistake, and is corrected; so is one that
    lost the port.  Raises RegistryError if it is not an address.
    """
    location = reply.headers["Location"]
    origin_end = reply.url.find("/", len("https://")) + 1
    if origin_end and location.startswith(reply.url[:origin_end]) and location.isprintable():
        return location  # the same origin, as nearly always: nothing to resolve
    here, there = urlsplit(reply.url), join(reply.url, location)
    if here.hostname != there.hostname:
        if (here.scheme, there.scheme) == ("https", "http"):
            raise RegistryError(f"the upload goes on over plain http, at {there.hostname}")
    else:
        if here.scheme == "https":
            there = there._replace(scheme="https")
        if there.port is None and here.port is not None:
            there = there._replace(netloc=here.netloc)
    return there.geturl()
