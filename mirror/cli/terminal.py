"""Standard output and standard error: lines for scripts, progress for people."""

import importlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio

from mirror.cli.streams import give_up
from mirror.engine.task_groups import background
from mirror.events import Traffic
from mirror.report.progress import Progress

# Seconds between two lines: a log needs no more than one now and then.
_LINE_INTERVAL = 5.0


class Terminal:
    """Where a command speaks to its caller.

    A closed standard output is said once on standard error and then borne, a
    closed standard error is borne: the work goes on, it is only not told any more.
    """

    def __init__(self) -> None:
        self._screen = _screen() if sys.stderr.isatty() else None
        self._output_closed = False

    def print(self, line: str) -> None:
        """Write a line to standard output."""
        if self._output_closed:
            return
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except OSError as error:
            self._output_closed = True
            give_up(1)
            self.say(f"standard output is closed ({error.strerror}); its lines are lost")

    def say(self, line: str, style: str = "") -> None:
        """Write a line to standard error, above the progress if there is one."""
        try:
            if self._screen is not None:
                self._screen.say(line, style)
            else:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
        except OSError:
            give_up(2)  # there is no terminal left to write to

    @asynccontextmanager
    async def showing(self, progress: Progress, traffic: Traffic, how: str) -> AsyncIterator[None]:
        """Show progress while the block lasts: ``auto``, ``bar``, ``plain`` or ``none``."""
        if how == "auto":
            how = "bar" if self._screen is not None else "plain"
        if how == "none":
            yield
            return
        draw = self._write_lines
        if how == "bar":
            self._screen = self._screen or _screen()
            draw = self._screen.draw
        async with background(partial(self._bear, partial(draw, progress, traffic))):
            yield

    async def _bear(self, draw: Callable[[], Awaitable[None]]) -> None:
        try:
            await draw()
        except OSError:
            give_up(2)

    async def _write_lines(self, progress: Progress, traffic: Traffic) -> None:
        progress.tick(time.monotonic(), traffic.moved)
        while True:
            await anyio.sleep(_LINE_INTERVAL)
            progress.tick(time.monotonic(), traffic.moved)
            self.say(progress.line())


def _screen() -> Any:
    return importlib.import_module("mirror.cli.progress_display").Screen()
