"""What a person sees on standard error: colours, and progress as bars.

Loaded only where a person looks: it takes as long as a quarter of all other modules.
"""

import sys
import time

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mirror.events import Status, Traffic
from mirror.image.reference import Repository
from mirror.report.progress import Progress, clock, size

# Seconds between two pictures: a person sees four a second as movement.
_INTERVAL = 0.25
# Blobs in flight that are named, the largest first.
_NAMED = 5
# Of a terminal with 80 columns, what digest and size leave to a name.
_NAME_WIDTH = 44


class Screen:
    """A terminal that a person looks at."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, line: str, style: str) -> None:
        """Write a line, above the progress if there is one."""
        self._console.print(Text(line, style=style))

    async def draw(self, progress: Progress, traffic: Traffic) -> None:
        """Show progress as bars, until cancelled; nothing of them stays."""
        with Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=False,
        ) as live:
            while True:
                progress.tick(time.monotonic(), traffic.moved)
                live.update(_picture(progress), refresh=True)
                await anyio.sleep(_INTERVAL)


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
