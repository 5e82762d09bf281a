"""Work that several ask for at the same time, done once.

No class here keeps results: a call after the work has ended does it again, and callers
remember what is worth remembering.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from mirror.effort import Effort, current_effort, effort_of

T = TypeVar("T")


class SingleFlight:
    """Questions, asked once for all callers that want the same answer at the same time.

    The first caller asks in its own task.  If that is cancelled, the next one that waits asks
    again.
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
        """Set when it is answered; made by the first that waits."""
        self.answered = False
        self.answer: Any = None
        self.error: Exception | None = None
        self.attempts = 1


Work = Callable[[], Awaitable[T]]
"""What is done for a key."""


def _never(error: Exception) -> bool:
    return False


class SharedWork(Generic[T]):
    """Work that belongs to all callers that wait for it.

    Each piece runs in a task of its own and is cancelled when its last caller is.  An
    error is raised to all callers that waited.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def do(
        self,
        key: Hashable,
        work: Work[T],
        is_other_callers_error: Callable[[Exception], bool] = _never,
    ) -> T:
        """Return the result of ``work``, or of the call under way for ``key``; see `do_all`."""
        return (await self.do_all({key: work}, is_other_callers_error))[0]

    async def do_all(
        self,
        works: Mapping[Hashable, Work[T]],
        is_other_callers_error: Callable[[Exception], bool] = _never,
    ) -> list[T]:
        """Return the results of several pieces side by side, in the order in which they end.

        The first error ends the wait for all of them, but for one that another caller's work
        raised for reasons of its own (``is_other_callers_error``): then this caller's is tried.
        """
        waiter = _Waiter[T]()
        try:
            own = {key for key, work in works.items() if self._join(waiter, key, work)}
            results: list[T] = []
            while waiter.flights:
                flight = await waiter.next()
                if flight.error is None:
                    results.append(flight.result)
                elif flight.key in own or not is_other_callers_error(flight.error):
                    raise flight.error
                elif self._join(waiter, flight.key, works[flight.key]):
                    own.add(flight.key)
            return results
        finally:
            for flight in list(waiter.flights):
                self._leave(waiter, flight)

    def _join(self, waiter: "_Waiter[T]", key: Hashable, work: Work[T]) -> bool:
        """Wait for the work under way for a key; return whether it had to be begun."""
        flight = self._flights.get(key)
        if begun := flight is None:
            flight = self._flights[key] = _Flight(key)
            self._tasks.start_soon(self._fly, flight, work)
        flight.effort.join(waiter.effort)
        flight.waiters.append(waiter)
        waiter.flights.add(flight)
        return begun

    def _leave(self, waiter: "_Waiter[T]", flight: "_Flight[T]") -> None:
        flight.waiters.remove(waiter)
        flight.effort.leave(waiter.effort)
        if not flight.waiters and not flight.over:
            self._forget(flight)
            flight.scope.cancel()

    async def _fly(self, flight: "_Flight[T]", work: Work[T]) -> None:
        try:
            with flight.scope, effort_of(flight.effort):
                flight.result = await work()
        except Exception as error:  # noqa: BLE001 - raised to every caller that waits
            flight.error = error
        finally:
            self._forget(flight)
            flight.end()

    def _forget(self, flight: "_Flight[T]") -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]


class _Flight(Generic[T]):
    """One piece of work under way."""

    __slots__ = ("effort", "error", "key", "over", "result", "scope", "waiters")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.scope = anyio.CancelScope()
        self.effort = Effort()
        self.waiters: list[_Waiter[T]] = []
        self.over = False
        self.result: T
        self.error: Exception | None = None

    def end(self) -> None:
        """Wake every caller that waits: it is over."""
        self.over = True
        for waiter in self.waiters:
            waiter.ended.append(self)
            waiter.ready.set()


class _Waiter(Generic[T]):
    """One caller, and the pieces of work that it waits for."""

    __slots__ = ("effort", "ended", "flights", "ready")

    def __init__(self) -> None:
        self.effort = current_effort()
        self.flights: set[_Flight[T]] = set()
        self.ended: deque[_Flight[T]] = deque()
        self.ready = anyio.Event()

    async def next(self) -> _Flight[T]:
        """Return the next piece of work that is over."""
        while not self.ended:
            self.ready = anyio.Event()
            await self.ready.wait()
        flight = self.ended.popleft()
        self.flights.remove(flight)
        flight.effort.leave(self.effort)
        return flight


class FirstAlone:
    """Work of which one goes first, alone, and the others only once it has succeeded."""

    def __init__(self, is_done: Callable[..., bool]) -> None:
        """``is_done`` says of a key whether one has succeeded."""
        self._is_done = is_done
        self._alone = OneAtATime()

    @asynccontextmanager
    async def turn(self, *key: Hashable) -> AsyncIterator[None]:
        """Run the block first, alone; or beside others, once another has been first."""
        if not self._is_done(*key):
            async with self._alone.turn(*key):
                if not self._is_done(*key):
                    yield
                    return
        yield


class OneAtATime:
    """Work of which only one piece goes on at a time, by its key."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, anyio.Lock] = {}
        self._users: Counter[Hashable] = Counter()

    @asynccontextmanager
    async def turn(self, *key: Hashable) -> AsyncIterator[None]:
        """Run the block alone, after those that came before."""
        # The lock stays as long as one piece holds it or waits for it, so that all have the same.
        self._users[key] += 1
        try:
            async with self._locks.setdefault(key, anyio.Lock()):
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]
