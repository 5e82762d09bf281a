"""Work that several ask for at the same time, done once.

No class here keeps what came of it: who asks after the work has ended does it again, and
callers remember what is worth remembering.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from mirror.effort import Effort, current_effort, effort_of

T = TypeVar("T")


class SingleFlight:
    """Questions, asked once for all who want the same answer at the same time.

    The first who asks sends it in its own task.  If that is cancelled, the next one who waits
    asks again.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Caller] = {}

    async def do(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """Return or raise what ``ask`` does, or did for another caller meanwhile."""
        while (flight := self._flights.get(key)) is not None:
            if flight.over is None:
                flight.over = anyio.Event()
            await flight.over.wait()
            if flight.answered:
                current_effort().note(flight.attempts)
                if flight.error is not None:
                    raise flight.error
                answer: T = flight.answer
                return answer
        flight = self._flights[key] = _Caller()
        try:
            flight.answer = answer = await ask()
            flight.answered = True
        except Exception as error:
            flight.error, flight.answered = error, True
            raise
        finally:
            del self._flights[key]
            if flight.over is not None:
                flight.attempts = current_effort().attempts
                flight.over.set()
        return answer


class _Caller:
    __slots__ = ("answer", "answered", "attempts", "error", "over")

    def __init__(self) -> None:
        self.over: anyio.Event | None = None
        """Set when it is answered; made by the first who waits."""
        self.answered = False
        self.answer: Any = None
        self.error: Exception | None = None
        self.attempts = 1


class SharedWork(Generic[T]):
    """Work that belongs to all who wait for it.

    It runs in a task of its own and is cancelled when the last who waits is.  An error is
    raised to everybody who waited.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def do(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``work``, or of the call under way for ``key``."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight()
            self._tasks.start_soon(partial(self._fly, key, flight, work))
        effort = current_effort()
        flight.effort.join(effort)
        flight.waiting += 1
        try:
            await flight.over.wait()
        finally:
            flight.waiting -= 1
            flight.effort.leave(effort)
            if not flight.waiting and not flight.over.is_set():
                self._forget(key, flight)
                flight.scope.cancel()
        if flight.error is not None:
            raise flight.error
        return flight.results[0]

    async def _fly(
        self, key: Hashable, flight: "_Flight[T]", work: Callable[[], Awaitable[T]]
    ) -> None:
        try:
            with flight.scope, effort_of(flight.effort):
                flight.results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised to everybody who waits
            flight.error = error
        finally:
            self._forget(key, flight)
            flight.over.set()

    def _forget(self, key: Hashable, flight: "_Flight[T]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


class _Flight(Generic[T]):
    __slots__ = ("effort", "error", "over", "results", "scope", "waiting")

    def __init__(self) -> None:
        self.over = anyio.Event()
        self.scope = anyio.CancelScope()
        self.effort = Effort()
        self.waiting = 0
        self.results: list[T] = []
        self.error: Exception | None = None


class OneFirst:
    """Work of which one goes first, alone, and the others only once it has succeeded."""

    def __init__(self, is_done: Callable[..., bool]) -> None:
        """``is_done`` says of a key whether one has succeeded."""
        self._is_done = is_done
        self._locks: dict[Hashable, anyio.Lock] = {}

    @asynccontextmanager
    async def turn(self, *key: Hashable) -> AsyncIterator[None]:
        """Run the block first, alone; or beside others, once another has been first."""
        lock = self._locks.setdefault(key, anyio.Lock())
        async with lock:
            if not self._is_done(*key):
                yield
                return
        self._locks.pop(key, None)
        yield


class OneAtATime:
    """Work of which only one piece goes on at a time, by its key."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, anyio.Lock] = {}

    @asynccontextmanager
    async def turn(self, *key: Hashable) -> AsyncIterator[None]:
        """Run the block alone, after those that came before."""
        lock = self._locks.setdefault(key, anyio.Lock())
        async with lock:
            yield
        if not lock.statistics().tasks_waiting:
            self._locks.pop(key, None)
