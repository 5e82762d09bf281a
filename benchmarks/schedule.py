"""100,000 requests over two registries through the schedule, no event loop."""

import gc
import time
from collections.abc import Iterator

from benchmarks.results import Finding
from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.lanes import Priority, SlotRequest
from mirror.engine.schedule import Schedule
from mirror.image.digest import Digest
from mirror.image.reference import Registry

_REQUESTS = 100_000


def findings(_: int) -> Iterator[Finding]:
    """Measure what deciding costs."""
    source, target = Registry("s.example.com"), Registry("d.example.com")
    both = tuple(sorted((source, target)))
    requests: list[SlotRequest] = []
    for number in range(_REQUESTS // 2):
        content = Digest.of(str(number).encode()).hex
        requests += [
            SlotRequest(Priority.COPY, both, number + 1, content),
            SlotRequest(Priority.FIND, (target,)),
        ]
    schedule = Schedule(lambda _: HostLimit(128))
    gc.freeze()  # as a run does, so that the collector does not look at the modules again
    began = time.perf_counter()
    for request in requests:
        schedule.add(request)
    done = 0
    while started := schedule.start():
        for request in started:
            schedule.finish(request, 0.1, 0.0)
            done += 1
    elapsed = time.perf_counter() - began
    gc.unfreeze()
    yield Finding(
        "schedule", f"{done:,} requests through the schedule", [], [],
        [f"{elapsed:.2f} s, {elapsed / done * 1e6:.1f} us each"],
    )  # fmt: skip
