"""The copy and verify commands: from the words of the command line to an exit code."""

import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mirror.auth.keychain import Keychain
from mirror.cli.access import Access, proxies
from mirror.cli.interrupt import interruptible
from mirror.cli.loop import run
from mirror.cli.output import check, read_before, write
from mirror.cli.terminal import Terminal
from mirror.cli.values import Outputs
from mirror.engine.copying import copy, verify
from mirror.errors import Differs, ExitCode, MirrorError, UsageError
from mirror.events import (
    AdmissionClosed,
    Event,
    ImageSettled,
    PushedBack,
    QuotaSeen,
    Status,
    Traffic,
)
from mirror.mapping.grammar import Document, Rule, parse
from mirror.options import Options
from mirror.report.metrics import text
from mirror.report.progress import Progress, summary
from mirror.report.result import Result

# Seconds for which a host is left alone that are worth a line.
_WORTH_SAYING = 5.0
NOTHING = Outputs()


def main(
    mappings: Sequence[str],
    files: Sequence[str],
    options: Options,
    *,
    logins: Mapping[str, Any],
    json: bool,
    outputs: Outputs,
    progress: str,
    verbosity: int,
    verifying: bool = False,
) -> ExitCode:
    """Copy, or verify; return what to tell the caller.

    Raises UsageError before anything is sent.
    """
    rules = deque(parse(mappings, [_read(path) for path in files]))
    if not rules:
        raise UsageError(
            f"there is nothing to {'verify' if verifying else 'copy'}",
            hint="Give SRC=DST, or --file with a file of such lines; mirror --help says more.",
        )
    keychain = Access(**logins).keychain()
    check(outputs)
    terminal = Terminal()
    return run(
        lambda: copy_and_tell(
            _given_away(rules),
            options,
            terminal,
            keychain,
            json=json,
            outputs=outputs,
            progress=progress,
            verbosity=verbosity,
            verifying=verifying,
        )
    )


async def copy_and_tell(
    rules: Iterable[Rule],
    options: Options,
    terminal: Terminal,
    keychain: Keychain | None = None,
    *,
    json: bool = False,
    outputs: Outputs = NOTHING,
    progress: str = "auto",
    verbosity: int = 0,
    verifying: bool = False,
) -> ExitCode:
    """Copy or verify what the rules say, tell it on the terminal and in files, and judge it."""
    telling = _Telling(
        terminal,
        json=json,
        verbosity=verbosity,
        rehearsing=options.dry_run,
        verifying=verifying,
    )
    plan = None
    result = telling.result
    try:
        async with (
            interruptible() as interruption,
            terminal.showing(telling.progress, telling.traffic, progress),
        ):
            told = telling.take, telling.traffic
            if verifying:
                await verify(rules, options, *told, keychain, proxies())
            else:
                plan = await copy(rules, options, *told, keychain, proxies())
    except UsageError:
        raise  # nothing was sent: what an earlier run wrote still holds
    except BaseException:
        # Also when a bug of ours ended it somebody has to go on from here.
        telling.write_down(outputs, ExitCode.FAILED)
        raise
    code = interruption.exit_code or result.exit_code
    written = telling.write_down(outputs, code)
    if json:
        terminal.print(result.json(telling.seconds).decode().rstrip("\n"))
    elif plan is not None:
        terminal.print(plan.text(result.requests))
    for quota in result.quotas.values():
        terminal.say(_quota(quota))
    if interruption.exit_code is not None:
        terminal.say("interrupted: what was not done yet is deferred", "bold")
    if verbosity >= 0:
        terminal.say(telling.summary())
    return code or written


