"""Standard output and standard error: lines for scripts, progress for people."""

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mirror.cli.beside import beside
from mirror.cli.streams import give_up
from mirror.events import Status, Traffic
from mirror.image.reference import Repository
from mirror.report.progress import Progress, clock, size

# Seconds between two pictures: a person sees four a second as movement, a log
# needs no more than a line now and then.
_BAR_INTERVAL = 0.25
_LINE_INTERVAL = 5.0
# Blobs in flight that are named, the largest first.
_NAMED = 5
# Of a terminal with 80 columns, what digest and size leave to a name.
_NAME_WIDTH = 44


class Terminal:
    """Where a command speaks to its caller.

    A closed standard output is said once on standard error and then borne, a
    closed standard error is borne: the work goes on, it is only not told any more.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
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
            self.console.print(Text(line, style=style))
        except OSError:
            give_up(2)  # nobody is left to tell

    @asynccontextmanager
    async def showing(self, progress: Progress, traffic: Traffic, how: str) -> AsyncIterator[None]:
        """Show progress while the block lasts: ``auto``, ``bar``, ``plain`` or ``none``."""
        if how == "auto":
            how = "bar" if self.console.is_terminal else "plain"
        if how == "none":
            yield
            return
        draw = self._draw_bars if how == "bar" else self._write_lines
        async with beside(partial(self._bear, partial(draw, progress, traffic))):
            yield

    async def _bear(self, draw: Callable[[], Awaitable[None]]) -> None:
        try:
            await draw()
        except OSError:
            give_up(2)

    async def _draw_bars(self, progress: Progress, traffic: Traffic) -> None:
        with Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=False,
        ) as live:
            while True:
                progress.tick(time.monotonic(), traffic.moved)
                live.update(_picture(progress), refresh=True)
                await anyio.sleep(_BAR_INTERVAL)

    async def _write_lines(self, progress: Progress, traffic: Traffic) -> None:
        progress.tick(time.monotonic(), traffic.moved)
        while True:
            await anyio.sleep(_LINE_INTERVAL)
            progress.tick(time.monotonic(), traffic.moved)
            self.say(progress.line())


def _picture(progress: Progress) -> Group:
    head = Table.grid(padding=(0, 2))
    failed = progress.statuses[Status.FAILED]
    left = progress.seconds_left
    head.add_row(
        ProgressBar(max(progress.images_found, 1), progress.images_done, width=30),
        f"{progress.images_done}/{progress.images_found} images"
        + (f", {failed} failed" if failed else ""),
        f"{size(progress.moved)}  {size(int(progress.rate))}/s",
        f"{clock(left)} left" if left is not None else "",
    )
    moving = sorted(progress.moving.values(), key=lambda one: -one.size)
    rows = Table.grid(padding=(0, 2))
    for one in moving[:_NAMED]:
        rows.add_row(f"  {one.digest.short}", size(one.size), "to", _tail(one.destination))
    if len(moving) > _NAMED:
        rows.add_row(f"  and {len(moving) - _NAMED} more", "", "", "")
    return Group(head, rows)


def _tail(repository: Repository) -> str:
    """Show the end of a name that is too long, where names differ."""
    name = str(repository)
    return name if len(name) <= _NAME_WIDTH else "\u2026" + name[1 - _NAME_WIDTH :]
