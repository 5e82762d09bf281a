"""The report command: a run that is over, told again as a page or in a few lines."""

import sys
from collections.abc import Sequence
from pathlib import Path

from mirror.cli.copy import read_document
from mirror.cli.output import check_writable, write
from mirror.errors import UsageError
from mirror.exit_code import ExitCode
from mirror.report.document import Report, parse, text
from mirror.report.merging import merge, missing
from mirror.report.page import changes_of, failures, render, verdict
from mirror.report.progress import clock, size

# Changes that the short form names, at most.
_NAMED = 20
_UNREADABLE = "This report cannot be read."


def main(paths: Sequence[str], html: Path | None, before: str | None, *, json: bool) -> ExitCode:
    """Tell what a report says, or several as one; return 0 unless a share of the work is missing.

    Raises UsageError for what is not a report, or cannot be written.
    """
    if before is not None and html is None:
        raise UsageError("--before compares on a page", hint="Name that too: --html PATH.")
    check_writable(html)
    report = merge([_read(path) for path in paths])
    compared = _read(before) if before is not None else None
    if html is not None:
        name = Path(paths[0]).name + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
        page = render(report, name, compared)
        write([(html, [page.encode(errors="replace")])])
    if json:
        sys.stdout.buffer.writelines(text(report, report.images))
    elif html is None:
        print("\n".join(map(_printable, _lines(report))))
    if not missing(report):
        return ExitCode.DONE
    if json or html is not None:
        print(f"mirror: {verdict(report)[1]}", file=sys.stderr)
    return ExitCode.FAILED


def _read(path: str) -> Report:
    document = read_document(path, _UNREADABLE)
    return parse(document.content, document.name)


def _printable(line: str) -> str:
    """Return a line that does nothing else to a terminal, whatever a registry said."""
    return "".join(letter if letter.isprintable() else " " for letter in line)


def _lines(report: Report) -> list[str]:
    """Say it in a few lines."""
    it = report.summary
    images = (it.copied, "copied"), (it.unchanged, "unchanged"), (it.skipped, "skipped")
    rest = (it.deferred, "deferred"), (it.failed, "failed"), (it.tags_pruned, "pruned")
    lines = [
        verdict(report)[1],
        ", ".join(f"{count} {word}" for count, word in images + rest if count),
        f"{size(it.bytes_copied)} copied, {size(it.bytes_mounted)} mounted",
        f"{sum(it.requests.values())} requests in {clock(report.duration_seconds)}",
        f"began {report.started}",
        *(share.text() for share in report.shards),
    ]
    changes = changes_of(report)
    lines += [f"{change.what}: {change.reference}" for change in changes[:_NAMED]]
    if len(changes) > _NAMED:
        lines.append(f"and {len(changes) - _NAMED} more")
    for reference, origin, error in failures(report):
        lines += [f"failed: {reference} ({origin})", f"  {error.message}", f"  {error.hint}"]
    return [line for line in lines if line.strip()]
