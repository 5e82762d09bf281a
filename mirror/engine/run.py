"""A whole run, top to bottom: mappings become pairs, pairs are copied or verified, tags pruned."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

from anyio.abc import TaskGroup

from mirror.auth.keychain import Keychain
from mirror.engine.blob_transfer import Transfers
from mirror.engine.concurrency import task_group
from mirror.engine.dry_run import DryRunDestination, Plan
from mirror.engine.ledger import Ledger, Recall, nothing
from mirror.engine.pair_processing import CopyProcessing, VerifyProcessing
from mirror.engine.repository_access import Clients, Destination, Source
from mirror.engine.run_state import Peers, Run
from mirror.engine.schedule import Schedule
from mirror.engine.slots import Slots
from mirror.events import Emit, Event, PushedBack, Traffic
from mirror.image.reference import Registry
from mirror.mapping.grammar import Rule
from mirror.options import Options
from mirror.registry.backoff import Backoff
from mirror.registry.clients import RegistryClients
from mirror.wire.proxy import Proxies


async def copy(
    rules: Iterable[Rule],
    options: Options,
    emit: Emit,
    traffic: Traffic,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
    backoff: Backoff | None = None,
    *,
    recall: Recall = nothing,
    peers: Peers | None = None,
) -> Plan | None:
    """Copy what the rules say, and emit every step; return the plan of a dry run.

    Without a keychain everything is asked for without a login; without a
    ``backoff`` failures are waited out by the clock on the wall.  Every image is
    settled exactly once, also when this is cancelled.  What is remembered is as the
    ledger says that the options name, or else as ``recall`` does.
    """
    with remembering(options, emit) as (ledger, emit_all):
        async with opened(
            options, emit_all, traffic, keychain, proxies, backoff,
            recall=ledger.recall if ledger is not None else recall, peers=peers,
        ) as run:  # fmt: skip
            await CopyProcessing(run).carry_out(rules)
            return plan_of(run)


async def verify(
    rules: Iterable[Rule],
    options: Options,
    emit: Emit,
    traffic: Traffic,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
    backoff: Backoff | None = None,
    *,
    peers: Peers | None = None,
) -> None:
    """Compare both sides of what the rules say, repair what is missing if asked; see `copy`."""
    writes = options.repair and not options.dry_run
    with remembering(options, emit) as (_, emit_all):
        async with opened(
            options, emit_all, traffic, keychain, proxies, backoff, writes=writes,
            peers=peers,
        ) as run:  # fmt: skip
            await VerifyProcessing(run).carry_out(rules)


def plan_of(run: Run) -> Plan | None:
    """Return what a run would have written; None if it was written."""
    return run.destination.plan if isinstance(run.destination, DryRunDestination) else None


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
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
    backoff: Backoff | None = None,
    *,
    recall: Recall = nothing,
    peers: Peers | None = None,
    writes: bool = True,
) -> AsyncIterator[Run]:
    """Give a run, over registries that are opened and closed here.

    At destinations it logs in to read only, unless it ``writes``.
    """
    limits = {Registry(host): options.limit_at(host) for host in options.registries}
    slots = Slots(
        Schedule(
            per_registry=options.max_per_registry, registries=options.max_registry, limits=limits
        )
    )

    def watch(event: Event) -> None:
        if isinstance(event, PushedBack):
            slots.push_back(event.registry)
        emit(event)

    async with (
        RegistryClients(
            options, watch, keychain or Keychain(), proxies, backoff, slots, writes=writes
        ) as registries,
        task_group() as tasks,
    ):
        yield made(options, emit, traffic, registries, slots, registries.backoff, tasks,
                   recall=recall, peers=peers)  # fmt: skip
        tasks.cancel_scope.cancel()


def made(
    options: Options,
    emit: Emit,
    traffic: Traffic,
    clients: Clients,
    slots: Slots,
    backoff: Backoff,
    tasks: TaskGroup,
    *,
    recall: Recall = nothing,
    peers: Peers | None = None,
) -> Run:
    """Return a run over these clients; what several images wait for is a task of the group."""
    transfers = Transfers(options.timeouts, backoff, traffic, options.limit_rate)
    source = Source(clients, slots, backoff)
    kind = DryRunDestination if options.dry_run else Destination
    destination = kind(clients, slots, transfers, emit)
    return Run(options, emit, clients, slots, source, destination, backoff, recall, tasks,
               peers=peers if destination.writes else None)  # fmt: skip
