"""Signals: the first ends the work in good order, the second ends the process."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import anyio
from msgspec import Struct

from mirror.exit_code import ExitCode

_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class Interruption(Struct):
    """Whether the work was ended by a signal, and the exit code that says so."""

    exit_code: ExitCode | None = None


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Run the block until it is done or a signal cancels it; either way it ends here.

    A second signal ends the process at once, even while the event loop is blocked: the
    handlers are the interpreter's own and need no turn of the loop.  Only for the main
    thread, which alone may set them.
    """
    interruption, scope = Interruption(), anyio.CancelScope()
    loop = asyncio.get_running_loop()

    def handle(number: int, _: FrameType | None) -> None:
        if interruption.exit_code is not None:
            os._exit(interruption.exit_code)
        interruption.exit_code = _CODES[signal.Signals(number)]
        loop.call_soon_threadsafe(scope.cancel)

    before = {number: signal.signal(number, handle) or signal.SIG_DFL for number in _CODES}
    try:
        with scope:
            yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
