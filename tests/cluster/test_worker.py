"""A unit as a worker of dask carries it out, heard and answered as the coordinator does it."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from distributed import Client, LocalCluster
from distributed.protocol.pickle import loads

from mirror.auth.credential import Credential
from mirror.auth.keychain import Logins
from mirror.cluster import worker
from mirror.cluster.claims import ClaimAnswer
from mirror.cluster.protocol import TOPIC, CoordinatorReply, UnitNews, WorkUnit
from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, layer, put
from mirror.demo.server import EmbeddedRegistry, TokenIssuer
from mirror.events import Event, ImageSettled, RequestSent
from mirror.image.digest import Digest
from mirror.image.reference import Registry
from mirror.mapping.grammar import parse
from mirror.options import Options
from mirror.place import Side

LOGINS = Logins(given={Side.SOURCE: Credential("me", "secret")})


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a cluster of one worker, for all tests here."""
    with LocalCluster(
        n_workers=1, processes=False, dashboard_address="127.0.0.1:0", memory_limit=0,
        silence_logs=logging.CRITICAL,
    ) as cluster:  # fmt: skip
        yield str(cluster.scheduler_address)


class Coordinator:
    """Hands a unit of one image to a worker, and hears what it tells."""

    def __init__(self, source: EmbeddedRegistry, target: EmbeddedRegistry, scheduler: str) -> None:
        self.source, self.target, self._scheduler = source, target, scheduler
        self.news = list[UnitNews]()
        self.client: Client
        self._heard = anyio.Event()

    @asynccontextmanager
    async def carrying_out(self, layer: Blob | None = None, **facts: Any) -> AsyncIterator[None]:
        """Have it carried out while the block lasts, and to its end."""
        put(self.source.store, "a", Blob(b"{}", CONFIG), [layer] if layer else [], tag="1")
        rules = parse([f"{self.source.host}/a:1={self.target.host}/a"])
        plain = {"options": Options(retries=0), "verifying": False, "ends": None, "memory": {},
                 "authfile": None, "asks_for_logins": False}  # fmt: skip
        async with Client(self._scheduler, asynchronous=True, set_as_default=False) as self.client:
            self.client.subscribe_topic(TOPIC, self._hear)
            unit = WorkUnit("mine", 7, rules, **{**plain, **facts})
            future = self.client.submit(worker.carry_out, unit, pure=False)
            yield
            await future
            await self.heard(lambda news: news.last)

    async def heard(self, wanted: Callable[[UnitNews], object]) -> UnitNews:
        """Return the first news of which this is true, once it is there."""
        with anyio.fail_after(20):
            while not (found := [news for news in self.news if wanted(news)]):
                await self._heard.wait()
                self._heard = anyio.Event()
        return found[0]

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        self.news.append(loads(event[1]["news"]))
        self._heard.set()

    def events(self) -> list[Event]:
        return [event for news in self.news for event in news.events]

    def statuses(self) -> list[str]:
        return [str(one.status) for one in self.events() if isinstance(one, ImageSettled)]


@pytest.fixture
def coordinator(source: EmbeddedRegistry, target: EmbeddedRegistry, scheduler: str) -> Coordinator:
    return Coordinator(source, target, scheduler)


async def test_news_are_numbered_and_add_up_to_what_was_done(coordinator: Coordinator) -> None:
    large = layer("x", 256 * 1024)
    async with coordinator.carrying_out(large):
        asking = await coordinator.heard(lambda news: news.asks)
        answers = tuple(ClaimAnswer(asking.attempt, blob, None) for blob in asking.asks)
        await coordinator.client.run(worker.hear, CoordinatorReply(asking.attempt, answers))

    news, (attempt,) = coordinator.news, {one.attempt for one in coordinator.news}
    said = [(one.unit, one.attempt, one.number, one.last) for one in news]
    assert said == [(7, attempt, number, one is news[-1]) for number, one in enumerate(news)]
    assert coordinator.statuses() == ["copied"]
    assert [ask for one in news for ask in one.asks] == [
        (Registry(coordinator.target.host), Digest.of(large.content))
    ], "for the small one it is not worth it"
    assert sum(one.moved for one in news) == len(large.content) + len(b"{}")
    assert not [event for event in coordinator.events() if isinstance(event, RequestSent)]
    # Before each ping https is tried, which nobody hears.
    log, host = coordinator.target.log, coordinator.target.host
    sent = len(log) + sum(one.path == "/v2/" for one in log)
    assert sum(n for one in news for (to, _), n in one.requests.items() if to == host) == sent


@pytest.mark.parametrize(
    ("facts", "statuses", "plans", "fails"),
    [
        ({"options": Options(dry_run=True)}, ["planned"], True, False),
        ({"verifying": True}, ["failed"], False, False),
        ({"ends": 0.0}, ["deferred"], False, False),
        ({"ends": 1e12}, ["copied"], False, False),
        ({"authfile": Path("none.json")}, [], False, True),
    ],
)
async def test_what_a_unit_comes_to_is_in_its_last_news(
    coordinator: Coordinator, facts: dict[str, Any], statuses: list[str], plans: bool, fails: bool
) -> None:
    async with coordinator.carrying_out(**facts):
        pass

    last = coordinator.news[-1]
    assert coordinator.statuses() == statuses
    assert (last.plan is not None, last.failure is not None) == (plans, fails)


async def test_logins_that_were_promised_are_waited_for_and_used(coordinator: Coordinator) -> None:
    coordinator.source.tokens = TokenIssuer(99)
    async with coordinator.carrying_out(asks_for_logins=True):
        asked = await coordinator.heard(lambda news: news.needs_logins)
        for attempt in ("another", asked.attempt):
            assert coordinator.source.log == []
            reply = CoordinatorReply(attempt, logins=LOGINS)
            await coordinator.client.run(worker.hear, reply)

    assert coordinator.statuses() == ["copied"]
    shown = {one.login for one in coordinator.source.log if one.path.startswith("/token")}
    assert shown == {"Basic bWU6c2VjcmV0"}


@pytest.mark.parametrize(("run", "status"), [("mine", "deferred"), ("another", "copied")])
async def test_a_run_that_is_stopped_ends_in_good_order_and_no_other_does(
    coordinator: Coordinator, run: str, status: str
) -> None:
    go = anyio.Event()
    coordinator.source.faults.append(Fault("GET", "/blobs/", after=go.wait))
    async with coordinator.carrying_out():
        await coordinator.heard(lambda news: news.events)
        await coordinator.client.run(worker.stop, run)
        go.set()

    assert coordinator.statuses() == [status]
    assert coordinator.target.store.sessions == {}
