"""Waiting for a turn: `mirror.engine.schedule` decides, this waits and wakes."""

import time
from collections.abc import Callable, Mapping, Set
from types import TracebackType
from typing import Self

import anyio
from anyio.lowlevel import checkpoint

from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.lanes import Priority, SlotRequest
from mirror.engine.schedule import Schedule
from mirror.image.reference import Registry


class Slots:
    """The requests that may be in flight, to all registries of a run."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._ready: dict[SlotRequest, anyio.Event] = {}
        self.on_growth: Callable[[Set[Registry]], None] = lambda _: None
        """Called with the registries to which more may be in flight than before."""

    def hold(
        self,
        priority: Priority,
        *registries: Registry,
        size: int = 0,
        content: str = "",
        missing: int = 0,
    ) -> "_Hold":
        """Hold a slot of each of these registries, all at once, as long as the block lasts.

        Taking one and waiting for the other, two copies in opposite directions would
        wait for each other.
        """
        request = SlotRequest(priority, tuple(sorted(registries)), size, content, missing)
        return _Hold(self, request)

    async def take(self, request: SlotRequest) -> None:
        """Wait for the slots of a request."""
        if request.is_body or not self._schedule.start_now(request):
            await self._wait(request)

    def finish(self, request: SlotRequest, seconds: float | None) -> None:
        """Give the slots of a request back; ``seconds`` is how long it took, None if it failed."""
        self._schedule.finish(request, seconds, time.monotonic())
        self._wake()
        self._report_growth()

    def answered(self, registry: Registry, kind: str, seconds: float) -> None:
        """Note that a small request of a kind was answered after so many seconds."""
        self._schedule.answer(registry, kind, seconds, time.monotonic())
        if self._schedule.grown:
            self._wake()
            self._report_growth()

    def _report_growth(self) -> None:
        if grown := self._schedule.grown:
            self._schedule.grown = set()
            self.on_growth(grown)

    async def _wait(self, request: SlotRequest) -> None:
        ready = self._ready[request] = anyio.Event()
        self._schedule.add(request)
        try:
            if request.is_body:
                # Others may add theirs in this moment, of which the largest goes first.
                await checkpoint()
            self._wake()
            await ready.wait()
        except BaseException:
            if ready.is_set():
                self._schedule.finish(request)
                self._wake()
            else:
                request.withdrawn = True
                del self._ready[request]
            raise

    def _wake(self) -> None:
        for request in self._schedule.start():
            self._ready.pop(request).set()

    def refuse(self, registry: Registry) -> None:
        """Allow fewer requests to a registry for a while: it had too much."""
        self._schedule.refuse(registry, time.monotonic())

    def in_flight(self, registry: Registry) -> int:
        """How many requests to a registry may be in flight now, bodies included."""
        return self._schedule.limit_of(registry).size

    @property
    def limits(self) -> Mapping[Registry, HostLimit]:
        """What may be in flight to each registry that anything was sent to."""
        return self._schedule.limits

    def lend(self, registry: Registry) -> bool:
        """Occupy one more slot for what moves a body already, if nothing waits for one."""
        return self._schedule.lend(registry)

    def give_back(self, registry: Registry) -> None:
        """Free a slot that was lent."""
        self._schedule.give_back(registry)
        self._wake()


class _Hold:
    """Slots that are held as long as the block lasts."""

    __slots__ = ("_began", "_request", "_slots", "moved")

    def __init__(self, slots: Slots, request: SlotRequest) -> None:
        self._slots = slots
        self._request = request
        self._began = 0.0
        self.moved = True
        """Whether its body was moved, so that the time says how fast that goes."""

    async def __aenter__(self) -> Self:
        await self._slots.take(self._request)
        self._began = time.monotonic()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        timed = error is None and self.moved
        seconds = time.monotonic() - self._began if timed else None
        self._slots.finish(self._request, seconds)
