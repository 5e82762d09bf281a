"""How many requests at once known registries take, before they have shown it.

The figures are where a run begins and where it ends by itself; between them it finds its own
level.  Sources: docs/decisions/0022-concurrency.md.
"""

import re
from functools import cache

from msgspec import Struct

from mirror.options import Options


class KnownLimit(Struct, frozen=True):
    """Requests in flight to one registry host."""

    start: int = 8
    most: int = 128


_SEEDS = (
    # Thousands of requests a minute from one address are abuse there, reads included.
    (r"(.*\.)?docker\.(io|com)", KnownLimit(4, 32)),
    (r"ghcr\.io", KnownLimit(6, 64)),
    # 50 requests a second from one address, 5 for tag lists.
    (r"quay\.io", KnownLimit(8, 32)),
    (r"(.*\.)?dkr[.-]ecr(-fips)?\..*|public\.ecr\.aws", KnownLimit(8, 64)),
    (r".*-docker\.pkg\.dev|(.*\.)?gcr\.io", KnownLimit(16, 128)),
    # The smallest plan allows 1,000 reads and 100 writes a minute.
    (r".*\.azurecr\.(io|cn|us)", KnownLimit(4, 32)),
    (r"registry\.gitlab\.com|.*\.jfrog\.io|.*artifactory.*", KnownLimit(6, 64)),
)


def limit_at(host: str, options: Options) -> KnownLimit:
    """Return what may be in flight to a registry: what the options say of it, or what is known."""
    most = options.at(host).max_per_registry or options.max_per_registry
    known = known_limit(host)
    return known if most is None else KnownLimit(min(known.start, most), most)


@cache
def known_limit(host: str) -> KnownLimit:
    """Return what is known of a registry by its name."""
    name = host.partition(":")[0]
    return next((limit for pattern, limit in _SEEDS if re.fullmatch(pattern, name)), KnownLimit())
