"""The coordinator: cuts the work into units, hands them to workers, tells what comes of them.

    rules -expansion-> rules by repository -cut-> units -tracker-> work units -> workers
                                   events, each once <-tracker- news    <-

Dask runs a unit again whose worker is lost.  Nothing needs undoing: the registries know what is
there, and the second run finds it.
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from distributed import Client, Future
from distributed.protocol.pickle import loads
from distributed.scheduler import KilledWorker
from msgspec.structs import replace

from mirror.auth.keychain import Logins
from mirror.cluster import worker
from mirror.cluster.catalog_expansion import CatalogExpansion, prunes, without_pruning
from mirror.cluster.connection import connected, is_private
from mirror.cluster.limits import Share
from mirror.cluster.protocol import TOPIC, UnitNews, WorkUnit
from mirror.cluster.replies import Replies
from mirror.cluster.unit import Unit, cut
from mirror.cluster.unit_tracker import UnitTracker
from mirror.engine.dry_run import DryRunDestination, Plan
from mirror.engine.ledger import Ledger
from mirror.engine.pair_processing import PruneProcessing
from mirror.engine.run import Environment, opened, remembering
from mirror.engine.run_state import Run
from mirror.engine.task_groups import task_group
from mirror.errors import Bug, MirrorError, NetworkError, UsageError
from mirror.events import AdmissionClosed, Emit, Event, ImageSettled, Status, Traffic
from mirror.image.reference import Reference, Repository, shared
from mirror.mapping.grammar import Rule
from mirror.options import Options

# Seconds that workers have to end in good order when the run is interrupted: a run of its own
# has five, and their last news must come back.
_GRACE = 8.0
# Seconds between looks at what sends no message: workers that are gone, news that do not come.
_LOOK = 2.0
# Seconds for which there may be no worker at all: others may be starting.
_NO_WORKER_TIMEOUT = 120.0
_OPEN = (
    "Use a scheduler with TLS (tls://), or let workers find their own: in files at the usual "
    "places, or with --authfile at the same path on each of them."
)


async def carry_out(
    rules: Iterable[Rule],
    options: Options,
    emit: Emit,
    traffic: Traffic,
    logins: Logins,
    *,
    scheduler: str | None = None,
    verifying: bool = False,
) -> Plan | None:
    """Copy or verify what the rules say with the workers of a dask cluster; see `engine.run`.

    Without the address of a ``scheduler`` the cluster is this machine's cores.  Raises UsageError
    before anything is sent if there is no cluster, or if logins would cross an open connection.
    """
    ends = anyio.current_time() + options.deadline if options.deadline is not None else None
    if logins.secret and not is_private(scheduler):
        raise UsageError("these logins would go over connections without TLS", hint=_OPEN)
    with remembering(options, emit) as (ledger, emit_all):
        async with connected(scheduler) as client:
            asked = list(rules)
            catalogs = CatalogExpansion(map(without_pruning, asked), options, emit_all)
            run = _ClusterRun(
                client, options, emit_all, traffic, logins, ledger, catalogs, ends,
                verifying=verifying,
            )  # fmt: skip
            # What deletes, once all units are over: no worker knows enough for that.
            return await run.carry_out(asked if any(map(prunes, asked)) else ())


class _ClusterRun:
    """One run, from the mappings to the last event."""

    def __init__(
        self,
        client: Client,
        options: Options,
        emit: Emit,
        traffic: Traffic,
        logins: Logins,
        ledger: Ledger | None,
        catalogs: CatalogExpansion,
        ends: float | None,
        *,
        verifying: bool,
    ) -> None:
        self._name = uuid4().hex
        self._client = client
        self._options = options
        self._emit_all = emit
        self._traffic = traffic
        self._logins = logins
        self._ledger = ledger
        self._catalogs = catalogs
        self._verifying = verifying
        self._ends = ends
        self._tracker = UnitTracker(options, self._emit, traffic, over=self._over)
        self._replies = Replies(client, self._tracker, logins)
        self._not_copied: list[Reference] = []
        """What was not brought to where it belongs."""
        self._news: deque[UnitNews] = deque()
        self._ended: deque[tuple[Unit, MirrorError | None]] = deque()
        self._futures: dict[Unit, Future[None]] = {}
        """What dask says of the units under way."""
        self._changed = anyio.Event()
        self._broken: MirrorError | None = None
        """Why nothing can go on."""
        self._failed = False
        self._may_have_room = True
        """Whether a unit may have been closed, or a worker may have come."""

    async def carry_out(self, pruned: Sequence[Rule]) -> Plan | None:
        """Carry it out; however this is left, every image has an outcome.

        In the end what has left its source of the ``pruned`` rules is deleted.
        """
        self._client.subscribe_topic(TOPIC, self._hear)
        try:
            await self._find_repositories()
            await self._carry_out_units()
        finally:
            try:
                with anyio.move_on_after(_GRACE, shield=True):
                    await self._stop()
                self._listen()
            finally:
                self._tracker.give_up()
                self._client.unsubscribe_topic(TOPIC)
        if self._broken is not None:
            raise self._broken
        plan = self._tracker.plan if self._options.dry_run and not self._verifying else None
        if not self._ends_early:
            if self._catalogs.has_unmatched:
                async with self._here(writes=False) as run:
                    await self._catalogs.conclude(run)
            if pruned:
                await self._prune(pruned, plan)
        return plan

    async def _prune(self, rules: Sequence[Rule], plan: Plan | None) -> None:
        async with self._here(writes=not self._options.dry_run) as run:
            if plan is not None and isinstance(run.destination, DryRunDestination):
                run.destination.plan = plan
            await PruneProcessing(run, self._not_copied).carry_out(rules)

    @property
    def _ends_early(self) -> bool:
        return self._broken is not None or (self._failed and self._options.fail_fast)

    async def _find_repositories(self) -> None:
        """Cut the work into units, once the catalogs are read."""
        workers = len(await self._client.nthreads())
        try:
            if self._catalogs.reads:
                async with self._here(writes=False) as run:
                    with anyio.move_on_after(self._seconds_left()):
                        await self._catalogs.read(run)
        finally:
            # Also if that was cut short: of what is known by then it has to be told.
            self._catalogs.defer()
            self._tracker.begin(cut(self._catalogs.rules, max(1, workers)))

    @asynccontextmanager
    async def _here(self, *, writes: bool) -> AsyncIterator[Run]:
        """Give a run in this process, for what is not for workers."""
        environment = Environment.of(self._logins)
        options = replace(self._options, deadline=self._seconds_left())
        async with opened(
            options, self._emit_all, self._traffic, environment, writes=writes
        ) as run:
            yield run

    def _seconds_left(self) -> float | None:
        return max(0.0, self._ends - anyio.current_time()) if self._ends is not None else None

    async def _carry_out_units(self) -> None:
        async with task_group() as tasks:
            tasks.start_soon(self._replies.deliver)
            tasks.start_soon(self._watch_workers)
            if self._ends is not None:
                tasks.start_soon(self._close_at, self._ends)
            await self._carry_on(tasks)
            tasks.cancel_scope.cancel()

    async def _carry_on(self, tasks: TaskGroup) -> None:
        """Hand units out and take what comes of them, until there are none."""
        while True:
            self._listen()
            if self._ends_early:
                return
            if self._may_have_room:
                self._may_have_room = False
                await self._hand_out(tasks)
            if self._tracker.done:
                return
            await self._changed.wait()
            self._changed = anyio.Event()

    async def _hand_out(self, tasks: TaskGroup) -> None:
        """Hand out a unit for each worker that has none, within the limits."""
        workers = len(await self._client.nthreads())
        while (handed := self._tracker.hand_out(workers)) is not None:
            unit, share = handed
            key = f"mirror-{self._name}-{unit.number}-{uuid4().hex}"
            future = self._client.submit(worker.carry_out, self._work_unit(unit, share), key=key)
            self._futures[unit] = future
            tasks.start_soon(self._follow, unit, future)

    def _work_unit(self, unit: Unit, share: Share) -> WorkUnit:
        memory = self._ledger.hand_out(_destinations(unit)) if self._ledger is not None else {}
        options = replace(share.of(self._options), ledger=None, shard=None, deadline=None)
        left = self._seconds_left()
        ends = time.time() + left if left is not None else None
        return WorkUnit(
            self._name, unit.number, unit.rules, options, self._verifying, ends, memory,
            self._logins.authfile, self._logins.secret,
        )  # fmt: skip

    async def _follow(self, unit: Unit, future: "Future[None]") -> None:
        """Wait for the end of a unit, however often it has to be run."""
        error = await future.exception()
        if unit not in self._futures:
            return  # it is not wanted any more
        if error is not None:
            self._ended.append((unit, _failure(error)))
        elif future.cancelled():
            self._broken = NetworkError(
                "the scheduler has gone, or has dropped the work",
                hint="Run again when it is there: only what is left is done.",
            )
        else:
            self._ended.append((unit, None))
        del self._futures[unit]
        self._changed.set()

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take a message that some worker sent; those of other runs are not ours."""
        _, message = event
        if message["run"] == self._name:
            self._news.append(loads(message["news"]))
            self._changed.set()

    def _listen(self) -> None:
        """Take all that was heard."""
        while self._news:
            self._tracker.hear(self._news.popleft())
        while self._ended:
            unit, failure = self._ended.popleft()
            if failure is not None:
                self._tracker.failed(unit, failure)
                self._may_have_room = True
            else:
                self._tracker.finished(unit, anyio.current_time())
        self._may_have_room |= self._tracker.close(anyio.current_time())
        self._replies.collect()

    async def _watch_workers(self) -> None:
        """Look from time to time whether there are workers."""
        last_seen = anyio.current_time()
        while True:
            await anyio.sleep(_LOOK)
            workers = await self._client.nthreads()
            self._tracker.present(workers)
            if workers:
                last_seen = anyio.current_time()
            elif anyio.current_time() - last_seen > _NO_WORKER_TIMEOUT:
                self._broken = NetworkError(
                    f"there has been no worker for {_NO_WORKER_TIMEOUT:.0f} s",
                    hint="Start workers and run again: only what is left is done.",
                )
            self._may_have_room = True
            self._changed.set()

    async def _close_at(self, moment: float) -> None:
        """Hand nothing out from then on; the workers know by themselves when that is."""
        await anyio.sleep_until(moment)
        self._emit_all(AdmissionClosed(self._tracker.defer()))
        self._changed.set()

    async def _stop(self) -> None:
        """End in good order what is under way, and take what comes of it."""
        if not self._futures:
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(self._client.run, worker.stop, self._name, on_error="ignore"))
            for unit, future in self._futures.items():
                tasks.start_soon(self._follow, unit, future)
            self._listen()
            while self._tracker.under_way and self._broken is None:
                await self._changed.wait()
                self._changed = anyio.Event()
                self._listen()
            tasks.cancel_scope.cancel()

    def _emit(self, event: Event) -> None:
        if isinstance(event, ImageSettled):
            self._failed = self._failed or event.status is Status.FAILED
            not_copied = event.status in (Status.FAILED, Status.DEFERRED)
            if not_copied and isinstance(event.destination, Reference):
                self._not_copied.append(event.destination)
            self._catalogs.settled(event)
        self._emit_all(event)

    def _over(self, unit: Unit) -> None:
        """Note that every event of a unit was emitted."""
        # Dask may not have heard of it, from a worker that was lost since, and do it again.
        if (future := self._futures.pop(unit, None)) is not None:
            future.release()
        if self._ledger is not None:
            self._ledger.give_back(_destinations(unit))


def _failure(error: BaseException) -> MirrorError:
    """Return why a unit could not be carried out."""
    if isinstance(error, MirrorError):
        return error
    if isinstance(error, KilledWorker):
        return NetworkError(
            f"{error.allowed_failures + 1} workers were lost one after the other that did this",
            hint="Their own logs say more; too little memory ends workers.",
        )
    return Bug.of(error)


def _destinations(unit: Unit) -> set[Repository]:
    return {shared(rule.target.registry, rule.target.path) for rule in unit.rules}
