"""What one run was asked for besides its mappings: options and limits."""

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from mirror.image.platform import Selection
from mirror.shard import Shard

DEFAULT_RETRIES = 5
# New objects until cycles are looked for: seldom, since finished requests leave few and
# each look walks over all that is planned (docs/decisions/0007).
COLLECTIONS = (20_000, 20, 100)


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds after which a connection is given up; a blob may take for ever if it moves."""

    connect: float = 10.0
    """Until a connection stands."""
    stall: float = 30.0
    """Until the next byte comes, or the next chunk is taken."""
    answer: float = 60.0
    """Until an answer that carries no blob is complete; not less than a silence."""
    commit: float = 900.0
    """After the last byte of a blob, which registries hash and move before they answer."""


DEFAULT_TIMEOUTS = Timeouts()


class RegistryOptions(Struct, frozen=True, kw_only=True):
    """How one registry is treated; None is as the run's own options say."""

    max_per_registry: int | None = None
    requests_per_second: float | None = None
    """Requests begun there in a second, at most; None means no limit."""
    insecure: bool | None = None
    chunk_size: int | None = None


class Cluster(Struct, frozen=True):
    """The dask cluster that does the work."""

    scheduler: str | None = None
    """Its address, such as ``tls://HOST:8786``; None is a cluster of this machine's cores."""


_AS_ALL = RegistryOptions()


class Options(Struct, frozen=True, kw_only=True):
    """How to copy; the fields mean what the options of the command line mean."""

    dry_run: bool = False
    force: bool = False
    skip_mount: bool = False
    skip_missing: bool = False
    selection: Selection | None = None
    """The platforms of an index that are wanted; None is all."""
    referrers: bool = False
    """Whether what refers to an image comes with it."""
    require_referrers: bool = False
    """Whether an image fails to which nothing refers."""
    folder: Path = Path()
    """Where ``file://`` repositories are."""
    deep: bool = False
    """Whether a verification reads what is at the destination to its last byte."""
    repair: bool = False
    """Whether a verification brings what is missing."""
    push_foreign: bool = False
    """Whether layers are copied that their publishers keep elsewhere."""
    fail_fast: bool = False
    retries: int = DEFAULT_RETRIES
    """Attempts beyond the first, for one request and for one blob."""
    chunk_size: int | None = None
    """Bytes of a chunk, for uploads in chunks; None sends whole blobs where that is taken."""
    insecure_source: bool = False
    insecure_destination: bool = False
    skip_multiple_scopes: bool = False
    """One repository per token, so that blobs are not mounted from others that need a login."""
    certificate_authority: Path | None = None
    """A PEM bundle to trust besides the system's store."""
    max_per_registry: int | None = None
    """Requests in flight to one registry host, at most; None lets each host find its level."""
    max_registry: int | None = None
    """Registry hosts worked on at once, at most, but a copy gets its two; None means no limit."""
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    limit_rate: int | None = None
    """Bytes per second of all bodies together; None means no limit."""
    deadline: float | None = None
    """Seconds after which nothing new is begun; None means no limit."""
    ledger: Path | None = None
    """The file in which is remembered what was verified; None remembers nothing."""
    recheck: float = 7 * 24 * 3600.0
    """Seconds after which a destination that the ledger vouches for is asked again."""
    shard: Shard | None = None
    """The share of the work to do; None is all of it."""
    registries: Mapping[str, RegistryOptions] = field(default_factory=dict)
    """What is different at some registries, by their hosts."""

    def at(self, host: str) -> RegistryOptions:
        """Return what is different at a registry host."""
        return self.registries.get(host, _AS_ALL)


def size(text: str) -> int:
    """Read a number of bytes such as ``64MiB`` or ``50MB``; raise ValueError if it is none."""
    found = re.fullmatch(r"([0-9]{1,9}) ?([KMG]i?)?B?", text, re.IGNORECASE)
    if found is None or not int(found[1]):
        raise ValueError(f"{text!r} is not a size: write 64MiB or 50MB")
    unit = (found[2] or "").lower()
    base = 1024 if unit.endswith("i") else 1000
    power = " kmg".index(unit[:1] or " ")
    return int(found[1]) * int(base**power)
