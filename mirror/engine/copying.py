"""A whole copy: from mappings to outcomes, over registries that are opened and closed here."""

from collections.abc import Iterable

from mirror.engine.perform import Performer
from mirror.engine.run import run
from mirror.engine.schedule import Schedule
from mirror.events import Tell, Traffic
from mirror.mapping.grammar import Rule
from mirror.options import Options
from mirror.plan.planner import Planner
from mirror.plan.summary import Summary
from mirror.registry.registries import Registries


async def copy(
    rules: Iterable[Rule], options: Options, tell: Tell, traffic: Traffic
) -> Summary | None:
    """Copy what the rules say, and tell every step; return the plan of a dry run.

    Every image is told of exactly once, also when this is cancelled.
    """
    summary = Summary() if options.dry_run else None
    planner = Planner(rules, options)
    schedule = Schedule(per_registry=options.max_per_registry, registries=options.max_registry)
    async with Registries(options, tell) as registries:
        performer = Performer(registries, tell, traffic, summary)
        await run(planner, schedule, performer.perform, tell, fail_fast=options.fail_fast)
    return summary