class _Telling:
    """What the caller is told while the copy goes on, and remembered for the end."""

    def __init__(
        self, terminal: Terminal, *, json: bool, verbosity: int, rehearsing: bool, verifying: bool
    ) -> None:
        self.terminal = terminal
        self._rehearsing = rehearsing
        self._verifying = verifying
        self.progress = Progress()
        self.traffic = Traffic()
        self.result = Result(datetime.now(UTC))
        self._json = json
        self._verbosity = verbosity
        self._began = time.monotonic()
        self._hinted: set[str] = set()
        self._pauses: defaultdict[str, float] = defaultdict(float)

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    def summary(self) -> str:
        """Say in one line what it came to."""
        requests = self.result.requests.total()
        return summary(self._counts(), self.traffic.moved, requests, self.seconds)

    def _counts(self) -> dict[str, int]:
        """Count the images by what became of them, in the words of the command."""
        statuses = self.result.statuses
        if not self._verifying:
            return {str(status): statuses[status] for status in Status}
        differ = sum(isinstance(image.error, Differs) for image in self.result.failures)
        return {
            "the same": statuses[Status.UNCHANGED],
            "repaired": statuses[Status.COPIED],
            "different": differ,
            "skipped": statuses[Status.SKIPPED],
            "deferred": statuses[Status.DEFERRED],
            "failed": statuses[Status.FAILED] - differ,
        }

    def write_down(self, outputs: Outputs, code: ExitCode) -> ExitCode:
        """Write the files that were asked for; say what cannot be written, which is a failure.

        ``code`` is what the run itself tells its caller.
        """
        result, seconds = self.result, self.seconds
        document = result.json(seconds) if outputs.report is not None else b""
        left = result.retry_lines().encode() if outputs.retry_file is not None else b""
        metrics = text(result, seconds, code, read_before(outputs.metrics)).encode()
        # A run that only looked says nothing of when all was well the last time.
        scraped = outputs.metrics if not self._rehearsing else None
        try:
            write([
                (outputs.report, document), (outputs.retry_file, left), (scraped, metrics),
            ])  # fmt: skip
        except MirrorError as error:
            self.terminal.say(f"mirror: {error}", "red")
            self.terminal.say(f"  {error.hint}", "dim")
            return ExitCode.FAILED
        return ExitCode.DONE

    def take(self, event: Event) -> None:
        """Take the next event."""
        self.result.take(event)
        self.progress.take(event)
        match event:
            case ImageSettled():
                self._settled(event)
            case PushedBack():
                self._paused(event)
            case AdmissionClosed() if self._verbosity >= 0:
                self.terminal.say(
                    f"the deadline has come: {event.deferred} deferred, what has begun goes on",
                    "bold",
                )

    def _tell_differences(self, image: ImageSettled) -> None:
        """Print what differs, say how much that is, and once what to do about it."""
        for one in () if self._json else image.differences:
            self.terminal.print(f"{image.destination}: {one}")
        if not isinstance(error := image.error, Differs):
            return
        where = error.place.reference if error.place is not None else ""
        self.terminal.say(f"differs: {where}: {error.message}", "red")
        if error.hint not in self._hinted:
            self._hinted.add(error.hint)
            self.terminal.say(f"  {error.hint}", "dim")

    def _paused(self, pause: PushedBack) -> None:
        """Say that a host is left alone for a while, once for all who wait for it."""
        now, host = time.monotonic(), pause.registry.host
        if self._verbosity < 0 or pause.seconds < _WORTH_SAYING or now < self._pauses[host]:
            return
        self._pauses[host] = now + pause.seconds
        self.terminal.say(
            f"{host} answers {pause.status}: left alone for {pause.seconds:.0f} s", "dim"
        )

    def _settled(self, image: ImageSettled) -> None:
        self._tell_differences(image)
        match image.status:
            case Status.FAILED if not isinstance(image.error, Differs):
                self.terminal.say(f"failed: {image.source} -> {image.destination}", "red")
                if image.error is not None:
                    self.terminal.say(f"  {image.error}")
                    if image.error.hint:
                        self.terminal.say(f"  {image.error.hint}", "dim")
            case Status.COPIED if image.differences:
                if self._verbosity >= 0:
                    self.terminal.say(f"repaired: {image.destination}")
            case Status.COPIED if not self._json:
                self.terminal.print(f"{image.digest} {image.destination}")
            case Status.PLANNED if not self._json:
                self.terminal.print(f"{image.digest} {image.source} -> {image.destination}")
            case Status.SKIPPED | Status.UNCHANGED | Status.DEFERRED if self._verbosity > 0:
                self.terminal.say(f"{image.status}: {image.source} -> {image.destination}", "dim")


def _given_away(rules: deque[Rule]) -> Iterator[Rule]:
    """Give the rules one by one and keep none: there may be very many."""
    while rules:
        yield rules.popleft()


def _quota(quota: QuotaSeen) -> str:
    of = f" of {quota.limit}" if quota.limit is not None else ""
    window = f" in {quota.window // 3600} h" if quota.window else ""
    return f"{quota.host} gives {quota.remaining}{of} more pulls{window}"


def _read(path: str) -> Document:
    if path == "-":
        return Document("<stdin>", sys.stdin.buffer.read())
    try:
        return Document(path, Path(path).read_bytes())
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="This mapping file cannot be read."
        ) from error
