"""The pairs of a run: one task for each, and one outcome however it ends."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from mirror.effort import current_effort
from mirror.engine.destination_only_tags import ExtraTags
from mirror.engine.pair_processing import PairProcessing
from mirror.engine.run_state import Run
from mirror.errors import Bug, DeadlinePassed, Denied, MirrorError, QuotaUsed
from mirror.events import AdmissionClosed, ImageSettled, Status
from mirror.mapping.grammar import parse
from mirror.mapping.wildcard import Pair
from mirror.options import Options
from tests.engine.world import World, settled

Outcome = tuple[Status, MirrorError | None]
Act = Callable[["Processing", str], Awaitable[Outcome]]


class Image:
    """A pair that has nothing to tell but how it ended."""

    def __init__(self, pair: Pair) -> None:
        self.tag = pair.source.tag or ""

    def settled(self, status: Status, error: MirrorError | None = None) -> ImageSettled:
        return ImageSettled(self.tag, "d.io/a", "f:1", status, error=error)


class Processing(PairProcessing[Image]):
    """Does with each tag what a test says."""

    def __init__(self, run: Run, act: Act) -> None:
        super().__init__(run, ExtraTags())
        self.act = act
        self.concluded = False

    def begin(self, pair: Pair) -> Image:
        return Image(pair)

    async def process(self, image: Image) -> Outcome:
        return await self.act(self, image.tag)

    async def conclude(self) -> None:
        self.concluded = True


def processed(act: Act, **options: Any) -> tuple[World, bool]:
    """Do this with six tags, four at a time; return what was told, and if it was concluded."""
    world, over = World(), list[Processing]()

    async def work(run: Run) -> None:
        over.append(Processing(run, act))
        await over[0].carry_out(parse([f"s.io/a:{number}=d.io/a" for number in range(6)]))

    world.run(work, Options(max_per_registry=1, **options))
    return world, over[0].concluded


def outcomes(world: World) -> list[str]:
    return [f"{str(one.source)[-1]} {one.status}" for one in settled(world.events)]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Denied("403"), "failed", Denied),
        (ZeroDivisionError("oops"), "failed", Bug),
        (QuotaUsed("429"), "deferred", QuotaUsed),
        (DeadlinePassed("too late"), "deferred", DeadlinePassed),
    ],
)
def test_what_a_pair_raises_is_its_outcome_and_the_others_go_on(
    error: Exception, status: str, kind: type[MirrorError]
) -> None:
    async def act(_: Processing, tag: str) -> Outcome:
        if tag == "1":
            raise error
        return Status.COPIED, None

    world, concluded = processed(act)

    assert sorted(outcomes(world)) == [
        "0 copied", f"1 {status}", *(f"{number} copied" for number in range(2, 6))
    ]  # fmt: skip
    assert [type(one.error) for one in settled(world.events) if one.error is not None] == [kind]
    assert concluded


def test_after_the_first_failure_all_else_is_deferred_even_what_fails_since_it_is_stopped() -> None:
    async def act(_: Processing, tag: str) -> Outcome:
        try:
            if tag != "1":
                await anyio.sleep_forever()
        finally:
            raise Denied("403")

    world, concluded = processed(act, fail_fast=True)

    deferred = [f"{number} deferred" for number in (0, 2, 3, 4, 5)]
    assert outcomes(world)[0] == "1 failed"
    assert (sorted(outcomes(world)[1:]), concluded) == (deferred, False)


def test_a_close_defers_what_nothing_was_moved_for_and_lets_the_rest_end() -> None:
    async def act(processing: Processing, tag: str) -> Outcome:
        if tag != "0":
            await anyio.sleep_forever()
        current_effort().begin()
        await anyio.wait_all_tasks_blocked()
        processing.close()
        await anyio.lowlevel.checkpoint()
        return Status.COPIED, None

    world, concluded = processed(act)

    assert sorted(outcomes(world)) == [
        "0 copied",
        *(f"{number} deferred" for number in range(1, 6)),
    ]
    assert world.events[-2:] == [AdmissionClosed(5), settled(world.events)[-1]]
    assert concluded
