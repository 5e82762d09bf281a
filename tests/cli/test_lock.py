"""A lock that ends with whoever holds it."""

import os
from pathlib import Path

import pytest

from mirror.cli.lock import held, path_for
from mirror.errors import Locked, UsageError
from mirror.exit_code import ExitCode
from mirror.shard import Shard


def test_who_comes_second_is_told_who_was_first(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path), pytest.raises(Locked) as raised, held(path):
        pass

    assert raised.value.exit_code is ExitCode.UNFINISHED
    assert f"process {os.getpid()} on " in raised.value.message
    assert str(path) in raised.value.message


def test_a_lock_that_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        with held(path):
            pass


def test_what_a_longer_name_left_behind_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("process 1 " + "x" * 500)
    with held(path), pytest.raises(Locked) as raised, held(path):
        pass

    assert "xxx" not in raised.value.message


def test_what_is_no_lock_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sync.yaml"
    path.write_text("version: 1")

    with pytest.raises(UsageError, match="not a lock"), held(path):
        pass
    assert path.read_text() == "version: 1"
    with pytest.raises(UsageError, match="not a lock"), held(Path(os.devnull)):
        pass


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "other")

    with pytest.raises(UsageError, match="symbolic links"), held(tmp_path / "lock"):
        pass
    assert (tmp_path / "other").read_text() == "precious"


def test_a_configuration_has_one_lock_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text("")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    monkeypatch.chdir(tmp_path)

    assert path_for("a.yaml", None) == path_for(str(tmp_path / "link.yaml"), None)
    assert path_for("a.yaml", None) != path_for("b.yaml", None)


def test_runs_that_share_a_ledger_share_a_lock() -> None:
    ledger = Path("/var/lib/mirror/state.db")

    assert path_for("a.yaml", ledger) == path_for("b.yaml", ledger)
    assert path_for("a.yaml", ledger) == Path("/var/lib/mirror/state.db.lock")


def test_shares_run_side_by_side() -> None:
    ledger, shards = Path("/var/lib/mirror/state.db"), [None, Shard(1, 2), Shard(2, 2), Shard(2, 3)]

    assert len({path_for("a.yaml", ledger, shard) for shard in shards}) == 4
    assert len({path_for("a.yaml", None, shard) for shard in shards}) == 4
    assert path_for("a.yaml", ledger, Shard(2, 3)).name == "state.db.2-of-3.lock"
