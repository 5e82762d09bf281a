"""The report command, in this process: what it prints, writes and returns."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mirror.cli.app import app
from mirror.errors import NotFound
from mirror.events import ImageSettled, Status
from mirror.image.digest import Digest
from mirror.report import result
from mirror.shard import Shard


def report(*words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words])


def written(folder: Path, name: str, *images: str, shard: Shard | None = None) -> str:
    """Write a report in which these images were copied, or failed if they begin with an ``!``."""
    outcome = result.Result(datetime(2026, 1, 31, 2, 0, tzinfo=UTC), shard=shard)
    for image in images:
        status = Status.FAILED if image.startswith("!") else Status.COPIED
        error = NotFound("404\x1b[2J") if status is Status.FAILED else None
        place = image.removeprefix("!")
        outcome.take(ImageSettled(
            f"s.io/{place}", f"d.io/{place}", "f:1", status, Digest.of(b"x"), error=error
        ))  # fmt: skip
    path = folder / name
    path.write_bytes(outcome.json(1.0))
    return str(path)


def test_a_run_is_told_in_a_few_lines(tmp_path: Path) -> None:
    ran = report(written(tmp_path, "run.json", "a:1", "!b:1"))

    assert ran.exit_code == 0
    assert ran.output.splitlines()[:2] == ["1 failed and needs attention.", "1 copied, 1 failed"]
    assert "failed: s.io/b:1 → d.io/b:1 (f:1)" in ran.output
    assert "\x1b" not in ran.output


def test_of_many_changes_the_first_are_named(tmp_path: Path) -> None:
    ran = report(written(tmp_path, "run.json", *(f"a:{n}" for n in range(25))))

    assert "and 5 more" in ran.output


def test_shares_are_told_as_one(tmp_path: Path) -> None:
    paths = [written(tmp_path, f"{n}.json", f"a:{n}", shard=Shard(n, 2)) for n in (1, 2)]
    told = report(*paths)
    merged = report(*paths, "--output", "json")

    assert told.exit_code == 0
    assert "share 2 of 2: 0 of 0 repositories" in told.output
    assert len(json.loads(merged.stdout)["images"]) == 2


@pytest.mark.parametrize("more", [[], ["--output", "json"], ["--html", "page.html"]])
def test_a_share_that_is_missing_is_told_and_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "1.json", "a:1", shard=Shard(1, 2))
    ran = report(path, path, *more)

    assert ran.exit_code == 1
    assert "There is no report of share 2/2." in (ran.stderr if more else ran.stdout)


def test_a_page_is_written_with_what_was_before(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    before, now = (written(tmp_path, f"{n}.json", "a:1", "b:1") for n in range(2))
    ran = report(now, "--before", before, "--html", str(page))

    assert (ran.exit_code, ran.output) == (0, "")
    assert "0.json" not in page.read_text()
    assert "<h1>" in page.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [(("nowhere.json",), "No such file"), ((__file__,), "no run report"),
     ((__file__, "--before", __file__), "--html")],
)  # fmt: skip
def test_what_makes_no_sense_ends_with_2(words: tuple[str, ...], said: str) -> None:
    ran = report(*words)

    assert ran.exit_code == 2
    assert said in ran.output
