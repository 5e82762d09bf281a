"""Addresses that a registry names: in a Location, a Link, a redirect."""

from urllib.parse import SplitResult, urljoin, urlsplit

from mirror.errors import RegistryError


def join(base: str, reference: str) -> SplitResult:
    """Resolve what a registry named against where it spoke from.

    Raises RegistryError unless the result is an http or https address with a
    host and a port that could be.
    """
    try:
        address = urlsplit(urljoin(base, reference))
        known = address.port is None or address.port > 0
        (address.hostname or "").encode("idna")
    except ValueError as error:
        raise RegistryError(f"{_shown(reference)} is no address") from error
    if address.username is not None:
        raise RegistryError("an address with a login in it came from the registry")
    if address.scheme not in ("http", "https") or not address.hostname or not known:
        raise RegistryError(f"{_shown(reference)} is no address to go to")
    return address


def _shown(reference: str) -> str:
    """Return what may be shown: no login, and no query, which may hold a signature."""
    return repr(reference.partition("?")[0].rpartition("@")[2][:100])
