"""What one run was asked for besides its mappings: options and limits."""

from dataclasses import dataclass
from pathlib import Path

from mirror.image.selection import Selection

DEFAULT_MAX_PER_REGISTRY = 16
DEFAULT_RETRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds of silence after which a connection is given up; a body may take for ever."""

    connect: float = 10.0
    """Until a connection stands."""
    stall: float = 30.0
    """Until the next byte comes, or the next chunk is taken."""
    commit: float = 900.0
    """After the last byte of a blob, which registries hash and move before they answer."""


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
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
    max_per_registry: int = DEFAULT_MAX_PER_REGISTRY
    """Requests in flight to one registry host, at most."""
    max_registry: int | None = None
    """Registry hosts worked on at once, at most, but a copy gets its two; None is no limit."""
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    limit_rate: int | None = None
    """Bytes per second of all bodies together; None is no limit."""
    deadline: float | None = None
    """Seconds after which nothing new is begun; None is no limit."""
