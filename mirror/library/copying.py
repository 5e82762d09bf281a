"""Copying and verifying, called from a program that goes on with something else."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from mirror.auth.keychain import Logins
from mirror.errors import MappingError
from mirror.events import Event, Tell, Traffic
from mirror.library.engines import engine_of
from mirror.mapping.grammar import Document, Mappings, Origin, Rule
from mirror.options import Cluster, Options
from mirror.report.document import Report
from mirror.report.result import Result

Asked = str | Iterable[str | tuple[str, str]]
"""Mappings: the text of a mapping file, or lines of one, or sources with their destinations."""

_OPTIONS = Options()
_LOGINS = Logins()
# What the mappings of a caller are called where their origin is told.
_NAME = "<mappings>"


async def copy(
    mappings: Asked,
    options: Options = _OPTIONS,
    *,
    on_event: Tell | None = None,
    logins: Logins = _LOGINS,
    cluster: Cluster | None = None,
) -> Report:
    """Copy what the mappings say; return what became of every image.

    What fails is in the report, and stops nothing else.  ``on_event`` is called with every
    event as it happens, in the caller's event loop; what it raises ends the run.  Logins are
    looked for where docker and podman keep them, besides those that are given.

    Raises UsageError before anything is sent, if what is asked makes no sense.  Cancelled it
    ends in good order, with upload sessions closed, and has told every image that is left.
    """
    return await carry_out(read(mappings), options, on_event, logins, cluster, verifying=False)


async def verify(
    mappings: Asked,
    options: Options = _OPTIONS,
    *,
    on_event: Tell | None = None,
    logins: Logins = _LOGINS,
    cluster: Cluster | None = None,
) -> Report:
    """Compare both sides of what the mappings say to the last blob; see `copy`.

    What differs has failed, with its ``differences``, unless ``options.repair`` brings it.
    """
    return await carry_out(read(mappings), options, on_event, logins, cluster, verifying=True)


def read(asked: Asked) -> list[Rule]:
    """Read mappings; raise MappingError with all that is wrong with them."""
    mappings = Mappings()
    if isinstance(asked, str):
        mappings.document(Document(_NAME, asked.encode()))
        asked = ()
    for number, one in enumerate(asked, start=1):
        if isinstance(one, str):
            mappings.line(one, Origin(_NAME, number))
        else:
            mappings.add(*one, Origin(_NAME, number))
    if mappings.problems:
        raise MappingError(tuple(mappings.problems))
    return mappings.rules


async def carry_out(
    rules: Iterable[Rule],
    options: Options,
    on_event: Tell | None,
    logins: Logins,
    cluster: Cluster | None,
    *,
    verifying: bool,
) -> Report:
    """Carry out what rules say; see `copy`."""
    result = Result(datetime.now(UTC), shard=options.shard)
    began = time.monotonic()

    def tell(event: Event) -> None:
        result.take(event, time.monotonic() - began)
        if on_event is not None:
            on_event(event)

    engine = engine_of(cluster)
    await engine(rules, options, tell, Traffic(), logins, verifying=verifying)
    return result.report(time.monotonic() - began)
