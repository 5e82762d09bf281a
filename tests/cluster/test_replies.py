"""Answers on their way: logins to who waits for them, and none held up by a worker that is gone."""

from functools import partial
from itertools import count

import anyio
import pytest

from mirror.cluster.protocol import CoordinatorReply, UnitNews
from mirror.cluster.replies import Replies
from mirror.cluster.unit import Unit
from mirror.cluster.unit_tracker import UnitTracker
from mirror.demo.images import layer
from mirror.demo.server import EmbeddedRegistry
from mirror.events import Traffic
from mirror.mapping.grammar import parse
from mirror.options import Options
from tests.cluster import test_worker
from tests.cluster.test_worker import LOGINS, Coordinator

scheduler = test_worker.scheduler


def _is(number: int, news: UnitNews) -> bool:
    return news.number == number


@pytest.mark.parametrize("gone", [False, True])
async def test_a_unit_that_waits_gets_logins_and_answers_each_once(
    source: EmbeddedRegistry, target: EmbeddedRegistry, scheduler: str, gone: bool
) -> None:
    coordinator = Coordinator(source, target, scheduler)
    tracker = UnitTracker(Options(), print, Traffic(), over=print)
    tracker.begin([Unit(7, parse(["s.io/a:1=d.io/a"]))])
    tracker.hand_out(1)
    async with coordinator.carrying_out(layer("x", 256 * 1024), asks_for_logins=True):
        replies = Replies(coordinator.client, tracker, LOGINS)
        (address,) = await coordinator.client.nthreads()
        if gone:
            tracker.wants_logins.append((f"{address}0", "one"))
            tracker.replies[f"{address}0"] = {"two": CoordinatorReply("two")}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(replies.deliver)
            for number in count():
                news = await coordinator.heard(partial(_is, number))
                tracker.hear(news)
                replies.collect()
                if news.last:
                    break
            with anyio.fail_after(20):
                await anyio.wait_all_tasks_blocked()  # with nothing to send it waits
            tasks.cancel_scope.cancel()

    assert coordinator.statuses() == ["copied"]
    assert (tracker.wants_logins, tracker.replies) == ([], {})
