"""Waiting for a turn: `mirror.engine.schedule` decides, this waits and wakes."""

import time
from types import TracebackType

import anyio
from anyio.lowlevel import checkpoint

from mirror.engine.schedule import Rank, Schedule, Turn
from mirror.image.reference import Registry


class Slots:
    """The requests that may be in flight, to all registries of a run."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._ready: dict[Turn, anyio.Event] = {}

    def hold(self, rank: Rank, *registries: Registry, size: int = 0, content: str = "") -> "_Hold":
        """Hold a slot of each of these registries, all at once, as long as the block lasts.

        Taking one and waiting for the other, two copies in opposite directions would
        wait for each other.
        """
        return _Hold(self, Turn(rank, tuple(sorted(registries)), size, content))

    async def take(self, turn: Turn) -> None:
        """Wait for the slots of a turn."""
        if turn.size or not self._schedule.start_now(turn):
            await self._wait(turn)

    def finish(self, turn: Turn, *, succeeded: bool, seconds: float) -> None:
        """Give the slots of a turn back, after so many seconds."""
        self._schedule.finish(turn, succeeded=succeeded, seconds=seconds)
        self._wake()

    async def _wait(self, turn: Turn) -> None:
        ready = self._ready[turn] = anyio.Event()
        self._schedule.add(turn)
        try:
            if turn.size:
                # Others may add theirs in this moment, of which the largest goes first.
                await checkpoint()
            self._wake()
            await ready.wait()
        except BaseException:
            if ready.is_set():
                self._schedule.finish(turn, succeeded=False)
                self._wake()
            else:
                turn.withdrawn = True
                del self._ready[turn]
            raise

    def _wake(self) -> None:
        for turn in self._schedule.start():
            self._ready.pop(turn).set()

    def push_back(self, registry: Registry) -> None:
        """Allow fewer requests to a registry for a while: it had too much."""
        self._schedule.push_back(registry, anyio.current_time())

    def lend(self, registry: Registry) -> bool:
        """Occupy one more slot for what moves a body already, if nothing waits for one."""
        return self._schedule.lend(registry)

    def give_back(self, registry: Registry) -> None:
        """Free a slot that was lent."""
        self._schedule.give_back(registry)
        self._wake()


class _Hold:
    """Slots that are held as long as the block lasts."""

    __slots__ = ("_began", "_slots", "_turn")

    def __init__(self, slots: Slots, turn: Turn) -> None:
        self._slots = slots
        self._turn = turn
        self._began = 0.0

    async def __aenter__(self) -> None:
        await self._slots.take(self._turn)
        self._began = time.monotonic()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = time.monotonic() - self._began
        self._slots.finish(self._turn, succeeded=error is None, seconds=seconds)
