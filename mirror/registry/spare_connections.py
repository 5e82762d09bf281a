"""The connections to a registry that are free for parallel downloads."""

from collections.abc import Callable
from typing import Protocol

from mirror.image.reference import Registry
from mirror.wire.download_parallelism import DownloadParallelism

# Pieces of blobs in memory, at most, beyond one for each blob that is read so.
_PIECES = 8

Start = Callable[..., object]
"""Starts a coroutine function with its arguments, beside everything else."""


class SlotSource(Protocol):
    """Decides how many requests are in flight."""

    def lend(self, registry: Registry) -> bool:
        """Occupy a slot of a registry, if no request waits for one."""
        ...

    def give_back(self, registry: Registry) -> None:
        """Free a slot that was lent."""
        ...

    def answered(self, registry: Registry, kind: str, seconds: float) -> None:
        """Note that a request of a kind was answered after so many seconds."""
        ...


class ActiveReading(Protocol):
    """A blob that is being read."""

    @property
    def connections(self) -> int:
        """Over so many connections, now."""
        ...


class SlotLender:
    """All that is to spare in a run."""

    def __init__(self, slots: SlotSource | None, start: Start, clock: Callable[[], float]) -> None:
        self.start = start
        self.clock = clock
        self._slots = slots
        self._lent = 0

    def lend(self, registry: Registry) -> bool:
        """Occupy a slot of a registry, if there is one and memory for what comes over it."""
        if self._slots is None or self._lent >= _PIECES or not self._slots.lend(registry):
            return False
        self._lent += 1
        return True

    def give_back(self, registry: Registry) -> None:
        """Free a slot that was lent."""
        assert self._slots is not None, "nothing is lent without slots"
        self._slots.give_back(registry)

    def forget(self) -> None:
        """Free the memory for what came over a slot that was lent."""
        self._lent -= 1


class ConnectionBudget:
    """What is to spare at one registry."""

    def __init__(self, registry: Registry, lender: SlotLender) -> None:
        self.start = lender.start
        self.clock = lender.clock
        self.parallelism = DownloadParallelism()
        """How many connections a blob is worth there."""
        self.readings: dict[ActiveReading, None] = {}
        """The blobs that are being read."""
        self._registry = registry
        self._lender = lender

    def take(self) -> bool:
        """Occupy a connection, if there is one."""
        return self._lender.lend(self._registry)

    def give_back(self) -> None:
        """Free a connection that was taken."""
        self._lender.give_back(self._registry)

    def forget(self) -> None:
        """Free the memory for what came over a connection that was taken."""
        self._lender.forget()

    def look(self, now: float) -> None:
        """Judge from time to time how many connections a blob is worth."""
        connections = sum(reading.connections for reading in self.readings)
        self.parallelism.look(now, max(1, connections), max(1, len(self.readings)))
