"""A whole run by the workers of a cluster, with its scheduler and workers in this process."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from distributed import LocalCluster

from mirror.auth.credential import Credential
from mirror.auth.keychain import Logins
from mirror.cluster.coordinator import carry_out
from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.dry_run import Plan
from mirror.errors import UsageError
from mirror.events import AdmissionClosed, Event, Status, Traffic
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.rule_options import Prune, RuleOptions
from mirror.options import Options
from mirror.place import Side
from mirror.report.result import Result
from mirror.shard import Shard
from tests.conftest import Copy

REPOSITORIES = 8
TAGS = ("1.0", "1.1")
EVERYTHING = "S/team/*=T/m/*"


class DownloadParallelism(Result):
    """What a run by many came to."""

    plan: Plan | None = None
    closed: int | None = None


Run = Callable[..., Awaitable[DownloadParallelism]]


@pytest.fixture
async def scheduler() -> AsyncIterator[str]:
    """The address of a cluster of two workers."""
    async with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None,
        memory_limit=0, silence_logs=logging.CRITICAL, asynchronous=True,
    ) as cluster:  # fmt: skip
        yield str(cluster.scheduler_address)


@pytest.fixture
def cluster_run(source: EmbeddedRegistry, target: EmbeddedRegistry, scheduler: str) -> Run:
    """Copy by the lines given, in which S and T stand for the two registries."""

    async def run(
        *lines: str, rule_options: RuleOptions | None = None, verifying: bool = False,
        logins: Logins | None = None, result: DownloadParallelism | None = None, **options: Any,
    ) -> DownloadParallelism:  # fmt: skip
        text = "\n".join(lines).replace("S/", f"{source.host}/").replace("T/", f"{target.host}/")
        mappings = Mappings()
        mappings.document(Document("test", text.encode()), rule_options)
        assert not mappings.problems
        result = result or DownloadParallelism(datetime.now(UTC))

        def emit(event: Event) -> None:
            result.take(event)
            if isinstance(event, AdmissionClosed):
                result.closed = event.deferred

        result.plan = await carry_out(
            mappings.rules, Options(**{"retries": 0, **options}), emit, Traffic(),
            logins or Logins(), scheduler=scheduler, verifying=verifying,
        )  # fmt: skip
        return result

    return run


def image(registry: EmbeddedRegistry, name: str, tag: str, *layers: Blob) -> None:
    """Put an image with a configuration of its own."""
    put(registry.store, name, Blob(f"{name}:{tag}".encode(), CONFIG), layers, tag=tag)


def fill(source: EmbeddedRegistry) -> None:
    """Put repositories there with a layer that all have, and one of their own."""
    base = layer("base", 400_000)
    for number in range(REPOSITORIES):
        name = f"team/app-{number}"
        for tag in TAGS:
            image(source, name, tag, base, layer(f"{name}{tag}", 500))


def came_to(result: Result) -> Counter[tuple[str, Status]]:
    return Counter((str(one.destination).partition("/")[2], one.status) for one in result.images)


def whole(status: Status) -> Counter[tuple[str, Status]]:
    return Counter((f"m/app-{n}:{tag}", status) for n in range(REPOSITORIES) for tag in TAGS)


def writes(registry: EmbeddedRegistry) -> list[str]:
    return [one.path for one in registry.log if one.method not in ("GET", "HEAD")]


async def test_everything_is_copied_and_told_once(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    result = await cluster_run(EVERYTHING)

    assert came_to(result) == whole(Status.COPIED)
    assert all(target.store.tags(f"m/app-{n}") == source.store.tags(f"team/app-{n}")
               for n in range(REPOSITORIES))  # fmt: skip
    for registry in (source, target):
        pings = sum(one.path == "/v2/" for one in registry.log)
        # Before each ping https is tried, which nobody hears.
        assert result.requests[registry.host] == len(registry.log) + pings


async def test_a_layer_that_all_have_is_uploaded_once_and_mounted_elsewhere(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    await cluster_run(EVERYTHING)
    base = layer("base", 400_000).descriptor["digest"]
    reads = [one for one in source.log if one.method == "GET" and str(base) in one.path]
    mounts = [path for path in writes(target) if f"mount={base}" in path.replace("%3A", ":")]

    assert len(reads) == 1
    assert len(mounts) >= REPOSITORIES - 1


async def test_what_is_there_costs_two_requests_for_each_tag(
    cluster_run: Run, mirrored: Copy, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    await mirrored(EVERYTHING)
    source.log.clear()
    target.log.clear()
    result = await cluster_run(EVERYTHING)

    assert came_to(result) == whole(Status.UNCHANGED)
    assert writes(target) == []
    heads = Counter(one.method for one in source.log + target.log if "/manifests/" in one.path)
    assert heads == {"HEAD": 2 * REPOSITORIES * len(TAGS)}
    lists = [one.path for one in source.log if "/tags/list" in one.path or "_catalog" in one.path]
    assert len(lists) == len(set(lists)) == REPOSITORIES + 1


async def test_a_dry_run_plans_the_whole_and_changes_nothing(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    result = await cluster_run(EVERYTHING, dry_run=True)

    assert came_to(result) == whole(Status.PLANNED)
    assert writes(target) == []
    assert result.plan is not None
    assert result.plan.registries[target.host].manifests == REPOSITORIES * len(TAGS)


async def test_a_verification_finds_what_is_missing_and_brings_it(
    cluster_run: Run, mirrored: Copy, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    await mirrored(EVERYTHING)
    target.store.delete_manifest("m/app-3", "1.1")
    found = await cluster_run(EVERYTHING, verifying=True)
    repaired = await cluster_run(EVERYTHING, verifying=True, repair=True)

    assert [str(one.destination).partition("/")[2] for one in found.failures] == ["m/app-3:1.1"]
    assert repaired.statuses == {Status.UNCHANGED: 15, Status.COPIED: 1}


async def test_what_fails_is_told_and_stops_nothing_else(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    target.faults.append(Fault("PUT", "/m/app-3/manifests/1.1", status=403, times=9))
    result = await cluster_run(
        EVERYTHING, "S/none:1=T/none", "S/nil/*=T/nil/*", "S/team/*:v*=T/v/*"
    )

    failed = {str(one.destination).partition("/")[2]: str(one.error) for one in result.failures}
    assert failed.keys() == {"m/app-3:1.1", "none:1", "nil/*", "v/*"}
    assert "no repository matches" in failed["nil/*"]
    assert "no tag matches" in failed["v/*"]
    assert result.statuses[Status.COPIED] == 15


async def test_the_first_failure_ends_it_if_that_is_wanted(
    cluster_run: Run, source: EmbeddedRegistry
) -> None:
    fill(source)
    lines = [f"S/team/app-{n}:{tag}=T/m/app-{n}" for n in range(REPOSITORIES) for tag in TAGS]
    result = await cluster_run("S/none:1=T/none", *lines, fail_fast=True, max_per_registry=1)

    assert result.statuses[Status.FAILED] == 1
    assert result.statuses[Status.DEFERRED] > 0
    assert len(result.images) == 17


async def test_after_the_deadline_everything_is_deferred(
    cluster_run: Run, source: EmbeddedRegistry
) -> None:
    fill(source)
    result = await cluster_run("S/team/app-1:1.0=T/a", "S/team/app-2=T/b", deadline=0.0)

    assert came_to(result) == {("a:1.0", Status.DEFERRED): 1, ("b", Status.DEFERRED): 1}
    assert (result.exit_code, result.closed) == (5, 2)


async def test_a_run_that_is_interrupted_ends_in_good_order_everywhere(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    result = DownloadParallelism(datetime.now(UTC))
    with anyio.fail_after(30), anyio.CancelScope() as scope:

        async def interrupt() -> None:
            scope.cancel()

        source.faults.append(
            Fault("GET", "/team/app-5/blobs/", silent=True, after=interrupt, times=9)
        )
        lines = [f"S/team/app-{n}:{tag}=T/m/app-{n}" for n in range(8) for tag in TAGS]
        await cluster_run(*lines, result=result)

    assert scope.cancelled_caught
    assert Counter(one.destination for one in result.images).most_common(1)[0][1] == 1
    assert len(result.images) == 16
    assert result.statuses[Status.DEFERRED] >= 1
    assert target.store.sessions == {}


async def test_logins_go_over_tls_only(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    mine = Logins(given={Side.DESTINATION: Credential("me", "secret")})
    with pytest.raises(UsageError, match="connections without TLS"):
        await cluster_run("S/a:1=T/a", logins=mine)

    assert source.log + target.log == []


async def test_a_credentials_file_is_read_where_the_work_is_done(
    cluster_run: Run, source: EmbeddedRegistry, tmp_path: Path
) -> None:
    fill(source)
    result = await cluster_run(
        "S/team/app-1:1.0=T/a", logins=Logins(authfile=tmp_path / "none.json")
    )

    assert result.statuses == {Status.FAILED: 1}
    assert "none.json: No such file" in str(result.failures[0].error)


async def test_a_ledger_spares_the_destination_and_learns_from_all_workers(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry, tmp_path: Path
) -> None:
    fill(source)
    ledger = tmp_path / "state.db"
    await cluster_run(EVERYTHING, ledger=ledger)
    target.log.clear()
    result = await cluster_run(EVERYTHING, ledger=ledger, recheck=1e9)

    assert came_to(result) == whole(Status.UNCHANGED)
    assert result.recalled == 16
    assert [one for one in target.log if one.path != "/v2/"] == []


async def test_a_share_of_the_work_is_spread_too(
    cluster_run: Run, source: EmbeddedRegistry
) -> None:
    fill(source)
    shares = [await cluster_run(EVERYTHING, shard=Shard(index, 2)) for index in (1, 2)]

    assert came_to(shares[0]) + came_to(shares[1]) == whole(Status.COPIED)
    # Which share a repository is in depends on the port that its registry happens to have.
    assert shares[0].repositories == shares[1].others
    assert shares[1].repositories == shares[0].others
    assert shares[0].repositories + shares[1].repositories > 0


@pytest.mark.parametrize(("percent", "gone"), [(10.0, {"m/app-0:old"}), (5.0, set())])
async def test_how_much_may_be_deleted_is_a_question_about_all_repositories(
    cluster_run: Run,
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    percent: float,
    gone: set[str],
) -> None:
    fill(source)
    image(target, "m/app-0", "old", layer("old", 10))
    result = await cluster_run(
        EVERYTHING, rule_options=RuleOptions(prune=Prune(max_percent=percent))
    )

    assert result.exit_code == (0 if gone else 1)
    assert {str(one.destination).partition("/")[2] for one in result.prunes if one.digest} == gone
    assert ("old" in target.store.tags("m/app-0")) is not bool(gone)


async def test_nothing_is_deleted_where_something_failed(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    image(target, "m/app-0", "old", layer("old", 10))
    target.faults.append(Fault("PUT", "/m/app-0/manifests/1.1", status=403, times=9))
    result = await cluster_run(EVERYTHING, rule_options=RuleOptions(prune=Prune(max_percent=50.0)))

    assert "old" in target.store.tags("m/app-0")
    assert [str(one.outcome) for one in result.prunes] == ["refused"]


async def test_after_the_first_failure_nothing_is_deleted_if_that_ends_the_run(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    image(target, "m/app-0", "old", layer("old", 10))
    source.faults.append(Fault(path="/app-5/manifests/1.0", status=403, times=9))
    rule_options = RuleOptions(prune=Prune(max_percent=50.0))
    result = await cluster_run(EVERYTHING, rule_options=rule_options, fail_fast=True)

    assert result.statuses[Status.FAILED] == 1
    assert result.prunes == []
    assert "old" in target.store.tags("m/app-0")


async def test_a_dry_run_deletes_nothing(
    cluster_run: Run, source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    fill(source)
    image(target, "m/app-0", "old", layer("old", 10))
    result = await cluster_run(
        EVERYTHING, rule_options=RuleOptions(prune=Prune(max_percent=100.0)), dry_run=True
    )

    assert [str(one.outcome) for one in result.prunes] == ["planned"]
    assert writes(target) == []


async def test_a_pattern_that_matches_nothing_fails_in_every_share(
    cluster_run: Run, source: EmbeddedRegistry
) -> None:
    fill(source)
    for index in (1, 2):
        (failed,) = (await cluster_run("S/team/*:v*=T/m/*", shard=Shard(index, 2))).failures
        assert "no tag matches" in str(failed.error)
    image(source, "team/app-0", "v1", layer("x", 10))
    shares = [await cluster_run("S/team/*:v*=T/m/*", shard=Shard(index, 2)) for index in (1, 2)]

    assert came_to(shares[0]) + came_to(shares[1]) == {("m/app-0:v1", Status.COPIED): 1}


async def test_two_runs_on_one_cluster_do_not_hear_each_other(
    cluster_run: Run, source: EmbeddedRegistry
) -> None:
    fill(source)
    results: list[DownloadParallelism] = []

    async def run(place: str) -> None:
        results.append(await cluster_run(f"S/team/*=T/{place}/*"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "one")
        tasks.start_soon(run, "two")

    assert [len(result.images) for result in results] == [16, 16]
    assert [len({image.destination for image in result.images}) for result in results] == [16, 16]


async def test_what_a_listener_raises_comes_out_as_itself(
    cluster_run: Run, source: EmbeddedRegistry
) -> None:
    class Touchy(DownloadParallelism):
        def take(self, event: Event, at: float = 0.0) -> None:
            raise ZeroDivisionError

    fill(source)
    with pytest.raises(ZeroDivisionError):
        await cluster_run("S/team/app-1=T/a", result=Touchy(datetime.now(UTC)))


async def test_no_scheduler_is_told_before_anything_is_sent(source: EmbeddedRegistry) -> None:
    mappings = Mappings()
    mappings.document(Document("f", f"{source.host}/*=d.io/*".encode()))
    for address, said in (("nonsense", "missing port"), ("foo://x:1", "unknown address scheme")):
        with pytest.raises(UsageError, match=said):
            await carry_out(
                mappings.rules, Options(), print, Traffic(), Logins(), scheduler=address
            )
    assert source.log == []
