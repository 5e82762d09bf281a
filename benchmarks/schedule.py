"""100,000 tasks over two registries through the schedule, no event loop."""

import gc
import time
from collections.abc import Iterator

from benchmarks.results import Finding
from mirror.engine.schedule import Schedule
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Registry, Repository
from mirror.plan.task import CopyBlob, FindBlob, Task

_TASKS = 100_000


def findings(_: int) -> Iterator[Finding]:
    """Measure what deciding costs."""
    source, target = Registry("s.example.com"), Registry("d.example.com")
    tasks: list[Task] = []
    for number in range(_TASKS // 2):
        blob = Descriptor(Digest.of(str(number).encode()), number)
        here = Repository(target, f"team/app{number % 50}")
        tasks += [CopyBlob(Repository(source, "team/app"), here, blob), FindBlob(here, blob)]
    schedule = Schedule(per_registry=16)
    gc.freeze()  # as a run does, so that the collector does not look at the modules again
    began = time.perf_counter()
    schedule.add(tasks)
    done = 0
    while started := schedule.start():
        for task in started:
            schedule.finish(task, succeeded=True)
            done += 1
    elapsed = time.perf_counter() - began
    gc.unfreeze()
    yield Finding(
        "schedule", f"{done:,} tasks through the schedule", [], [],
        [f"{elapsed:.2f} s, {elapsed / done * 1e6:.1f} us each"],
    )  # fmt: skip
