"""The copy command, run by its user."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run, command, environment


def test_standard_output_has_a_line_for_each_push(mirror: Run, catalog: str, empty: str) -> None:
    ran = mirror(f"{catalog}/shop/*={empty}/m/*")
    lines = sorted(line.split(" ") for line in ran.out.splitlines())

    assert ran.code == 0
    assert len(lines) == 9
    assert all(digest.startswith("sha256:") for digest, _ in lines)
    assert f"{empty}/m/cart:latest" in [reference for _, reference in lines]
    assert "9 copied" in ran.err

    again = mirror(f"{catalog}/shop/*={empty}/m/*")
    assert (again.code, again.out) == (0, "")
    assert "9 unchanged" in again.err


def test_one_source_goes_to_many_destinations(mirror: Run, catalog: str, empty: str) -> None:
    ran = mirror(f"{catalog}/shop/cart:1.0", f"{empty}/a", f"{empty}/b:new")

    assert ran.code == 0
    assert {line.split(" ")[1] for line in ran.out.splitlines()} == {
        f"{empty}/a:1.0", f"{empty}/b:new",
    }  # fmt: skip


def test_mappings_come_from_files_and_standard_input(
    mirror: Run, catalog: str, empty: str, tmp_path: Path
) -> None:
    file = tmp_path / "mappings.txt"
    file.write_text(f"# the cart\n{catalog}/shop/cart:1.0={empty}/a\n")

    ran = mirror("-f", str(file), "-f", "-", stdin=f"{catalog}/shop/cart:1.1 {empty}/b")

    assert (ran.code, len(ran.out.splitlines())) == (0, 2)


def test_options_come_from_the_environment(mirror: Run, catalog: str, empty: str) -> None:
    ran = mirror(f"{catalog}/shop/cart:1.0={empty}/a", MIRROR_DRY_RUN="1")

    assert "1 planned" in ran.err


def test_a_failure_is_told_with_what_to_try_and_the_rest_is_delivered(
    mirror: Run, catalog: str, empty: str, tmp_path: Path
) -> None:
    report, retry = tmp_path / "run.json", tmp_path / "retry.txt"
    report.write_text("old")

    ran = mirror(
        f"{catalog}/shop/cart:9={empty}/a", f"{catalog}/shop/cart:1.0={empty}/b",
        "--report", str(report), "--retry-file", str(retry),
    )  # fmt: skip
    document = json.loads(report.read_text())
    (failed,) = [image for image in document["images"] if image["status"] == "failed"]

    assert ran.code == 1
    assert f"source {catalog}/shop/cart:9: looking up the manifest: 404 Not Found" in ran.err
    assert "Check the name" in ran.err
    assert ran.out.split(" ")[1].strip() == f"{empty}/b:1.0"
    assert failed["origin"] == "<arguments>:1"
    assert failed["error"]["class"] == "not_found"
    assert retry.read_text() == f"{catalog}/shop/cart:9={empty}/a:9\n"
    assert (report.stat().st_mode & 0o777) == (0o666 & ~_umask())


def test_the_report_can_be_the_standard_output(mirror: Run, catalog: str, empty: str) -> None:
    ran = mirror(f"{catalog}/shop/cart:1.0={empty}/a", "--output", "json", "-q")
    document = json.loads(ran.out)

    assert document["schema"] == "mirror.report/v1"
    assert document["summary"]["copied"] == 1
    assert document["summary"]["requests"].keys() == {catalog, empty}
    assert ran.err == ""


def test_a_dry_run_prints_the_plan_and_changes_nothing(
    mirror: Run, catalog: str, empty: str
) -> None:
    words = (f"{catalog}/shop/cart:1.0={empty}/a",)
    planned = mirror(*words, "--dry-run")
    row = next(line for line in planned.out.splitlines() if line.startswith(empty))
    copied = json.loads(mirror(*words, "-o", "json").out)

    assert f"{catalog}/shop/cart:1.0 -> {empty}/a:1.0" in planned.out
    assert (
        f"{empty}: at once 8 requests (nothing waited), 12 bodies (nothing waited)" in planned.err
    )
    assert int(row.split()[1]) == copied["summary"]["requests"][empty]
    assert int(row.split()[4]) == copied["summary"]["blobs_copied"]


def test_verbose_names_the_unchanged_and_quiet_says_nothing(
    mirror: Run, catalog: str, empty: str
) -> None:
    words = (f"{catalog}/shop/cart:1.0={empty}/a",)
    mirror(*words)

    assert "unchanged: " in mirror(*words, "-v").err
    assert mirror(*words, "-q").err == ""
    assert "skipped" in mirror(f"{catalog}/none:1={empty}/a", "--skip-missing", "-v").err


@pytest.mark.parametrize("how", ["bar", "plain", "none"])
def test_every_kind_of_progress_ends_well(mirror: Run, catalog: str, empty: str, how: str) -> None:
    assert mirror(f"{catalog}/shop/*={empty}/*", "--progress", how).code == 0


def test_a_closed_standard_output_does_not_stop_the_copy(catalog: str, empty: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(f"{catalog}/shop/cart:1.0={empty}/a"), stdout=writing, stderr=subprocess.PIPE,
        env=environment(), check=False, timeout=60, text=True,
    )  # fmt: skip
    os.close(writing)

    assert done.returncode == 0
    assert "standard output is closed" in done.stderr
    assert "1 copied" in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full"])
def test_streams_that_the_caller_closed_do_not_stop_the_copy(
    catalog: str, empty: str, closed: str, tmp_path: Path
) -> None:
    report = tmp_path / "run.json"
    words = command(
        f"{catalog}/shop/cart:1.0={empty}/a", f"{catalog}/none:1={empty}/b",
        "--report", str(report),
    )  # fmt: skip
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *words], env=environment(), check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    assert json.loads(report.read_text())["summary"]["copied"] == 1


def test_a_link_is_written_through(mirror: Run, catalog: str, empty: str, tmp_path: Path) -> None:
    link, target = tmp_path / "latest.json", tmp_path / "run.json"
    target.write_text("old")
    link.symlink_to(target)

    mirror(f"{catalog}/shop/cart:1.0={empty}/a", "--report", str(link))

    assert link.is_symlink()
    assert "mirror.report/v1" in target.read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_a_report(
    catalog: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    import socket

    report = tmp_path / "run.json"
    with socket.socket() as silent:  # accepts connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(
            command(f"{catalog}/shop/cart:1.0={nowhere}/a", "--report", str(report)),
            stderr=subprocess.PIPE, env=environment(),
        ) as process:  # fmt: skip
            silent.accept()
            began = time.monotonic()
            process.send_signal(number)
            process.communicate(timeout=10)
    document = json.loads(report.read_text())

    assert process.returncode == code
    assert time.monotonic() - began < 5
    assert [image["status"] for image in document["images"]] == ["deferred"]


def test_a_report_that_cannot_be_written_in_the_end_is_a_failure(
    mirror: Run, catalog: str, empty: str, tmp_path: Path
) -> None:
    retry = tmp_path / "retry.txt"
    ran = mirror(f"{catalog}/none:1={empty}/a", "--report", "/dev/full", "--retry-file", str(retry))

    assert ran.code == 1
    assert "/dev/full: No space left on device" in ran.err
    assert "not written" in ran.err
    assert "1 failed" in ran.err, "the summary is told all the same"
    assert retry.read_text() == f"{catalog}/none:1={empty}/a:1\n"


def test_a_run_is_written_down_as_metrics_and_remembers_when_all_went_well(
    mirror: Run, catalog: str, empty: str, tmp_path: Path
) -> None:
    metrics = tmp_path / "mirror.prom"
    well = mirror(f"{catalog}/shop/cart:1.0={empty}/metrics", "--metrics", str(metrics))
    before = metrics.read_text().splitlines()
    badly = mirror(f"{catalog}/none:1={empty}/metrics", "--metrics", str(metrics))
    after = metrics.read_text().splitlines()

    assert (well.code, badly.code) == (0, 1)
    assert 'mirror_run_images{status="copied"} 1' in before
    assert f'mirror_run_failures{{class="not_found",registry="{catalog}",side="source"}} 1' in after
    (success,) = [line for line in before if line.startswith("mirror_last_success")]
    assert success in after
    mirror(f"{catalog}/shop/cart:1.1={empty}/metrics", "--metrics", str(metrics), "--dry-run")
    assert metrics.read_text().splitlines() == after


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def test_a_deadline_ends_the_run_with_what_is_left_deferred(
    mirror: Run, catalog: str, empty: str, tmp_path: Path
) -> None:
    import socket

    retry, report = tmp_path / "again.txt", tmp_path / "run.json"
    with socket.socket() as silent:  # accepts connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        done = mirror(
            f"{nowhere}/app:1={empty}/app", f"{catalog}/shop/cart:1.0={empty}/a",
            "--deadline", "1s", "--connect-timeout", "1", "--stall-timeout", "1", "--retries", "0",
            "--retry-file", str(retry), "--report", str(report),
        )  # fmt: skip

    assert done.code == 5, done.err
    assert "the deadline has come: 1 deferred, what has begun goes on" in done.err
    assert retry.read_text() == f"{nowhere}/app:1={empty}/app:1\n"
    statuses = [image["status"] for image in json.loads(report.read_text())["images"]]
    assert sorted(statuses) == ["copied", "deferred"]


def test_a_deadline_that_is_no_time_is_a_usage_error(mirror: Run) -> None:
    done = mirror("a.io/a:1=b.io/a", "--deadline", "tomorrow")

    assert done.code == 2
    assert "write 06:00, or how long, such as 4h or 1h30m" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--platform", "amd64"], "write OS/ARCH or OS/ARCH/VARIANT"),
        (["--filter-by-os", "linux/("], "is not a regular expression"),
    ],
)
def test_a_filter_that_makes_no_sense_is_a_usage_error(
    mirror: Run, words: list[str], said: str
) -> None:
    ran = mirror("s.example.com/a:1=d.example.com/a", *words)

    assert ran.code == 2
    assert said in " ".join(ran.err.split())


def test_the_chosen_platform_is_what_is_pushed_and_told(
    mirror: Run, catalog: str, empty: str
) -> None:
    words = f"{catalog}/shop/cart:1.0={empty}/a", "--platform", "linux/arm64"

    planned = mirror(*words, "--dry-run")
    ran = mirror(*words)
    again = mirror(*words)

    (line,) = ran.out.splitlines()
    assert (planned.code, ran.code, again.code) == (0, 0, 0)
    assert planned.out.splitlines()[0].split(" ")[0] == line.split(" ")[0]
    assert "1 unchanged" in again.err


def test_an_index_is_kept_without_a_filter_too(mirror: Run, catalog: str, empty: str) -> None:
    ran = mirror(f"{catalog}/shop/cart:1.0={empty}/a", "--keep-manifest-list")
    found = mirror("inspect", "--raw", f"{catalog}/shop/cart:1.0").out

    assert ran.code == 0, ran.err
    assert mirror("inspect", "--raw", f"{empty}/a:1.0").out == found
