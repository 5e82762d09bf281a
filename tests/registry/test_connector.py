"""Kept connections: which is used next, which were used before, and which stand ready."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest

from mirror.demo.fault import Fault
from mirror.demo.server import EmbeddedRegistry
from mirror.registry.connector import GONE, Connector, Opened, session


class Caller:
    """A connector, and requests over it to a registry in this process."""

    def __init__(self, registry: EmbeddedRegistry) -> None:
        self.registry, self.connector = registry, Connector(limit=0)
        self.url = f"http://{registry.host}/v2/"
        self.session = session(self.connector)

    async def ask(self) -> bool:
        """Ask for something; return whether the connection had been used before."""
        async with self.session.get(self.url) as response:
            await response.read()
            return self.connector.reused()

    async def open_ahead(self) -> None:
        with pytest.raises(Opened):
            await self.session.get(self.url, middlewares=(self.connector.ahead,))

    def hold_back(self) -> tuple[anyio.Event, anyio.Event]:
        """Hold the next answer back; return what says that it is asked for, and what frees it."""
        asked, answer = anyio.Event(), anyio.Event()

        async def hold() -> None:
            asked.set()
            await answer.wait()

        self.registry.faults.append(Fault(after=hold))
        return asked, answer

    @property
    def used(self) -> list[str]:
        return [request.connection for request in self.registry.log]

    @property
    def open(self) -> int:
        return self.connector.open_to(self.registry.host, 99)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    registry = EmbeddedRegistry(keep_log=True)
    async with registry.running():
        made = Caller(registry)
        async with made.session:
            yield made


async def test_a_connection_is_new_once_and_each_task_is_told_of_its_own(caller: Caller) -> None:
    assert [await caller.ask() for _ in range(3)] == [False, True, True]
    asked, answer = caller.hold_back()
    held = asyncio.create_task(caller.ask())
    await asked.wait()
    assert not await caller.ask()
    answer.set()
    assert await held
    assert len(set(caller.used)) == 2


async def test_the_connection_that_was_used_last_is_used_next(caller: Caller) -> None:
    asked, answer = caller.hold_back()
    held = asyncio.create_task(caller.ask())
    await asked.wait()
    await caller.ask()
    answer.set()
    await held
    await caller.ask()

    first, second, last = caller.used
    assert last == first != second


async def test_a_connection_opened_ahead_serves_where_no_other_is_free(caller: Caller) -> None:
    await caller.open_ahead()
    assert (caller.open, caller.used) == (1, [])

    assert await caller.ask()  # it may have been closed meanwhile, like any that was kept
    await caller.open_ahead()
    await caller.ask()
    assert (caller.open, len(set(caller.used))) == (2, 1)


async def test_a_task_can_be_cut_off_from_its_answer(caller: Caller) -> None:
    asked, answer = caller.hold_back()
    waiting = asyncio.create_task(caller.ask())
    await asked.wait()
    caller.connector.drop(waiting)

    with pytest.raises(GONE):
        await waiting
    assert caller.open == 0
    answer.set()
