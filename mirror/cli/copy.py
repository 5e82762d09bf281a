"""The copy and verify commands: from the words of the command line to an exit code."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mirror.auth.keychain import Logins
from mirror.cli.converters import ReportingOptions
from mirror.cli.credential_options import Access
from mirror.cli.interrupt import interruptible
from mirror.cli.output import check
from mirror.cli.reporter import Reporter
from mirror.cli.terminal import Terminal
from mirror.engine.loop import run
from mirror.errors import UsageError
from mirror.exit_code import ExitCode
from mirror.library.engines import engine_of
from mirror.mapping.grammar import Document, Rule, parse
from mirror.mapping.rule_options import name_of
from mirror.options import Cluster, Options

_PLAINLY, _NOBODY = ReportingOptions(), Logins()
_UNREADABLE = "This mapping file cannot be read."


def main(
    mappings: Sequence[str],
    files: Sequence[str],
    options: Options,
    logins: Mapping[str, Any],
    reporting: ReportingOptions,
    *,
    verifying: bool = False,
    cluster: Cluster | None = None,
) -> ExitCode:
    """Copy, or verify; return what to tell the caller.

    Raises UsageError before anything is sent.
    """
    rules = parse(mappings, [read_document(path, _UNREADABLE) for path in files])
    if not rules:
        raise UsageError(
            f"there is nothing to {'verify' if verifying else 'copy'}",
            hint="Give SRC=DST, or --file with a file of such lines; mirror --help says more.",
        )
    given = Access(**logins).logins()
    return carry_out(deque(rules), options, given, reporting, verifying=verifying, cluster=cluster)


def carry_out(
    rules: deque[Rule],
    options: Options,
    logins: Logins,
    reporting: ReportingOptions,
    *,
    verifying: bool = False,
    cluster: Cluster | None = None,
) -> ExitCode:
    """Copy or verify what the rules say, from beginning to end; see `main`.

    The rules are taken out one by one, since there may be very many.
    """
    check(reporting.outputs)
    terminal = Terminal()
    named = tuple(dict.fromkeys(name for rule in rules if (name := name_of(rule.options))))
    reporting = replace(reporting, rules=named, shard=options.shard)
    return run(
        lambda: copy_and_tell(
            _given_away(rules), options, terminal, logins, reporting, verifying=verifying,
            cluster=cluster,
        )
    )  # fmt: skip


async def copy_and_tell(
    rules: Iterable[Rule],
    options: Options,
    terminal: Terminal,
    logins: Logins = _NOBODY,
    reporting: ReportingOptions = _PLAINLY,
    *,
    verifying: bool = False,
    cluster: Cluster | None = None,
) -> ExitCode:
    """Copy or verify what the rules say, tell it on the terminal and in files, and judge it."""
    reporter = Reporter(terminal, reporting, rehearsing=options.dry_run, verifying=verifying)
    plan = None
    result = reporter.result
    try:
        with interruptible() as interruption:
            async with terminal.showing(reporter.progress, reporter.traffic, reporting.progress):
                told = reporter.take, reporter.traffic
                plan = await engine_of(cluster)(rules, options, *told, logins, verifying=verifying)
    except UsageError:
        raise  # nothing was sent: what an earlier run wrote still holds
    except BaseException:
        # Also after a bug of ours the next run has to go on from here.
        reporter.write_down(reporting.outputs, ExitCode.FAILED)
        raise
    code = interruption.exit_code or result.exit_code
    written = reporter.write_down(reporting.outputs, code)
    if reporting.json:
        terminal.print(result.json(reporter.seconds).decode().rstrip("\n"))
    elif plan is not None:
        terminal.print(plan.text(result.requests))
        if (share := result.share) is not None:
            terminal.print(share.text())
    reporter.conclude(interrupted=interruption.exit_code is not None)
    return code or written


def _given_away(rules: deque[Rule]) -> Iterator[Rule]:
    """Give the rules one by one and keep none: there may be very many."""
    while rules:
        yield rules.popleft()


def read_document(path: str, hint: str) -> Document:
    """Read a file, ``-`` being standard input; raise UsageError with this hint if it cannot be."""
    if path == "-":
        return Document("<stdin>", sys.stdin.buffer.read())
    try:
        return Document(path, Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint=hint) from error
