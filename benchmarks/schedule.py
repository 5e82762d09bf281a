"""100,000 tasks over two registries through the schedule, no event loop."""

import time

from mirror.engine.schedule import Schedule
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Registry, Repository
from mirror.plan.task import CopyBlob, FindBlob, Task

_TASKS = 100_000


def line() -> str:
    """Measure, and say it in a line."""
    source, target = Registry("s.example.com"), Registry("d.example.com")
    tasks: list[Task] = []
    for number in range(_TASKS // 2):
        blob = Descriptor(Digest.of(str(number).encode()), number)
        here = Repository(target, f"team/app{number % 50}")
        tasks += [CopyBlob(Repository(source, "team/app"), here, blob), FindBlob(here, blob)]
    schedule = Schedule(per_registry=16)
    began = time.perf_counter()
    schedule.add(tasks)
    done = 0
    while started := schedule.start():
        for task in started:
            schedule.finish(task, succeeded=True)
            done += 1
    elapsed = time.perf_counter() - began
    return f"schedule: {done:,} tasks in {elapsed:.2f} s, {elapsed / done * 1e6:.1f} us each"
