"""Which proxy leads to an address, by the environment's usual variables.

``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``, in either case.  ``NO_PROXY`` is
a list of hosts, of suffixes (``.example.com``, which ``example.com`` means too),
of addresses and networks (``10.0.0.0/8``), each with a port if it likes, or
``*``.  This machine is never reached through a proxy.
"""

import ipaddress
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct

from mirror.errors import UsageError


class Proxies(Struct, frozen=True):
    """The proxies there are, and for whom there are none."""

    http: str = ""
    https: str = ""
    exempt: tuple[str, ...] = ()

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; an address without a scheme is an http proxy's."""

        def variable(name: str) -> str:
            return environment.get(name.lower()) or environment.get(name) or ""

        exempt = (part.strip().lower() for part in variable("NO_PROXY").split(","))
        return cls(
            _address(variable("HTTP_PROXY")),
            _address(variable("HTTPS_PROXY")),
            tuple(part for part in exempt if part),
        )

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy's address; None to go there directly."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        host = parts.hostname or ""
        if not proxy or _is_here(host):
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return None if any(_matches(one, host, port) for one in self.exempt) else proxy


def _address(text: str) -> str:
    """Return a proxy's address in full; raise UsageError, which does not show it, if it is none."""
    if not text:
        return ""
    address = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(address)
        known = parts.port is None or parts.port > 0
    except ValueError:
        known = False
    if not known or not parts.hostname:
        raise UsageError(
            "a proxy in the environment is not an address",
            hint="HTTPS_PROXY and HTTP_PROXY are http://[USER:PASSWORD@]HOST:PORT, encoded.",
        )
    return address


def _matches(pattern: str, host: str, port: int) -> bool:
    if pattern == "*":
        return True
    name, colon, number = pattern.rpartition(":")
    if colon and number.isdigit() and not name.count(":"):
        if int(number) != port:
            return False
        pattern = name
    if _in_network(pattern.strip("[]"), host):
        return True
    suffix = pattern.removeprefix("*").removeprefix(".")
    return host == suffix or host.endswith(f".{suffix}")


def _in_network(pattern: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
