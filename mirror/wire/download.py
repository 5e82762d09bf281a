"""Getting a blob or a piece of it: from any byte on, over as many requests as it takes.

    wanted --200--> from the first byte; what is there already is passed over
    wanted --206 from that byte--> from there
    wanted --206 from elsewhere, 416--> wanted, without a range this time
    wanted --404--> wanted from the next address that its descriptor names, if any
    a piece wanted --206 of just that--> from there; anything else is an error

Distribution specification, "Pulling blobs"; RFC 9110, section 14.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

from msgspec.structs import replace

from mirror.errors import RegistryError, SizeMismatch
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.wire.address import join
from mirror.wire.message import Reply, Request
from mirror.wire.requests import ask_blob

# Old Nexus leaves the unit out.
_CONTENT_RANGE = re.compile(r"\s*(?:bytes\s)?\s*([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)\s*")


class Download:
    """One blob's way out of one repository.

    Send what `request` says and hand the answer to `answered`; tell `advance` what
    was read of it.  When the answer breaks off, begin again.
    """

    def __init__(
        self,
        repository: Repository,
        digest: Digest,
        size: int,
        first: int = 0,
        last: int | None = None,
        urls: Iterable[str] = (),
    ) -> None:
        """``urls`` are addresses where the blob may be if the registry does not have it."""
        self.position = first
        """The next byte that is wanted."""
        self._urls = list(urls)
        self._elsewhere: str | None = None
        self._last = last
        self._repository = repository
        self._digest = digest
        self._size = size
        self._ranges = True

    @property
    def complete(self) -> bool:
        """Whether nothing is wanted any more."""
        return self.position >= (self._size if self._last is None else self._last + 1)

    def request(self) -> Request:
        """Ask for the blob, from the position on if that is taken."""
        first = self.position if self._ranges else 0
        asked = ask_blob(self._repository, self._digest, first=first, last=self._last)
        return replace(asked, url=self._elsewhere) if self._elsewhere is not None else asked

    def wants_retry(self, reply: Reply) -> bool:
        """Turn to the next address after an answer that it is not here; False if there is none.

        Raises RegistryError for an address that the registry may not name.
        """
        if reply.status != HTTPStatus.NOT_FOUND or not self._urls:
            return False
        there = join(reply.url, self._urls.pop(0))
        if reply.url.startswith("https:") and there.scheme == "http":
            raise RegistryError(f"a layer is said to be at {there.hostname} over plain http")
        self._elsewhere = there.geturl()
        return True

    def answered(self, reply: Reply) -> int | None:
        """Return how many bytes to pass over before those that are wanted.

        None says that the answer is of no use and the next `request` may be;
        this happens once.  Raises SizeMismatch for a blob of another size than was
        promised, and RegistryError for anything but a piece where that was asked for.
        Only 200, 206 and 416 are understood.
        """
        if self._last is not None:
            self._check_piece(reply)
            return 0
        if reply.status == HTTPStatus.OK:
            self._check(reply.length)
            return self.position
        found = _CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", ""))
        if reply.status == HTTPStatus.PARTIAL_CONTENT and found is not None:
            self._check(int(found[3]) if found[3] != "*" else None)
            if int(found[1]) <= self.position:
                return self.position - int(found[1])
        if not self._ranges or not self.position:
            raise RegistryError(f"{reply.status} to a request that named no range")
        self._ranges = False
        return None

    def advance(self, count: int) -> None:
        """Count bytes that were read."""
        self.position += count

    def _check_piece(self, reply: Reply) -> None:
        found = _CONTENT_RANGE.fullmatch(reply.headers.get("Content-Range", ""))
        wanted = (self.position, self._last)
        if reply.status != HTTPStatus.PARTIAL_CONTENT or found is None:
            raise RegistryError(f"{reply.status} to a request that named a range")
        if (int(found[1]), int(found[2])) != wanted:
            raise RegistryError(f"bytes {found[1]}-{found[2]} came, not {wanted[0]}-{wanted[1]}")

    def _check(self, size: int | None) -> None:
        if size is not None and size != self._size:
            raise SizeMismatch(expected=self._size, actual=size)
