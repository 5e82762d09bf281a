"""A whole run, top to bottom: mappings become pairs, pairs are copied or verified, tags pruned."""

import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from mirror.auth.keychain import Keychain, Logins
from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.blob_transfer import Transfers
from mirror.engine.dry_run import DryRunDestination, Plan
from mirror.engine.ledger import Ledger, Recall, nothing
from mirror.engine.pair_processing import CopyProcessing, VerifyProcessing
from mirror.engine.repository_access import Destination, Source
from mirror.engine.run_state import Peers, Run
from mirror.engine.schedule import Schedule
from mirror.engine.slots import Slots
from mirror.engine.task_groups import task_group
from mirror.events import Emit, Event, HostThrottled, LevelReached, Traffic
from mirror.image.reference import Registry
from mirror.mapping.grammar import Rule
from mirror.options import Options
from mirror.registry.backoff import Backoff
from mirror.registry.clients import RegistryClients
from mirror.wire.proxy import Proxies


class Environment(Struct, frozen=True):
    """What a run is given besides what it was asked for."""

    keychain: Keychain | None = None
    """Its logins; by default it has none."""
    proxies: Proxies | None = None
    backoff: Backoff | None = None
    """How failures are waited out; by default by the clock on the wall, as the options say."""
    recall: Recall = nothing
    """What is remembered of destinations, where the options name no ledger."""
    peers: Peers | None = None

    @classmethod
    def of(cls, logins: Logins, **more: Any) -> Self:
        """Return that of this process: these logins, or those found in the usual places."""
        return cls(Keychain.of(logins, os.environ), Proxies.parse(os.environ), **more)


_PLAIN = Environment()


async def copy(
    rules: Iterable[Rule],
    options: Options,
    emit: Emit,
    traffic: Traffic,
    environment: Environment = _PLAIN,
) -> Plan | None:
    """Copy what the rules say, and emit every step; return the plan of a dry run.

    Every image is settled exactly once, also when this is cancelled.
    """
    with remembering(options, emit) as (ledger, emit_all):
        if ledger is not None:
            environment = replace(environment, recall=ledger.recall)
        async with opened(options, emit_all, traffic, environment) as run:
            await CopyProcessing(run).carry_out(rules)
            return plan_of(run)


async def verify(
    rules: Iterable[Rule],
    options: Options,
    emit: Emit,
    traffic: Traffic,
    environment: Environment = _PLAIN,
) -> None:
    """Compare both sides of what the rules say, repair what is missing if asked; see `copy`."""
    writes = options.repair and not options.dry_run
    with remembering(options, emit) as (_, emit_all):
        async with opened(options, emit_all, traffic, environment, writes=writes) as run:
            await VerifyProcessing(run).carry_out(rules)


def plan_of(run: Run) -> Plan | None:
    """Return what a run would have written; None if it was written."""
    return run.destination.plan if isinstance(run.destination, DryRunDestination) else None


def _level(registry: Registry, limit: HostLimit) -> LevelReached:
    requests, bodies = limit.requests, limit.bodies
    return LevelReached(
        registry.host, requests.size, str(requests.reason), bodies.size, str(bodies.reason)
    )


@contextmanager
def remembering(options: Options, emit: Emit) -> Iterator[tuple[Ledger | None, Emit]]:
    """Give the ledger that the options name, and an ``emit`` from which it learns."""
    if options.ledger is None:
        yield None, emit
        return
    with Ledger(options.ledger, recheck=options.recheck) as ledger:

        def emit_to_both(event: Event) -> None:
            ledger.take(event)
            emit(event)

        yield ledger, emit_to_both


@asynccontextmanager
async def opened(
    options: Options,
    emit: Emit,
    traffic: Traffic,
    environment: Environment = _PLAIN,
    *,
    writes: bool = True,
) -> AsyncIterator[Run]:
    """Give a run, over registries that are opened and closed here.

    At destinations it logs in to read only, unless it ``writes``.
    """
    limit = partial(HostLimit.of, options=options)
    slots = Slots(Schedule(limit, registries=options.max_registry))

    def watch(event: Event) -> None:
        if isinstance(event, HostThrottled):
            slots.refuse(event.registry)
        emit(event)

    async with (
        RegistryClients(
            options, watch, environment.keychain or Keychain(), environment.proxies,
            environment.backoff, slots, writes=writes,
        ) as clients,
        task_group() as tasks,
    ):  # fmt: skip
        backoff = clients.backoff
        transfers = Transfers(options.timeouts, backoff, traffic, options.limit_rate)
        source = Source(clients, slots, backoff)
        kind = DryRunDestination if options.dry_run else Destination
        destination = kind(clients, slots, transfers, emit)
        yield Run(
            options, emit, clients, slots, source, destination, backoff, environment.recall, tasks,
            peers=environment.peers if destination.writes else None,
        )  # fmt: skip
        tasks.cancel_scope.cancel()
        for registry, reached in slots.limits.items():
            if not registry.is_local:
                emit(_level(registry, reached))
