"""Copying and verifying, called from a program that goes on with something else."""

import inspect
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType

import anyio

from mirror.auth.keychain import Logins
from mirror.errors import MappingError, UsageError
from mirror.events import Emit, Event, Traffic
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
    on_event: Emit | None = None,
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
    on_event: Emit | None = None,
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
        match one:
            case str():
                mappings.line(one, Origin(_NAME, number))
            case (str(source), str(target)):
                mappings.add(source, target, Origin(_NAME, number))
            case _:
                mappings.problem(Origin(_NAME, number), f"{one!r} is not a mapping")
    if mappings.problems:
        raise MappingError(tuple(mappings.problems))
    return mappings.rules


async def carry_out(
    rules: Iterable[Rule],
    options: Options,
    on_event: Emit | None,
    logins: Logins,
    cluster: Cluster | None,
    *,
    verifying: bool,
) -> Report:
    """Carry out what rules say; see `copy`."""
    _check(options, on_event)
    result = Result(datetime.now(UTC), shard=options.shard)
    began = time.monotonic()
    engine = engine_of(cluster)
    with anyio.CancelScope() as scope:
        listener = _Listener(on_event, scope)

        def emit(event: Event) -> None:
            result.take(event, time.monotonic() - began)
            listener.hear(event)

        await engine(rules, options, emit, Traffic(), logins, verifying=verifying)
    listener.complain()
    return result.report(time.monotonic() - began)


class _Listener:
    """A caller's event handler; an error that it raises ends the run and comes out of it.

    Otherwise it would be taken for the error of the image that the event is about.
    """

    def __init__(self, on_event: Emit | None, scope: anyio.CancelScope) -> None:
        self._on_event = on_event
        self._scope = scope
        self._error: BaseException | None = None

    def hear(self, event: Event) -> None:
        """Tell an event, unless an earlier one was too much."""
        if self._on_event is not None and self._error is None:
            with self:
                self._on_event(event)

    def complain(self) -> None:
        """Raise what was raised while an event was told."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._error = error
        if error is not None:
            self._scope.cancel()
        return error is not None


def _check(options: Options, on_event: Emit | None) -> None:
    """Raise UsageError for what the command line would not take."""
    if inspect.iscoroutinefunction(on_event):
        raise UsageError("on_event is called and not awaited", hint="Give it a plain function.")
    most, deadline = options.max_per_registry, options.deadline
    if (most is not None and most < 1) or options.retries < 0 or (deadline or 0.0) < 0.0:
        raise UsageError(
            "a limit is less than it can be",
            hint="max_per_registry is at least 1, retries and deadline at least 0.",
        )
