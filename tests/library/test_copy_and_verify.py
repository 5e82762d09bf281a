"""The engine as another program calls it."""

import asyncio
import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

import mirror
from mirror.demo.images import catalog
from mirror.demo.server import EmbeddedRegistry
from mirror.library.copy_and_verify import Asked
from mirror.report.document import parse
from mirror.report.result import Result


@pytest.fixture
def filled(source: EmbeddedRegistry) -> EmbeddedRegistry:
    catalog(source.store, 2_000)
    return source


async def test_every_name_of_the_front_door_is_there() -> None:
    homes = {name for names in mirror._HOMES.values() for name in names}

    assert set(mirror.__all__) == homes | {"blocking"}
    assert all(getattr(mirror, name) is not None for name in mirror.__all__)
    with pytest.raises(AttributeError, match="no attribute 'skopeo'"):
        getattr(mirror, "skop" + "eo")


@pytest.mark.parametrize("form", ["text", "lines", "pairs", "generator"])
async def test_mappings_have_many_forms(
    filled: EmbeddedRegistry, target: EmbeddedRegistry, form: str
) -> None:
    pairs = [(f"{filled.host}/{name}:1.0", f"{target.host}/{name}")
             for name in ("shop/cart", "web/front")]  # fmt: skip
    lines = [f"{a} {b}  # as in a file" for a, b in pairs]
    forms: dict[str, Asked] = {
        "text": "\n".join(lines), "lines": lines, "pairs": pairs, "generator": iter(lines),
    }  # fmt: skip
    report = await mirror.copy(forms[form])

    assert {(image.destination, image.status) for image in report.images} == {
        (f"{b}:1.0", "copied") for _, b in pairs
    }
    assert {image.origin for image in report.images} <= {"<mappings>:1", "<mappings>:2"}


async def test_all_that_is_wrong_is_said_before_anything_is_sent(filled: EmbeddedRegistry) -> None:
    wrong: list[str | tuple[str, str]] = [
        f"{filled.host}/a:1=x.io/a",
        "one",
        ("x.io/a:1", "UPPER/case"),
        "stray",
    ]
    with pytest.raises(mirror.MappingError) as raised:
        await mirror.copy(wrong)

    lines = [one.split(":")[1] for one in raised.value.problems]
    assert lines == ["2", "3", "4"]
    assert filled.log == []


@pytest.mark.parametrize("count", [1, 3, 20])
async def test_what_an_event_handler_raises_ends_the_run(
    filled: EmbeddedRegistry, target: EmbeddedRegistry, count: int
) -> None:
    heard = []

    def on_event(event: mirror.Event) -> None:
        heard.append(event)
        if len(heard) >= count:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await mirror.copy(f"{filled.host}/shop/*={target.host}/*", on_event=on_event)

    assert target.store.sessions == {}
    assert len(heard) == count


@pytest.mark.parametrize("options", [{"max_per_registry": 0}, {"retries": -1}, {"deadline": -1.0}])
async def test_what_the_command_would_not_take_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(mirror.UsageError, match="less than it can be"):
        await mirror.copy("a.io/b:1=c.io/d", mirror.Options(**options))


async def test_a_listener_that_wants_to_be_awaited_is_refused() -> None:
    async def on_event(event: mirror.Event) -> None:
        raise AssertionError(event)

    with pytest.raises(mirror.UsageError, match="not awaited"):
        await mirror.copy("a.io/b:1=c.io/d", on_event=cast("Any", on_event))


@pytest.mark.parametrize("odd", [("a.io/b:1", "c.io/d", "e.io/f"), b"a.io/b=c.io/d", 5, ("a",)])
async def test_what_is_no_mapping_is_told_with_the_others(odd: object) -> None:
    with pytest.raises(mirror.MappingError, match=r"<mappings>:2: .* is not a mapping"):
        await mirror.copy(cast("Any", ["a.io/b:1=c.io/d", odd]))


async def test_runs_side_by_side_know_nothing_of_each_other(
    filled: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    reports: dict[str, mirror.Report] = {}

    async def run(name: str) -> None:
        reports[name] = await mirror.copy(f"{filled.host}/web/*={target.host}/{name}/*")

    async with anyio.create_task_group() as group:
        for name in ("one", "two", "three"):
            group.start_soon(run, name)

    assert {name: report.summary.copied for name, report in reports.items()} == {
        "one": 6, "two": 6, "three": 6,
    }  # fmt: skip


async def test_a_verification_has_the_differences(
    filled: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    mapping = f"{filled.host}/shop/cart:1.0={target.host}/cart"
    (found,) = (await mirror.verify(mapping)).failed
    (repaired,) = (await mirror.verify(mapping, mirror.Options(repair=True))).images

    assert ("missing", "tag") in {(one.condition, one.noun) for one in found.differences}
    assert repaired.status == "copied"


async def test_a_configuration_is_kept_in_step(
    filled: EmbeddedRegistry, target: EmbeddedRegistry, tmp_path: Path
) -> None:
    (tmp_path / "password.txt").write_text("secret\n")
    (tmp_path / "mirror.yaml").write_text(
        "version: 1\nregistries:\n"
        f"  {target.host}: {{credentials: {{username: me, password-file: password.txt}}}}\n"
        f"sync:\n- {{source: {filled.host}/shop/*, destination: {target.host}/m/*}}\n"
    )
    report = await mirror.sync(tmp_path / "mirror.yaml")

    assert report.summary.copied == 9
    with pytest.raises(mirror.ConfigurationError):
        await mirror.sync(Path(__file__))
    with pytest.raises(mirror.UsageError, match="No such file"):
        await mirror.sync(tmp_path / "none.yaml")


async def test_without_await_is_for_those_who_have_no_loop(target: EmbeddedRegistry) -> None:
    with pytest.raises(RuntimeError):
        mirror.blocking.copy(f"{target.host}/a:1={target.host}/b:1")


def test_no_loop_but_the_standard_one_is_needed() -> None:
    async def run() -> mirror.Report:
        registry = EmbeddedRegistry()
        catalog(registry.store, 2_000)
        async with registry.running():
            return await mirror.copy(f"{registry.host}/shop/cart={registry.host}/copy")

    assert asyncio.run(run()).summary.copied == 3


async def test_where_dask_is_missing_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines = importlib.import_module("mirror.library.engines")
    monkeypatch.setattr(engines, "_COORDINATOR", "mirror.no_such_module")
    with pytest.raises(mirror.UsageError, match="needs another package") as raised:
        await mirror.copy("a.io/b:1=c.io/d", cluster=mirror.Cluster())

    assert raised.value.hint == "pip install 'oci-mirror[dask]'"


async def test_a_report_as_values_is_the_report_as_json(
    filled: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    result = Result(datetime.now(UTC))
    await mirror.copy(f"{filled.host}/shop/*={target.host}/*", on_event=result.take)

    assert parse(result.json(1.0), "run.json") == result.report(1.0)
