"""Tags and catalogs, page by page.

Distribution specification, "Listing tags"; the catalog is the older Docker
registry API's.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec
from msgspec import Struct, field

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.wire import link
from mirror.wire.address import join
from mirror.wire.error_response import one_line
from mirror.wire.message import Reply, Request

# ECR answers an error to more than this; the others that limit a page clamp it.
PAGE_SIZE = 1000
# A page of 1000 names of 255 characters is 256 KiB; some registries send all
# tags of a repository at once, whatever was asked for.
PAGE_LIMIT = 64 * 1024 * 1024

# Empty pages in a row, after which there seems to be no end to them.
_EMPTY_LIMIT = 100

# Bytes of all Link headers of an answer together.
_LINK_LIMIT = 16 * 1024


class PagedNames(Struct, frozen=True):
    """Names that a registry lists: all of them, or what came until now."""

    names: tuple[str, ...] = ()
    described: Mapping[str, Descriptor] = field(default_factory=dict)
    """What a tag names, where the list says so itself."""
    rest: "Listing | None" = None
    """What to go on asking; None after the last page."""


class _Listed(msgspec.Struct, rename="camel"):
    tag: list[str] = []
    media_type: str = ""


class _Page(msgspec.Struct):
    tags: list[str | None] | None = None
    repositories: list[str | None] | None = None
    manifest: msgspec.Raw = msgspec.Raw(b"{}")


_DECODER = msgspec.json.Decoder(_Page)
_DESCRIBED = msgspec.json.Decoder(dict[str, _Listed])


class Listing:
    """All names of a list: send `request` and hand the answer to `page`, until it is over.

    Ends by itself on a registry that sends the same page for ever, and asks on
    where a full page came without saying where the next one is.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._url: str | None = f"{path}?n={PAGE_SIZE}"
        self._asked: set[str | None] = set()
        self._followed = False
        self._empty = 0
        self._names: set[str] = set()
        self.described: dict[str, Descriptor] = {}
        """What tags name, as far as the pages said so."""

    @property
    def over(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._url is None

    def request(self) -> Request:
        """Ask for the next page."""
        assert self._url is not None, "a listing that is over has no next page"
        # Some registries walk over all they have before they say a word.
        headers = {"Accept-Encoding": "identity"}
        return Request("GET", self._url, headers, slow=True, lists=True)

    def refused(self, reply: Reply) -> bool:
        """Take an unhappy answer to `request`; return whether to send another.

        Some registries refuse to limit a page at all, or to so many.
        """
        limited = self._url == f"{self._path}?n={PAGE_SIZE}"
        if reply.status == 400 and limited:
            self._url = self._path
            return True
        return False

    def page(self, reply: Reply, content: bytes) -> tuple[str, ...]:
        """Take a page; return the names on it that were on no page before.

        Raises RegistryError if it is not a page.
        """
        try:
            page = _DECODER.decode(content)
        except (msgspec.MsgspecError, RecursionError) as error:
            kind = one_line(reply.media_type) or "something unnamed"
            raise RegistryError(f"{kind} came instead of a list: {error}") from error
        if self._followed and page.tags is None and page.repositories is None:
            raise RegistryError(
                "the list goes on at an address that names nothing",
                hint="A proxy in front of the registry may have changed its Link header.",
            )
        names = [name for name in (page.tags or page.repositories or ()) if name]
        new = tuple(dict.fromkeys(name for name in names if name not in self._names))
        self._names.update(new)
        self.described |= _described(page.manifest)
        following = next_page(reply, self._path)
        self._followed = following is not None
        if following is None and len(names) == PAGE_SIZE:
            following = f"{self._path}?n={PAGE_SIZE}&last={quote(names[-1])}"
        self._empty = 0 if names else self._empty + 1
        if self._empty > _EMPTY_LIMIT:
            raise RegistryError("the list goes on and on, and names nothing")
        # Names that were all there before are a registry that goes round; none is a page
        # of which it shows nothing to this login.
        goes_on = following not in self._asked and (new or not names)
        self._url = following if goes_on else None
        self._asked.add(following)
        return new


def _described(manifests: msgspec.Raw) -> Iterator[tuple[str, Descriptor]]:
    """Read what Google's registries add to a list of tags: each manifest with its tags.

    It only spares questions, so whatever cannot be read of it is left out.
    """
    try:
        found = _DESCRIBED.decode(manifests)
    except (msgspec.MsgspecError, RecursionError):
        return
    for name, listed in found.items():
        try:
            digest = Digest.parse(name)
        except ValueError:
            continue
        for tag in listed.tag:
            yield tag, Descriptor(digest, 0, listed.media_type)


def tags_of(repository: Repository) -> Listing:
    """List the tags of a repository."""
    return Listing(f"/v2/{repository.path}/tags/list")


def catalog() -> Listing:
    """List the repositories of a registry."""
    return Listing("/v2/_catalog")


def next_page(reply: Reply, path: str) -> str | None:
    """Return where the next page of the list at ``path`` is; None after the last.

    An address outside of the list, as a proxy that changes paths may make one, is not
    followed: the list itself is asked to go on after the name that the address says.
    Raises RegistryError if there is none, and for another host: a list cut short in
    silence would be a catalog that is copied in part.
    """
    if len(reply.link) > _LINK_LIMIT:
        raise RegistryError(f"the list names its next page in more than {_LINK_LIMIT} bytes")
    targets = (target for target, relations in link.parse(reply.link) if "next" in relations)
    if (target := next(targets, None)) is None:
        return None
    address, here = join(reply.url, target), urlsplit(reply.url)
    if address.hostname != here.hostname:
        raise RegistryError(
            f"the list goes on at another host, {address.hostname}",
            hint="The registry, or the proxy before it, does not know its own address.",
        )
    if address.path in (path, here.path):
        return address.geturl()
    asked = parse_qs(address.query)
    if "last" not in asked:
        raise RegistryError(
            f"the list goes on outside of itself, at {one_line(address.path)}",
            hint="A proxy in front of the registry may have changed its Link header.",
        )
    after: dict[str, str] = {name: asked[name][0] for name in ("n", "last") if name in asked}
    return f"{path}?{urlencode(after)}"
