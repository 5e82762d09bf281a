"""`mirror sync` as a cron job meets it."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirror.configuration.model import schema
from tests.cli.conftest import (
    Run,
    catalog,
    command,
    empty,
    environment,
    running_in,
    serving,
    unmeasured,
)

__all__ = ["catalog", "empty"]

Write = Callable[..., str]


@pytest.fixture
def measured() -> Run:
    """Run the command to its end, and record which of its lines ran."""
    return running_in(environment)


@pytest.fixture
def mirror() -> Run:
    """Run the command to its end, in half the time; a few tests use `measured` instead."""
    return running_in(unmeasured)


@pytest.fixture
def write(catalog: str, empty: str, tmp_path: Path) -> Write:
    """Write a configuration between the two registries; S and T stand for them."""

    def configuration(text: str) -> str:
        path = tmp_path / "sync.yaml"
        path.write_text(text.replace("S/", f"{catalog}/").replace("T/", f"{empty}/"))
        return str(path)

    return configuration


def rule(more: str = "", source: str = "S/*", target: str = "T/m/*") -> str:
    return f"version: 1\nsync:\n  - source: {source}\n    destination: {target}\n    {more}\n"


def test_a_catalog_is_kept_in_step(measured: Run, write: Write, tmp_path: Path) -> None:
    config, report = write(rule('tags: {include: ["1.*"]}')), tmp_path / "run.json"

    first = measured("sync", config)
    second = measured("sync", config, "--report", str(report))
    summary = json.loads(report.read_text())["summary"]

    assert (first.code, second.code) == (0, 0)
    assert all(" " in line and ":1." in line for line in first.out.splitlines())
    assert second.out == ""
    assert summary["unchanged"] == summary["images"] == len(first.out.splitlines())


def test_a_configuration_with_problems_sends_nothing(measured: Run, write: Write) -> None:
    config = write(rule("tags: {newest: 0}\n    colour: red"))

    ran = measured("sync", config)

    assert ran.code == 2
    assert ran.out == ""
    first, second, hint = ran.err.splitlines()
    assert first.startswith(f"{config}:5: sync.0.tags.newest: expected greater than or equal to 1")
    assert second.startswith(f"{config}:6: sync.0.colour: not known here")
    assert "mirror sync --schema" in hint


@pytest.mark.parametrize("words", [(), ("nowhere.yaml",)])
def test_without_a_configuration_there_is_nothing_to_do(measured: Run, words: tuple[str]) -> None:
    assert measured("sync", *words).code == 2


def test_the_schema_is_printed_for_editors(measured: Run) -> None:
    assert json.loads(measured("sync", "--schema").out) == schema()


def test_a_mapping_file_is_found_beside_its_configuration(
    mirror: Run, write: Write, catalog: str, empty: str, tmp_path: Path
) -> None:
    (tmp_path / "extra.txt").write_text(f"{catalog}/shop/cart:1.0={empty}/cart\n")
    config = write("version: 1\nsync: [{mapping: extra.txt}]")

    ran = mirror("sync", config)

    assert ran.out.split() == [ran.out.split()[0], f"{empty}/cart:1.0"]


def test_all_logins_that_are_not_there_are_told_at_once(
    measured: Run, write: Write, catalog: str, empty: str
) -> None:
    section = (
        f"registries:\n  {catalog}: {{credentials: {{token-env: NOBODY}}}}\n"
        f"  {empty}: {{credentials: {{username: u, password-file: nowhere}}}}\n"
    )
    ran = measured("sync", write(section + rule()))

    assert ran.code == 2
    first, second, _ = ran.err.splitlines()
    assert "sync.yaml:2: " in first
    assert "sync.yaml:3: " in second
    assert "nowhere" not in second


def test_logins_of_a_registry_come_from_where_the_configuration_says(
    mirror: Run, write: Write, catalog: str, tmp_path: Path
) -> None:
    section = f"registries: {{{catalog}: {{credentials: {{username: u, password-env: SECRET}}}}}}\n"
    config = write(section + rule())

    missing = mirror("sync", config)
    assert missing.code == 2
    where = f"{config}:1: registries.{catalog}.credentials: "
    assert f"{where}the environment variable that it names is not set" in missing.err
    assert mirror("sync", config, SECRET="hunter2").code == 0


def test_a_tag_that_has_left_its_source_is_pruned_and_told(
    mirror: Run, measured: Run, write: Write, catalog: str, empty: str, tmp_path: Path
) -> None:
    config = write(rule("prune: {tags: true, max-percent: 60}", "S/shop/cart", "T/cart"))
    mirror(f"{catalog}/shop/cart:1.0={empty}/cart:gone")
    measured("sync", config)
    mirror(f"{catalog}/shop/cart:1.0={empty}/cart:gone")

    planned = measured("sync", config, "--dry-run")
    assert f"{empty}/cart:gone" in planned.out
    assert planned.out.startswith("would prune sha256:")
    assert "1 to be pruned" in planned.err
    ran = measured("sync", config, "--report", str(tmp_path / "r.json"))
    assert ran.out.startswith("pruned sha256:")
    assert "1 pruned" in ran.err
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["tags_pruned"] == 1
    tags = mirror("inspect", "--tags", f"{empty}/cart").out.split()
    assert "gone" not in tags


def test_a_prune_that_is_refused_fails_the_run_and_says_why(
    mirror: Run, measured: Run, write: Write, catalog: str, empty: str
) -> None:
    config = write(rule("prune: {tags: true}", "S/shop/cart", "T/cart"))
    measured("sync", config)
    mirror(f"{catalog}/shop/cart:1.0={empty}/cart:gone")

    ran = measured("sync", config)

    assert ran.code == 1
    assert "not pruned: " in ran.err
    assert "1 of 4 tags would be deleted, more than 10 %" in ran.err
    assert "raise max-percent" in ran.err


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A sync that waits for a registry which never answers, holding its lock."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        config = tmp_path / "stuck.yaml"
        host = f"127.0.0.1:{deaf.getsockname()[1]}"
        config.write_text(f"version: 1\nsync: [{{source: {host}/a, destination: {host}/b}}]")
        process = subprocess.Popen(
            command("sync", str(config), "--lock", str(tmp_path / "lock")),
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip
        deaf.accept()[0].recv(1)  # so it has begun
        try:
            yield process, str(config)
        finally:
            process.kill()
            process.communicate(timeout=10)


def test_two_runs_at_once_are_one_and_the_second_says_who_is_at_it(
    measured: Run, stuck: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, config = stuck
    report = tmp_path / "run.json"
    report.write_text("of the run before")

    ran = measured("sync", config, "--lock", str(tmp_path / "lock"), "--report", str(report))

    assert ran.code == 5
    assert f"another run is under way: process {process.pid} on " in ran.err
    assert report.read_text() == "of the run before"


def test_a_run_that_was_killed_blocks_nobody(
    mirror: Run, stuck: tuple[subprocess.Popen[str], str], write: Write, tmp_path: Path
) -> None:
    process, _ = stuck
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert str(process.pid) in (tmp_path / "lock").read_text()

    assert mirror("sync", write(rule()), "--lock", str(tmp_path / "lock")).code == 0


def test_a_dry_run_waits_for_nobody(
    mirror: Run, stuck: tuple[subprocess.Popen[str], str], write: Write, tmp_path: Path
) -> None:
    assert mirror("sync", write(rule()), "--dry-run", "--lock", str(tmp_path / "lock")).code == 0


def test_a_lock_is_of_the_configuration(mirror: Run, write: Write, tmp_path: Path) -> None:
    mirror("sync", write(rule()), TMPDIR=str(tmp_path))

    assert [path.name for path in tmp_path.glob("mirror-*.lock")]


def test_a_night_with_a_ledger_asks_the_destination_nothing(
    mirror: Run, write: Write, empty: str, tmp_path: Path
) -> None:
    config, ledger = write(rule()), str(tmp_path / "state.db")
    report = tmp_path / "run.json"
    mirror("sync", config, "--ledger", ledger)

    ran = mirror("sync", config, "--ledger", ledger, "--report", str(report))

    assert ran.code == 0
    assert empty not in json.loads(report.read_text())["summary"]["requests"]
    with sqlite3.connect(ledger) as earlier:
        earlier.execute("UPDATE verified SET at = at - 8 * 24 * 3600")
    assert mirror("sync", config, "--ledger", ledger, "--report", str(report)).code == 0
    assert empty in json.loads(report.read_text())["summary"]["requests"]


def test_a_ledger_that_is_none_is_a_usage_error(
    measured: Run, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "state.db").write_text("nothing of ours, and long enough to be looked at" * 9)

    ran = measured("sync", write(rule()), "--ledger", str(tmp_path / "state.db"))

    assert ran.code == 2
    assert "no ledger" in ran.err
    assert measured("sync", write(rule()), "--recheck", "soon").code == 2


def test_only_sync_loads_what_reads_configurations() -> None:
    script = (
        "import sys, mirror.cli.copy; "
        "sys.exit(any(name in sys.modules for name in ('pydantic', 'yaml', 'jinja2')))"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], env=environment(), check=False).returncode
        == 0
    )


def test_a_registry_has_limits_of_its_own(mirror: Run, catalog: str, tmp_path: Path) -> None:
    with serving() as (_, empty):
        config = tmp_path / "c.yaml"
        config.write_text(
            f"version: 1\nregistries:\n  {empty}: {{max-per-registry: 1, chunk-size: 1KiB, "
            f"requests-per-second: 2000}}\nsync:\n"
            f"  - {{source: {catalog}/shop/*, destination: {empty}/*}}\n"
        )
        report = tmp_path / "r.json"
        assert mirror("sync", str(config), "--report", str(report)).code == 0
        summary = json.loads(report.read_text())["summary"]
        # In chunks each blob takes more than the two requests that it takes whole.
        assert summary["requests"][empty] > 3 * summary["blobs_copied"]
