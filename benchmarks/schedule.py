"""100,000 requests over two registries through the schedule, no event loop."""

import gc
import time
from collections.abc import Iterator

from benchmarks.results import Finding
from mirror.engine.schedule import Rank, Schedule, Turn
from mirror.image.digest import Digest
from mirror.image.reference import Registry

_OTHER_WAYS_LIMIT = 100_000


def findings(_: int) -> Iterator[Finding]:
    """Measure what deciding costs."""
    source, target = Registry("s.example.com"), Registry("d.example.com")
    both = tuple(sorted((source, target)))
    turns: list[Turn] = []
    for number in range(_OTHER_WAYS_LIMIT // 2):
        content = Digest.of(str(number).encode()).hex
        turns += [Turn(Rank.COPY, both, number + 1, content), Turn(Rank.FIND, (target,))]
    schedule = Schedule(per_registry=16)
    gc.freeze()  # as a run does, so that the collector does not look at the modules again
    began = time.perf_counter()
    for turn in turns:
        schedule.add(turn)
    done = 0
    while started := schedule.start():
        for turn in started:
            schedule.finish(turn, succeeded=True)
            done += 1
    elapsed = time.perf_counter() - began
    gc.unfreeze()
    yield Finding(
        "schedule", f"{done:,} requests through the schedule", [], [],
        [f"{elapsed:.2f} s, {elapsed / done * 1e6:.1f} us each"],
    )  # fmt: skip
