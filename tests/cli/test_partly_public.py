"""A registry that shows strangers a part of its lists, and says nothing of the rest."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Run, empty, environment
from tests.partly_public import LOGIN

__all__ = ["empty"]


@contextmanager
def _served() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.partly_public"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture
def partly() -> Iterator[str]:
    with _served() as address:
        yield address


def summary(path: Path) -> dict[str, int]:
    counts: dict[str, int] = json.loads(path.read_text())["summary"]
    return counts


def test_with_a_login_the_whole_catalog_arrives_with_every_tag(
    mirror: Run, partly: str, empty: str, tmp_path: Path
) -> None:
    report = tmp_path / "run.json"
    mapping = f"{partly}/*={empty}/*"

    ran = mirror(mapping, "--src-creds", LOGIN, "--report", str(report))
    assert (ran.code, summary(report)["copied"]) == (0, 9)

    verified = mirror("verify", mapping, "--src-creds", LOGIN, "--report", str(report))
    assert (verified.code, summary(report)["unchanged"]) == (0, 9)


def test_a_stranger_gets_what_is_public(
    mirror: Run, partly: str, empty: str, tmp_path: Path
) -> None:
    report = tmp_path / "run.json"

    ran = mirror(f"{partly}/*={empty}/*", "--report", str(report))

    assert (ran.code, summary(report)["copied"]) == (0, 1)


def test_nothing_is_pruned_that_is_only_hidden_from_strangers(
    mirror: Run, partly: str, empty: str, tmp_path: Path
) -> None:
    logins, config, report = (tmp_path / name for name in ("auth.json", "sync.yaml", "run.json"))
    user, _, password = LOGIN.partition(":")
    entry = {"username": user, "password": password}
    logins.write_text(json.dumps({"auths": {f"{partly}/team": entry}}))
    config.write_text(
        f"version: 1\nsync:\n  - source: {partly}/team/*\n    destination: {empty}/m/*\n"
        "    prune: {tags: true, max-percent: 100}\n"
    )
    words = ("sync", str(config), "--authfile", str(logins), "--report", str(report))

    assert mirror(*words).code == 0
    assert summary(report)["copied"] == 9
    again = mirror(*words)

    assert again.code == 0
    assert (summary(report)["unchanged"], summary(report).get("tags_pruned", 0)) == (9, 0)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"": {"identitytoken": "t"}}, "cannot be shown here"),
        ({"/a": {"username": "x", "password": "y"}, "/b": {"username": "z", "password": "y"}},
         "2 logins are known for parts of"),
        ({"": {"username": "mirror", "password": "wrong"}}, "the login of 'mirror' is refused"),
    ],
    ids=["identity token", "two parts", "refused"],
)  # fmt: skip
def test_a_list_read_without_the_login_that_is_known_counts_as_not_read(
    mirror: Run,
    partly: str,
    empty: str,
    tmp_path: Path,
    entries: dict[str, dict[str, str]],
    said: str,
) -> None:
    logins = tmp_path / "auth.json"
    logins.write_text(
        json.dumps({"auths": {f"{partly}{path}": entry for path, entry in entries.items()}})
    )

    ran = mirror(f"{partly}/*={empty}/*", "--authfile", str(logins))

    assert ran.code == 1
    assert said in ran.err
