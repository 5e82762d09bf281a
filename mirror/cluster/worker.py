"""A worker: carries out units one after the other, and tells what comes of them as it goes.

A work unit runs in a thread of dask's, in an event loop of its own.  What the coordinator says
meanwhile comes in the worker's own loop, and is passed on to the unit's.
"""

import gc
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from uuid import uuid4

import anyio
from anyio.from_thread import BlockingPortal
from distributed import Status, Worker, get_worker
from msgspec.structs import replace

from mirror.auth.keychain import Logins
from mirror.cluster.claims import Blob
from mirror.cluster.protocol import TOPIC, CoordinatorReply, UnitNews, WorkUnit, packed
from mirror.engine.dry_run import Plan
from mirror.engine.ledger import Remembered
from mirror.engine.loop import run
from mirror.engine.run import Environment, copy, verify
from mirror.engine.task_groups import background
from mirror.errors import MirrorError, NetworkError
from mirror.events import BlobLanded, BlobStopped, Event, RequestSent, Traffic
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference, Registry, Repository
from mirror.options import COLLECTIONS

# Seconds between news: as often as a person looks.
_BETWEEN_NEWS = 0.2
# Events of one piece of news, at most.
_EVENTS = 500
# Bytes of a blob for which it is worth asking whether another worker copies it: to ask takes as
# long as to upload these, about.
_WORTH_ASKING = 128 * 1024
# Seconds in which logins must come that were promised.
_LOGINS_TIMEOUT = 60.0

# Without its scheduler a worker closes.
_AT_WORK = (Status.running, Status.paused, Status.closing_gracefully)

_active_units: dict[str, "ActiveUnit"] = {}
"""The units that are carried out in this process, by their attempts."""


