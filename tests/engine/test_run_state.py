"""What everything in a run shares: connections that are foreseen, and who goes first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.blob_transfer import Transfers
from mirror.engine.dry_run import DryRunDestination
from mirror.engine.ledger import nothing
from mirror.engine.repository_access import Destination, Source
from mirror.engine.run_state import Run
from mirror.engine.schedule import Schedule
from mirror.engine.slots import Slots
from mirror.engine.task_groups import task_group
from mirror.events import Traffic
from mirror.image.digest import Digest
from mirror.image.reference import Registry, Repository
from mirror.mapping.grammar import parse
from mirror.mapping.wildcard import pair
from mirror.options import Options
from mirror.place import Side
from mirror.registry.backoff import Backoff
from tests.engine.world import World, WorldClients

A, B = Repository.parse("d.io/a"), Repository.parse("d.io/b")
DIGEST = Digest.of(b"x")


class Foreseeing(WorldClients):
    """Clients of an empty world that note which connections they are to have ready."""

    def __init__(self) -> None:
        super().__init__(World())
        self.said = list[tuple[str, Side, int]]()

    def prepare_connections(self, registry: Registry, side: Side, connections: int) -> None:
        self.said.append((registry.host, side, connections))

    @asynccontextmanager
    async def run(self, *, dry_run: bool = False) -> AsyncIterator[Run]:
        slots = Slots(Schedule(lambda _: HostLimit(1, 1)))
        async with task_group() as tasks:
            options, backoff = Options(dry_run=dry_run), Backoff()
            kind = DryRunDestination if dry_run else Destination
            transfers = Transfers(options.timeouts, backoff, Traffic())
            sides = Source(self, slots, backoff), kind(self, slots, transfers, print)
            yield Run(options, print, self, slots, *sides, backoff, nothing, tasks)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_connections_are_prepared_for_the_most_between_two_registries_unless_in_a_dry_run(
    dry_run: bool,
) -> None:
    clients = Foreseeing()
    async with clients.run(dry_run=dry_run) as run:
        for host, requests in (("s.io", 2), ("s.io", 2), ("s.io", 1), ("r.io", 1), ("s.io", 3)):
            (rule,) = parse([f"{host}/a:1=d.io/a"])
            run.prepare_connections(pair(rule), requests)
        assert run.known.needs_look(A) is dry_run, "what it does not mount it has to ask"

    assert clients.said == [
        told for host, requests in (("s.io", 2), ("r.io", 1), ("s.io", 3)) if not dry_run
        for told in ((host, Side.SOURCE, requests), ("d.io", Side.DESTINATION, requests))
    ]  # fmt: skip


@pytest.mark.parametrize("known", [False, True])
async def test_the_first_upload_goes_alone_until_the_blob_is_somewhere_in_the_registry(
    known: bool,
) -> None:
    order = list[str]()
    async with Foreseeing().run() as run, anyio.create_task_group() as tasks:
        if known:
            run.known.add_blob(B, DIGEST)

        async def other() -> None:
            async with run.first_uploads.turn(A.registry, DIGEST):
                order.append("other")

        async with run.first_uploads.turn(A.registry, DIGEST):
            tasks.start_soon(other)
            await anyio.wait_all_tasks_blocked()
            order.append("first")

    assert order == (["other", "first"] if known else ["first", "other"])
