"""Signals: the first ends the work in good order, the second ends the process."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from mirror.engine.beside import beside
from mirror.errors import ExitCode

_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


@dataclass(slots=True)
class Interruption:
    """Whether the work was ended by a signal, and the exit code that says so."""

    exit_code: ExitCode | None = None


@asynccontextmanager
async def interruptible() -> AsyncIterator[Interruption]:
    """Run the block until it is done or a signal cancels it; either way it ends here."""
    interruption = Interruption()
    with anyio.open_signal_receiver(*_CODES) as signals:
        scope = anyio.CancelScope()

        async def watch() -> None:
            async for number in signals:
                if interruption.exit_code is not None:
                    os._exit(interruption.exit_code)
                interruption.exit_code = _CODES[number]
                scope.cancel()

        async with beside(watch):
            with scope:
                yield interruption
