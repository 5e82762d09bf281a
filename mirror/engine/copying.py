"""A whole run: from mappings to outcomes, over registries that are opened and closed here."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import anyio

from mirror.auth.keychain import Keychain
from mirror.engine.ledger import Ledger
from mirror.engine.neighbours import Neighbours
from mirror.engine.perform import Performer
from mirror.engine.run import Decider, run
from mirror.engine.schedule import Schedule
from mirror.errors import Side
from mirror.events import CopyForeseen, Event, PushedBack, Tell, Traffic
from mirror.image.reference import Registry
from mirror.mapping.grammar import Rule
from mirror.options import Options
from mirror.plan.audit import Audit
from mirror.plan.memory import Recall, nothing
from mirror.plan.planner import Planner
from mirror.plan.summary import Summary
from mirror.registry.patience import Patience
from mirror.registry.registries import Registries
from mirror.wire.proxy import Proxies


async def copy(
    rules: Iterable[Rule],
    options: Options,
    tell: Tell,
    traffic: Traffic,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
    patience: Patience | None = None,
    *,
    recall: Recall = nothing,
    neighbours: Neighbours | None = None,
) -> Summary | None:
    """Copy what the rules say, and tell every step; return the plan of a dry run.

    Without a keychain everything is done as nobody in particular; without a
    ``patience`` failures are waited out by the clock on the wall.  Every image is
    told of exactly once, also when this is cancelled.  What is remembered is as the
    ledger says that the options name, or else as ``recall`` does.
    """
    summary = Summary() if options.dry_run else None
    with remembering(options, tell) as (ledger, tell_all):
        planner = Planner(rules, options, ledger.recall if ledger is not None else recall)
        await carry_out(
            planner, options, tell_all, traffic, keychain or Keychain(), proxies, patience,
            summary, neighbours,
        )  # fmt: skip
    return summary


async def verify(
    rules: Iterable[Rule],
    options: Options,
    tell: Tell,
    traffic: Traffic,
    keychain: Keychain | None = None,
    proxies: Proxies | None = None,
    patience: Patience | None = None,
) -> None:
    """Compare both sides of what the rules say, repair what is missing if asked; see `copy`."""
    audit = Audit(rules, options)
    with remembering(options, tell) as (_, tell_all):
        await carry_out(
            audit, options, tell_all, traffic, keychain or Keychain(), proxies, patience,
            writes=options.repair and not options.dry_run,
        )  # fmt: skip


@contextmanager
def remembering(options: Options, tell: Tell) -> Iterator[tuple[Ledger | None, Tell]]:
    """Give the ledger that the options name, and a ``tell`` from which it learns."""
    if options.ledger is None:
        yield None, tell
        return
    with Ledger(options.ledger, recheck=options.recheck) as ledger:

        def tell_both(event: Event) -> None:
            ledger.take(event)
            tell(event)

        yield ledger, tell_both


async def carry_out(
    decider: Decider,
    options: Options,
    tell: Tell,
    traffic: Traffic,
    keychain: Keychain,
    proxies: Proxies | None,
    patience: Patience | None,
    summary: Summary | None = None,
    neighbours: Neighbours | None = None,
    *,
    writes: bool = True,
) -> None:
    """Carry out what is decided, over registries that are opened and closed here.

    With a ``summary`` what would change something is only counted there.
    """
    schedule = Schedule(
        per_registry=options.max_per_registry,
        registries=options.max_registry,
        limits={Registry(host): options.limit_at(host) for host in options.registries},
    )

    def take(event: Event) -> None:
        if isinstance(event, PushedBack):
            schedule.push_back(event.registry, anyio.current_time())
        tell(event)

    def tell_plan(event: Event) -> None:
        if isinstance(event, CopyForeseen):
            registries.foresee(event.source, Side.SOURCE, event.requests)
            registries.foresee(event.destination, Side.DESTINATION, event.requests)
        tell(event)

    async with Registries(
        options, take, keychain, proxies, patience, schedule, writes=writes
    ) as registries:
        performer = Performer(registries, options, tell, traffic, summary, neighbours)
        await run(
            decider,
            schedule,
            performer.perform,
            tell_plan,
            fail_fast=options.fail_fast,
            deadline=options.deadline,
            hasten=registries.hasten,
        )
