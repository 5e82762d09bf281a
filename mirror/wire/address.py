"""Addresses that a registry names: in a Location, a Link, a redirect, a challenge."""

import ipaddress
from urllib.parse import SplitResult, urljoin, urlsplit

from mirror.errors import RegistryError


def join(base: str, reference: str) -> SplitResult:
    """Resolve what a registry named against where it spoke from.

    Raises RegistryError unless the result is an http or https address with a
    host and a port that could be, and for one that only our own network can mean
    where a public registry named it.
    """
    try:
        address = urlsplit(urljoin(base, reference))
        known = address.port is None or address.port > 0
        (address.hostname or "").encode("idna")
    except ValueError as error:
        raise RegistryError(f"{_shown(reference)} is not an address") from error
    if address.username is not None:
        raise RegistryError("an address with a login in it came from the registry")
    if address.scheme not in ("http", "https") or not address.hostname or not known:
        raise RegistryError(f"{_shown(reference)} is not an address to go to")
    if _is_inside(address.hostname) and not _is_inside(urlsplit(base).hostname or ""):
        raise RegistryError(f"{address.hostname} is inside this network, the registry is not")
    return address


def _shown(reference: str) -> str:
    """Return what may be shown: no login, and no query, which may hold a signature."""
    return repr(reference.partition("?")[0].rpartition("@")[2][:100])


def _is_inside(host: str) -> bool:
    """Whether this is a literal address that only our own network can mean."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local
