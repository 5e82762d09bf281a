"""A run as metrics: what a scraper reads."""

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mirror.errors import Denied
from mirror.events import (
    BlobLanded,
    ImageSettled,
    Landing,
    PruneSettled,
    PruneStatus,
    RequestSent,
    Status,
)
from mirror.exit_code import ExitCode
from mirror.image.digest import Digest
from mirror.image.reference import Repository
from mirror.place import Place, Side
from mirror.report.metrics import text
from mirror.report.result import Result

STARTED = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)


def samples(written: str) -> dict[str, float]:
    """Read the metrics as Prometheus' own client does."""
    found = {}
    for family in text_string_to_metric_families(written):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def result(*images: ImageSettled) -> Result:
    found = Result(STARTED)
    for image in images:
        found.take(image)
    return found


def failed(side: Side, source: str = "s.io/a:1", destination: str = "d.io/a:1") -> ImageSettled:
    error = Denied("403").at(Place(side, "x", "doing"))
    return ImageSettled(source, destination, "f:1", Status.FAILED, error=error)


def test_a_run_is_told_in_numbers() -> None:
    run = result(ImageSettled("s.io/a:1", "d.io/a:1", "f:1", Status.COPIED))
    run.take(BlobLanded(Repository.parse("d.io/a"), Digest.of(b""), 7, Landing.COPIED))
    run.take(RequestSent("d.io", "PUT"))

    found = samples(text(run, 12.5, ExitCode.DONE))

    assert found["mirror_run_images{status=copied}"] == 1
    assert found["mirror_run_images{status=failed}"] == 0
    assert found["mirror_run_blob_bytes{landing=copied}"] == 7
    assert found["mirror_run_requests{registry=d.io}"] == 1
    assert found["mirror_run_duration_seconds"] == 12.5
    assert found["mirror_run_end_timestamp_seconds"] == STARTED.timestamp() + 12.5
    assert found["mirror_last_success_timestamp_seconds"] == STARTED.timestamp() + 12.5


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (failed(Side.SOURCE), "class=auth,registry=s.io,side=source"),
        (failed(Side.DESTINATION), "class=auth,registry=d.io,side=destination"),
        (failed(Side.SOURCE, "oci:usb/a:1"), "class=auth,registry=oci,side=source"),
        (failed(Side.SOURCE, 'we"ird\\/a'), 'class=auth,registry=we"ird\\,side=source'),
    ],
)
def test_failures_are_told_by_registry_and_class(image: ImageSettled, labels: str) -> None:
    found = samples(text(result(image), 1, ExitCode.FAILED))
    assert found[f"mirror_run_failures{{{labels}}}"] == 1
    assert found["mirror_run_exit_code"] == 1


def test_a_run_that_failed_keeps_when_all_went_well_last() -> None:
    well = text(result(), 1, ExitCode.DONE)
    badly = text(result(failed(Side.SOURCE)), 1, ExitCode.FAILED, well)
    again = text(result(), 1, ExitCode.UNFINISHED, badly)

    name = "mirror_last_success_timestamp_seconds"
    assert samples(again)[name] == samples(badly)[name] == samples(well)[name]


@pytest.mark.parametrize("before", ["", "\x00", "mirror_last_success_timestamp_seconds e+e\n"])
def test_what_was_there_before_may_be_anything(before: str) -> None:
    found = samples(text(result(), 1, ExitCode.FAILED, before))
    assert "mirror_last_success_timestamp_seconds" not in found


def ruled(rule: str, status: Status) -> ImageSettled:
    return ImageSettled("s.io/a:1", "d.io/a:1", "f:1", status, rule=rule)


def test_a_rule_in_step_does_not_lag_and_another_lags_since_it_was() -> None:
    first = text(result(ruled('a "b" \\c', Status.COPIED), ruled("two", Status.UNCHANGED)), 10,
                 ExitCode.DONE)  # fmt: skip
    later = Result(datetime(2026, 2, 1, 2, 0, tzinfo=UTC))
    for status in (Status.COPIED, Status.FAILED):
        later.take(ruled('a "b" \\c', status))
    later.take(ruled("two", Status.UNCHANGED))

    found = samples(text(later, 10, ExitCode.FAILED, first))

    behind = 'rule=a "b" \\c'
    assert found[f"mirror_rule_lag_seconds{{{behind}}}"] == 24 * 3600
    assert found["mirror_rule_lag_seconds{rule=two}"] == 0
    assert found[f"mirror_rule_images{{{behind},status=failed}}"] == 1
    assert found[f"mirror_rule_images{{{behind},status=copied}}"] == 1
    then = STARTED.timestamp() + 10
    assert found[f"mirror_rule_last_success_timestamp_seconds{{{behind}}}"] == then


@pytest.mark.parametrize("outcome", [PruneStatus.FAILED, PruneStatus.REFUSED, PruneStatus.DEFERRED])
def test_a_rule_that_could_not_prune_is_not_in_step(outcome: PruneStatus) -> None:
    run = result(ruled("one", Status.UNCHANGED))
    run.take(PruneSettled("d.io/a", "f:1", outcome, rule="one"))
    found = samples(text(run, 10, ExitCode.FAILED))

    assert "mirror_rule_lag_seconds{rule=one}" not in found
    assert found["mirror_rule_last_success_timestamp_seconds{rule=one}"] == 0
    assert found[f"mirror_run_pruned_tags{{status={outcome}}}"] == 1


def test_a_rule_that_had_nothing_to_do_is_in_step() -> None:
    found = samples(text(Result(STARTED, ("one",)), 10, ExitCode.DONE))

    assert found["mirror_rule_lag_seconds{rule=one}"] == 0
    assert found["mirror_rule_images{rule=one,status=copied}"] == 0


def test_mappings_without_a_name_are_no_rules() -> None:
    assert "mirror_rule" not in text(result(ruled("", Status.COPIED)), 1, ExitCode.DONE)
