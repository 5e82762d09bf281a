"""Where a redirect may lead, and what may be taken along.

Followed by hand, since a registry's redirect goes to another party's storage:
the login stays behind when the origin changes (S3 answers 400 to two of them,
and it would be a leak), and https never falls back to http.
"""

from urllib.parse import urlsplit

from msgspec.structs import replace

from mirror.errors import RegistryError
from mirror.wire.address import join
from mirror.wire.message import Reply, Request

STATUSES = frozenset({301, 302, 303, 307, 308})
# Storage answers in one or two hops; browsers give up at twenty.
LIMIT = 10


def follow(request: Request, reply: Reply) -> Request:
    """Return the request that a redirect asks for; raise RegistryError if it may not be made.

    The method stays what it was, whatever the status, as registries expect.  A
    stream cannot be followed: it is spent.
    """
    location = reply.headers.get("Location", "")
    if not location:
        raise RegistryError(f"{reply.status} without an address to go to")
    if not isinstance(request.body, bytes):
        raise RegistryError(f"{reply.status} to a body that can be sent only once")
    here, there = urlsplit(reply.url), join(reply.url, location)
    target = there.geturl()
    if here.scheme == "https" and there.scheme == "http":
        raise RegistryError(f"redirected from https to plain http at {there.hostname}")
    if origin(reply.url) == origin(target):
        return replace(request, url=target)
    if request.body:
        raise RegistryError(f"redirected to {there.hostname} with a body that is for the registry")
    kept = {name: value for name, value in request.headers.items() if name != "Authorization"}
    return replace(request, url=target, headers=kept)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port, in which two addresses must agree to share a login."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