def carry_out(work_unit: WorkUnit) -> None:
    """Carry a work unit out; what comes of it is in the news."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTIONS)
    try:
        run(partial(_carry_out, work_unit, get_worker()), only=False)
    finally:
        gc.set_threshold(*before)


def stop(run: str) -> None:
    """End in good order what is under way of a run."""
    for active_unit in list(_active_units.values()):
        if active_unit.work_unit.run == run:
            with suppress(RuntimeError):  # it has ended by itself just now
                active_unit.stop()


def hear(reply: CoordinatorReply) -> None:
    """Pass on what the coordinator says."""
    if (active_unit := _active_units.get(reply.attempt)) is not None:
        with suppress(RuntimeError):  # it has ended by itself just now
            active_unit.hear(reply)


async def _carry_out(work_unit: WorkUnit, worker: Worker) -> None:
    async with BlockingPortal() as portal:
        active_unit = ActiveUnit(work_unit, worker, portal)
        _active_units[active_unit.attempt] = active_unit
        try:
            await active_unit.work()
        finally:
            del _active_units[active_unit.attempt]


class ActiveUnit:
    """One unit as it is carried out, in the event loop of a ``portal``."""

    def __init__(self, work_unit: WorkUnit, worker: Worker, portal: BlockingPortal) -> None:
        self.work_unit = work_unit
        self.attempt = uuid4().hex
        self._worker = worker
        self._key = worker.get_current_task()
        self._portal = portal
        self._scope = anyio.CancelScope()
        self._sent = 0
        self._traffic = Traffic()
        self._told = 0
        """Bytes that were reported."""
        self._events: list[Event] = []
        self._requests: Counter[tuple[str, str]] = Counter()
        self._asks: list[Blob] = []
        self._answers: dict[Blob, tuple[anyio.Event, list[Repository | None]]] = {}
        self._logins: Logins | None = None
        self._logins_came = anyio.Event()

    async def work(self) -> None:
        """Carry it out, from the first news to the last."""
        plan, failure = None, None
        with self._scope:
            try:
                async with background(self._report):
                    plan = await self._carry_out()
            except MirrorError as error:
                failure = error
        self._send(last=True, plan=plan, failure=failure)

    def stop(self) -> None:
        """End it in good order; may be called from any thread."""
        self._portal.start_task_soon(self._scope.cancel)

    def hear(self, reply: CoordinatorReply) -> None:
        """Take what the coordinator says; may be called from any thread."""
        self._portal.start_task_soon(self._hear, reply)

    async def claim(self, registry: Registry, blob: Descriptor) -> Repository | None:
        """See `mirror.engine.run_state.Peers`."""
        if blob.size < _WORTH_ASKING:
            return None
        key = registry, blob.digest
        came, homes = self._answers[key] = anyio.Event(), []
        self._asks.append(key)
        self._send()
        await came.wait()
        return homes[0]

    async def _carry_out(self) -> Plan | None:
        work_unit = self.work_unit
        self._send(needs_logins=work_unit.asks_for_logins)
        environment = Environment.of(await self._given(), recall=self._recall, peers=self)
        left = max(0.0, work_unit.ends - time.time()) if work_unit.ends is not None else None
        options = replace(work_unit.options, deadline=left)
        told = work_unit.rules, options, self._emit, self._traffic
        if work_unit.verifying:
            await verify(*told, environment)
            return None
        return await copy(*told, environment)

    async def _given(self) -> Logins:
        """Return the logins: what the options name here, and what was given elsewhere."""
        own = Logins(authfile=self.work_unit.authfile)
        if not self.work_unit.asks_for_logins:
            return own
        with anyio.move_on_after(_LOGINS_TIMEOUT):
            await self._logins_came.wait()
        if self._logins is None:
            raise NetworkError(
                f"no logins came in {_LOGINS_TIMEOUT:.0f} s",
                hint="The connection between scheduler and workers is slow or broken; run again.",
            )
        return replace(self._logins, authfile=own.authfile)

    def _recall(self, destination: Reference, wanted: str) -> Remembered | None:
        return self.work_unit.memory.get((str(destination), wanted))

    def _emit(self, event: Event) -> None:
        if isinstance(event, RequestSent):
            self._requests[event.host, event.method] += 1
            return
        self._events.append(event)
        # Another worker may wait for a blob.
        awaited = isinstance(event, BlobStopped) or (
            isinstance(event, BlobLanded) and event.size >= _WORTH_ASKING
        )
        if awaited or len(self._events) >= _EVENTS:
            self._send()

    async def _report(self) -> None:
        """Send news as they come; end the work if it is not wanted any more."""
        while True:
            await anyio.sleep(_BETWEEN_NEWS)
            if self._events or self._requests or self._traffic.moved > self._told:
                self._send()
            if not self._is_wanted():
                self._scope.cancel()

    def _is_wanted(self) -> bool:
        """Whether the coordinator still waits for this; a killed run lets go of its tasks."""
        task = self._worker.state.tasks.get(self._key)
        released = task is None or task.state in ("cancelled", "released", "forgotten")
        return not released and self._worker.status in _AT_WORK

    def _send(
        self,
        *,
        needs_logins: bool = False,
        last: bool = False,
        plan: Plan | None = None,
        failure: MirrorError | None = None,
    ) -> None:
        moved = self._traffic.moved
        news = UnitNews(
            self.work_unit.unit, self.attempt, self._worker.address, self._sent,
            tuple(self._events), dict(self._requests), moved - self._told, tuple(self._asks),
            needs_logins, last, plan, failure,
        )  # fmt: skip
        self._events, self._requests, self._asks, self._told = [], Counter(), [], moved
        self._sent += 1
        self._worker.log_event(TOPIC, {"run": self.work_unit.run, "news": packed(news)})

    def _hear(self, reply: CoordinatorReply) -> None:
        if reply.logins is not None:
            self._logins = reply.logins
            self._logins_came.set()
        for answer in reply.answers:
            if (waiting := self._answers.pop(answer.blob, None)) is not None:
                came, homes = waiting
                homes.append(answer.home)
                came.set()
