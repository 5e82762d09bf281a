"""What the coordinator and the workers send each other.

There is no login in any of these: a work unit lies in the scheduler until it is done.
"""

import pickle
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from mirror.auth.keychain import Logins
from mirror.cluster.claims import Blob, ClaimAnswer
from mirror.engine.dry_run import Plan
from mirror.engine.ledger import Memory
from mirror.errors import MirrorError
from mirror.events import Event
from mirror.mapping.grammar import Rule
from mirror.options import Options

TOPIC = "mirror"
"""Under which workers send their news; of each run, by its name."""


class WorkUnit(Struct, frozen=True):
    """A unit, and all that a worker has to know of it but the logins."""

    run: str
    unit: int
    rules: tuple[Rule, ...]
    options: Options
    verifying: bool
    ends: float | None
    """When nothing new is begun any more, in seconds since 1970; a unit may be run again later."""
    memory: Memory
    """What a ledger has of its destinations."""
    authfile: Path | None
    """Where a worker finds its credentials, if not in the usual places."""
    asks_for_logins: bool
    """Whether logins were given besides, which a worker does not have by itself."""


class UnitNews(Struct, frozen=True):
    """What a worker tells of a work unit, some of it at a time."""

    unit: int
    attempt: str
    worker: str
    """Its address."""
    number: int
    """How many there were before, of this attempt."""
    events: tuple[Event, ...] = ()
    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How many requests of each method went to each host; one event each would be too many."""
    moved: int = 0
    """Bytes of bodies, since the last news."""
    asks: tuple[Blob, ...] = ()
    """Blobs that it is about to copy; see `mirror.cluster.claims`."""
    needs_logins: bool = False
    last: bool = False
    """Whether the unit is over."""
    plan: Plan | None = None
    """What it came to in a dry run; with the last news."""
    failure: MirrorError | None = None
    """Why not all of it could be carried out; with the last news."""


class CoordinatorReply(Struct, frozen=True):
    """What a worker is told while it is about a work unit; never a part of the unit."""

    attempt: str
    answers: tuple[ClaimAnswer, ...] = ()
    logins: Logins | None = None
    """Sent over connections with TLS only."""


def packed(news: UnitNews) -> bytes:
    """Return news as bytes, from which pickle makes them again."""
    file = BytesIO()
    _Packer(file, protocol=pickle.HIGHEST_PROTOCOL).dump(news)
    return file.getvalue()


class _Packer(pickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, MirrorError):
            # Dask has causes and tracebacks go along, which hold sockets and tasks.
            return thing.__reduce__()
        return NotImplemented
