"""The one verb through which everything a registry says must pass.

`Send` takes a Request and gives a Reply for as long as its block lasts::

    async with send(Request("GET", "/v2/")) as reply:
        ...

Leaving the block gives the connection back, however it is left.  Nothing here
awaits; who implements the verb is on a floor above.
"""

from collections.abc import AsyncIterable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

from msgspec import Struct, field
from msgspec.structs import force_setattr


class Request(Struct, frozen=True):
    """What to ask.

    ``url`` is absolute, or a path at the registry's own address.  A body that
    is a stream needs a ``length``, and such a request can be sent only once.
    Without a body, a ``length`` of 0 says so to the registry.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterable[bytes] = b""
    length: int | None = None
    repeatable: bool = True
    """Whether sending it twice does no harm where the first may have arrived."""
    slow: bool = False
    """Whether the answer may begin as late as that to the last byte of a blob."""
    urgent: bool = False
    """Whether it goes out even while the host is left alone."""
    blob: bool = False
    """Whether a blob's bytes travel with it, which may take as long as they move."""
    lists: bool = False
    """Whether the answer is a list, of which a registry may show strangers a part."""
    reads: tuple[str, ...] = ()
    """Other repositories of the registry that it takes content from, by their paths."""

    def __post_init__(self) -> None:
        """Set the length of bytes; raise ValueError for a stream without one."""
        if isinstance(self.body, bytes):
            if self.body:
                force_setattr(self, "length", len(self.body))
            return
        force_setattr(self, "repeatable", False)
        force_setattr(self, "blob", True)
        if self.length is None:
            raise ValueError("a stream needs a length")

    def at(self, url: str, login: str = "") -> "Request":
        """Return the same request to an absolute address, with a login if there is one."""
        headers = {**self.headers, "Authorization": login} if login else self.headers
        return Request(
            self.method, url, headers, self.body, self.length, self.repeatable,
            self.slow, self.urgent, self.blob, self.lists, self.reads,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.method} {self.url.partition('?')[0]}"


class Reply(Struct, frozen=True):
    """What came back; ``url`` is absolute, ``chunks`` can be read once."""

    status: int
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: AsyncIterable[bytes] | None = None
    reason: str = ""
    challenge: str = ""
    """Every WWW-Authenticate header, joined by commas."""
    link: str = ""
    """Every Link header, joined by commas."""
    redirected: bool = False
    """Whether another host answers, to which the registry redirected."""
    attempts: int = 1
    """How often the request was sent until this came."""

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters."""
        stated = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return stated if stated.isascii() else ""

    @property
    def is_page(self) -> bool:
        """Whether it is for a person to look at, as no answer of a registry is."""
        return self.media_type == "text/html"

    @property
    def length(self) -> int | None:
        """The Content-Length, if it is one."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() else None


Send = Callable[[Request], AbstractAsyncContextManager[Reply]]
