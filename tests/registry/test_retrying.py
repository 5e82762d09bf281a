"""Trying again, on a clock that only moves when somebody waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from random import Random

import anyio
import pytest

from mirror.errors import Dropped, NetworkError, Unreachable, Untrusted
from mirror.registry.backoff import Backoff
from mirror.registry.retrying import Retrying
from mirror.wire.message import Reply, Request
from tests.conftest import Hurry


class Host:
    """Gives these answers one after the other, and 200 when there are none left."""

    def __init__(self, *answers: int | Exception, retries: int = 5, told: str = "") -> None:
        self.asked = 0
        self.now = 0.0
        self.waited: list[float] = []
        self._answers = list(answers)
        self._headers = {"Retry-After": told} if told else {}
        self.retrying = Retrying(
            self._send, Backoff(retries, Random(7), lambda: self.now, self._sleep)
        )

    async def get(self) -> int:
        async with self.retrying.send(Request("GET", "/v2/x")) as reply:
            return reply.status

    async def loss(self) -> NetworkError:
        with pytest.raises(NetworkError) as caught:
            await self.get()
        return caught.value

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()

    @asynccontextmanager
    async def _send(self, request: Request) -> AsyncIterator[Reply]:
        self.asked += 1
        answer = self._answers.pop(0) if self._answers else 200
        if isinstance(answer, Exception):
            raise answer
        yield Reply(answer, request.url, self._headers)


class Watch:
    """Writes down for how long a host is left alone."""

    def __init__(self, paused: list[float]) -> None:
        self.paused = paused
        self.answers: list[str] = []

    def answered(self, request: Request, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.answers.append(str(request))

    def throttled(self, seconds: float, status: int) -> None:
        self.paused.append(seconds)


async def test_what_passes_is_asked_again_until_it_has_passed() -> None:
    host = Host(503, 500, NetworkError("reset"), 429)

    assert await host.get() == 200
    assert host.asked == 5
    assert all(seconds <= 16 for seconds in host.waited)


async def test_the_last_answer_counts_when_patience_is_over() -> None:
    host = Host(*[500] * 9, retries=3)

    assert await host.get() == 500
    assert host.asked == 4


async def test_the_last_error_counts_too() -> None:
    with pytest.raises(NetworkError, match="last"):
        await Host(NetworkError("first"), NetworkError("last"), retries=1).get()


@pytest.mark.parametrize("answer", [404, 401, 507, Untrusted("no")])
async def test_what_stays_is_asked_once(answer: int | Exception) -> None:
    host = Host(answer)
    with suppress(Untrusted):
        await host.get()
    assert host.asked == 1


async def test_a_wait_that_was_told_is_waited_by_everybody_at_that_host() -> None:
    host = Host(429, told="7")
    async with anyio.create_task_group() as group:
        group.start_soon(host.get)
        await anyio.wait_all_tasks_blocked()

    assert host.waited[0] == 7
    host.now = 3
    await host.get()
    assert host.now == 7


async def test_a_stream_is_sent_once() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    host = Host(503)
    async with host.retrying.send(Request("PUT", "/x", body=body(), length=1)) as reply:
        assert reply.status == 503
    assert host.asked == 1


async def test_what_breaks_while_a_reply_is_read_is_the_readers() -> None:
    host = Host()
    with pytest.raises(NetworkError):
        async with host.retrying.send(Request("GET", "/x")):
            raise NetworkError("the body broke off")
    assert host.asked == 1


async def test_a_connection_that_had_been_closed_costs_no_attempt_and_no_wait() -> None:
    host = Host(Dropped("closed"), Dropped("closed"), retries=0)

    assert await host.get() == 200
    assert sum(host.waited) == 0


async def test_a_dead_host_fails_at_once() -> None:
    host = Host(*(NetworkError("refused") for _ in range(99)), retries=5)
    while not str(await host.loss()).startswith("left alone"):
        host.now += 1
        assert host.asked < 99
    asked, waited = host.asked, len(host.waited)

    with pytest.raises(Unreachable):
        await host.get()
    assert (host.asked, len(host.waited)) == (asked, waited)

    host.now += 16  # one is let through now and then
    with pytest.raises(NetworkError):
        await host.get()
    assert host.asked == asked + 1


async def test_an_answer_tells_how_often_it_was_asked_for() -> None:
    host = Host(503, NetworkError("reset"))
    async with host.retrying.send(Request("GET", "/x")) as reply:
        assert reply.attempts == 3


async def test_what_could_be_repeated_and_failed_is_worth_no_other_attempt() -> None:
    host = Host(*(NetworkError("refused") for _ in range(3)), retries=2)
    with pytest.raises(NetworkError) as caught:
        await host.get()
    assert not caught.value.retryable
    assert caught.value.attempts == 3


async def test_what_another_host_says_pauses_nobody() -> None:
    paused: list[float] = []
    answers = [Reply(503, "https://cdn.io/x", {"Retry-After": "600"}, redirected=True)]

    @asynccontextmanager
    async def send(request: Request) -> AsyncIterator[Reply]:
        yield answers.pop() if answers else Reply(200, request.url)

    hurry = Hurry()
    retrying = Retrying(send, hurry.backoff(3), Watch(paused))
    async with retrying.send(Request("GET", "https://r.io/x")) as reply:
        assert reply.status == 200
    assert paused == []


async def test_everybody_has_one_repeat_whatever_others_used_up() -> None:
    host = Host(*[500] * 300, retries=5)
    for _ in range(40):
        await host.get()
    asked = host.asked
    await host.get()

    assert host.asked - asked >= 2


async def test_what_is_urgent_goes_out_while_the_host_is_left_alone() -> None:
    host = Host(503, told="9", retries=1)
    async with anyio.create_task_group() as group:
        group.start_soon(host.get)
        await anyio.wait_all_tasks_blocked()
    waited = len(host.waited)
    host.now = 0
    request = Request("DELETE", "/x", repeatable=False, urgent=True)
    async with host.retrying.send(request) as reply:
        assert reply.status == 200
    assert len(host.waited) == waited


async def test_a_registry_is_asked_no_faster_than_it_may_be() -> None:
    hurry, asked = Hurry(), list[float]()

    @asynccontextmanager
    async def send(request: Request) -> AsyncIterator[Reply]:
        asked.append(hurry.now)
        yield Reply(503 if len(asked) == 3 else 200, request.url)

    retrying = Retrying(send, hurry.backoff(3), rate=2.0)
    for _ in range(4):
        async with retrying.send(Request("GET", "/v2/")):
            pass

    # Repeats take their turn like everybody else.
    assert len(asked) == 5
    assert all(later - earlier >= 0.4 for earlier, later in pairwise(asked))


async def test_who_waits_for_a_turn_waits_for_a_host_that_pushes_back_too() -> None:
    hurry, asked = Hurry(), list[float]()

    @asynccontextmanager
    async def send(request: Request) -> AsyncIterator[Reply]:
        asked.append(hurry.now)
        busy = len(asked) == 1
        yield Reply(429 if busy else 200, request.url, {"Retry-After": "60"} if busy else {})

    retrying = Retrying(send, hurry.backoff(3), rate=1.0)

    async def get() -> None:
        async with retrying.send(Request("GET", "/v2/")):
            pass

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(get)

    assert len(asked) == 5
    assert min(asked[1:]) >= asked[0] + 60


async def test_answers_are_timed_but_those_with_blobs_or_from_elsewhere() -> None:
    answers = [
        Reply(200, "x"), Reply(404, "x"), Reply(200, "x"), Reply(200, "x", redirected=True),
        Reply(403, "x"),
    ]  # fmt: skip

    @asynccontextmanager
    async def send(request: Request) -> AsyncIterator[Reply]:
        yield answers.pop(0)

    watch = Watch([])
    retrying = Retrying(send, Hurry().backoff(3), watch)
    requests = [
        Request("GET", "/v2/a"), Request("HEAD", "/v2/b"),
        Request("GET", "/v2/blob", blob=True), Request("GET", "/v2/moved"),
        Request("GET", "/v2/secret"),
    ]  # fmt: skip
    for request in requests:
        async with retrying.send(request):
            pass

    assert watch.answers == ["GET /v2/a", "HEAD /v2/b"]
