"""A dry run: what it forecasts is what the run then sends."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mirror.demo.images import CONFIG, Blob, catalog, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.dry_run import Plan, RegistryPlan
from mirror.engine.run import copy
from mirror.events import Landing, PruneStatus, Status, Traffic
from mirror.image.referrers_index import fallback_tag
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.rule_options import Prune, RuleOptions
from mirror.options import Options
from mirror.report.result import Result
from tests.engine.test_copying import simple


def plan(**registries: RegistryPlan) -> Plan:
    return Plan({name.replace("_", "."): one for name, one in registries.items()})


def test_a_plan_is_a_table_with_what_finding_out_took() -> None:
    found = plan(
        s_io=RegistryPlan(requests=1, bytes_read=100),
        d_io=RegistryPlan(requests=2, bytes_written=100, blobs_copied=1),
    )

    assert found.text(Counter({"s.io": 3, "x.io": 1})).splitlines() == [
        "registry  requests  read  written  blobs  mounts  manifests",
        "d.io             2     0      100      1       0          0",
        "s.io             4   100        0      0       0          0",
        "x.io             1     0        0      0       0          0",
    ]


def test_plans_of_different_images_add_up() -> None:
    one, other = plan(s_io=RegistryPlan(1, 2, 3, 4, 5, 6)), plan(d_io=RegistryPlan(manifests=1))
    one.dry_run_only, other.dry_run_only = Counter({"s.io": 1}), Counter({"s.io": 2})
    for more in (other, plan(s_io=RegistryPlan(1, 1, 1, 1, 1, 1)), plan(d_io=RegistryPlan(1))):
        one.add(more)

    assert one.registries == {
        "s.io": RegistryPlan(2, 3, 4, 5, 6, 7), "d.io": RegistryPlan(requests=1, manifests=1),
    }  # fmt: skip
    assert one.dry_run_only == {"s.io": 3}


async def forecast_and_run(
    source: EmbeddedRegistry, target: EmbeddedRegistry, *lines: str,
    rule_options: RuleOptions | None = None, **options: Any,
) -> Result:  # fmt: skip
    """Hold a forecast against what the run then sends and moves, per registry."""
    text = "\n".join(lines).replace("S/", f"{source.host}/").replace("T/", f"{target.host}/")

    async def carried_out(*, dry_run: bool) -> tuple[Result, Plan | None]:
        mappings = Mappings()
        mappings.document(Document("f", text.encode()), rule_options)
        assert not mappings.problems
        result = Result(datetime.now(UTC))
        asked = Options(**{**options, "dry_run": dry_run})
        return result, await copy(mappings.rules, asked, result.take, Traffic())

    before = {registry.host: _content(registry) for registry in (source, target)}
    forecast, found = await carried_out(dry_run=True)
    assert {registry.host: _content(registry) for registry in (source, target)} == before
    assert found is not None
    done, _ = await carried_out(dry_run=False)

    assert found.requests(forecast.requests) == done.requests
    read = sum(one.bytes_read for one in found.registries.values())
    assert read == done.blob_bytes[Landing.COPIED]
    assert sum(one.manifests for one in found.registries.values()) == done.manifests_pushed
    assert forecast.statuses[Status.PLANNED] == done.statuses[Status.COPIED]
    assert forecast.pruned[PruneStatus.PLANNED] == done.pruned[PruneStatus.PRUNED]
    return done


def _content(registry: EmbeddedRegistry) -> dict[str, list[str]]:
    return {name: registry.store.tags(name) for name in registry.store.names()}


async def test_a_fresh_catalog(source: EmbeddedRegistry, target: EmbeddedRegistry) -> None:
    catalog(source.store, layer_size=2000)

    done = await forecast_and_run(source, target, "S/*=T/m/*")

    assert done.statuses[Status.COPIED] == len(done.images)


@pytest.mark.parametrize("skip_mount", [False, True])
async def test_a_repository_that_has_some_of_it(
    source: EmbeddedRegistry, target: EmbeddedRegistry, skip_mount: bool
) -> None:
    for tag in "123":
        simple(source, "a", tag, "base", f"own{tag}")
        simple(source, "b", tag, "base", f"other{tag}")
    simple(target, "a", "1", "own1", "own2")

    await forecast_and_run(source, target, "S/a=T/a", "S/b=T/b", skip_mount=skip_mount)


@pytest.mark.parametrize("lists", [True, False])
async def test_an_image_with_what_refers_to_it(
    source: EmbeddedRegistry, target: EmbeddedRegistry, lists: bool
) -> None:
    simple(source, "a", "1", "x")
    image = source.store.manifest("a", "1")
    put(source.store, "a", Blob(b"{}", CONFIG), [layer("s", 100)],
        fallback_tag(image.digest) + ".sig")  # fmt: skip
    target.referrers = lists

    await forecast_and_run(source, target, "S/a:1=T/a", referrers=True)


@pytest.mark.parametrize("chunk", [None, 30, 100])
async def test_blobs_in_chunks_and_an_empty_one(
    source: EmbeddedRegistry, target: EmbeddedRegistry, chunk: int | None
) -> None:
    blobs = [Blob(b"", "application/x"), layer("s", 100), layer("t", 20)]
    put(source.store, "a", Blob(b"{}", CONFIG), blobs, "1")

    await forecast_and_run(source, target, "S/a:1=T/a", chunk_size=chunk)


async def test_tags_that_have_left_their_source(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    for tag in "123":
        simple(target, "a", tag, f"x{tag}")
        if tag != "1":
            simple(source, "a", tag, f"x{tag}")
    simple(source, "a", "4", "x4")

    done = await forecast_and_run(
        source, target, "S/a=T/a", rule_options=RuleOptions(prune=Prune(max_percent=50.0))
    )

    assert done.pruned[PruneStatus.PRUNED] == 1


async def test_from_a_folder_and_into_one(
    source: EmbeddedRegistry, target: EmbeddedRegistry, tmp_path: Path
) -> None:
    simple(source, "a", "1", "x", "y")
    simple(source, "a", "2", "x", "z")

    out = await forecast_and_run(source, target, f"S/a=oci:{tmp_path}/a")
    back = await forecast_and_run(source, target, f"oci:{tmp_path}/a=T/a")
    across = await forecast_and_run(source, target, f"oci:{tmp_path}/a=oci:{tmp_path}/b")

    assert {one.statuses[Status.COPIED] for one in (out, back, across)} == {2}
