"""What the caller is told while a run goes on, and remembered for the end."""

import time
from collections import Counter, defaultdict
from datetime import UTC, datetime

from mirror.cli.converters import Outputs, ReportingOptions
from mirror.cli.output import read_before, write
from mirror.cli.terminal import Terminal
from mirror.errors import Differs, MirrorError
from mirror.events import (
    AdmissionClosed,
    Event,
    HostThrottled,
    ImageSettled,
    PruneSettled,
    PruneStatus,
    QuotaSeen,
    Status,
    Traffic,
)
from mirror.exit_code import ExitCode
from mirror.report.metrics import text
from mirror.report.progress import Progress, summary
from mirror.report.result import Result

# Seconds for which a host is left alone that are worth a line.
_WORTH_SAYING = 5.0


class Reporter:
    """Takes the events of a run, and tells them on the terminal and in files."""

    def __init__(
        self, terminal: Terminal, reporting: ReportingOptions, *, rehearsing: bool, verifying: bool
    ) -> None:
        self.terminal = terminal
        self._rehearsing = rehearsing
        self._verifying = verifying
        self.progress = Progress()
        self.traffic = Traffic()
        self.result = Result(datetime.now(UTC), reporting.rules, reporting.shard)
        self._json = reporting.json
        self._verbosity = reporting.verbosity
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
            counts = {str(status): statuses[status] for status in Status}
            if self.result.recalled:
                counts["unchanged"] -= self.result.recalled
                counts["unchanged as the ledger has it"] = self.result.recalled
            return counts | _prunes(self.result.pruned)
        differ = sum(isinstance(image.error, Differs) for image in self.result.failures)
        return {
            "the same": statuses[Status.UNCHANGED],
            "repaired": statuses[Status.COPIED],
            "different": differ,
            "skipped": statuses[Status.SKIPPED],
            "deferred": statuses[Status.DEFERRED],
            "failed": statuses[Status.FAILED] - differ,
        }

    def conclude(self, *, interrupted: bool) -> None:
        """Say what it came to, and what a person should know of it."""
        for quota in self.result.quotas.values():
            self.terminal.say(_quota(quota))
        if interrupted:
            self.terminal.say("interrupted: what was not done yet is deferred", "bold")
        if self._verbosity > 0 or (self._rehearsing and self._verbosity >= 0):
            for host, level in self.result.report_levels().items():
                self.terminal.say(f"{host}: at once {level.text()}", "dim")
        if self._verbosity >= 0:
            self.terminal.say(self.summary())

    def write_down(self, outputs: Outputs, code: ExitCode) -> ExitCode:
        """Write the files that were asked for; say what cannot be written, which is a failure.

        ``code`` is what the run itself tells its caller.
        """
        result, seconds = self.result, self.seconds
        document = result.json_pieces(seconds)
        left = result.retry_lines().encode() if outputs.retry_file is not None else b""
        metrics = text(result, seconds, code, read_before(outputs.metrics)).encode()
        # A run that only looked says nothing of when all was well the last time.
        scraped = outputs.metrics if not self._rehearsing else None
        try:
            write([
                (outputs.report, document), (outputs.retry_file, [left]), (scraped, [metrics]),
            ])  # fmt: skip
        except MirrorError as error:
            self.terminal.say(f"mirror: {error}", "red")
            self.terminal.say(f"  {error.hint}", "dim")
            return ExitCode.FAILED
        return ExitCode.DONE

    def take(self, event: Event) -> None:
        """Take the next event."""
        self.result.take(event, self.seconds)
        self.progress.take(event)
        match event:
            case ImageSettled():
                self._settled(event)
            case PruneSettled():
                self._pruned(event)
            case HostThrottled():
                self._paused(event)
            case AdmissionClosed():
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

    def _pruned(self, prune: PruneSettled) -> None:
        """Say what became of a tag that has left its source."""
        match prune.outcome:
            case PruneStatus.FAILED | PruneStatus.REFUSED:
                self._complain(f"not pruned: {prune.destination}", prune.error)
            case PruneStatus.KEPT if self._verbosity >= 0 and prune.error is not None:
                self.terminal.say(f"kept: {prune.destination}: {prune.error.message}", "dim")
            case PruneStatus.DEFERRED if self._verbosity > 0:
                self.terminal.say(f"prune deferred: {prune.destination}", "dim")
            case PruneStatus.PRUNED if not self._json:
                self.terminal.print(f"pruned {prune.digest} {prune.destination}")
            case PruneStatus.PLANNED if not self._json:
                self.terminal.print(f"would prune {prune.digest} {prune.destination}")

    def _complain(self, what: str, error: MirrorError | None) -> None:
        self.terminal.say(what, "red")
        if error is not None:
            self.terminal.say(f"  {error}")
            if error.hint:
                self.terminal.say(f"  {error.hint}", "dim")

    def _paused(self, pause: HostThrottled) -> None:
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
                self._complain(f"failed: {image.source} -> {image.destination}", image.error)
            case Status.COPIED if image.differences:
                if self._verbosity >= 0:
                    self.terminal.say(f"repaired: {image.destination}")
            case Status.COPIED if not self._json:
                self.terminal.print(f"{image.digest} {image.destination}")
            case Status.PLANNED if not self._json:
                self.terminal.print(f"{image.digest} {image.source} -> {image.destination}")
            case Status.SKIPPED | Status.UNCHANGED | Status.DEFERRED if self._verbosity > 0:
                self.terminal.say(f"{image.status}: {image.source} -> {image.destination}", "dim")


def _prunes(counts: Counter[PruneStatus]) -> dict[str, int]:
    """Count what became of tags that have left their source, in words for a person."""
    return {
        "pruned": counts[PruneStatus.PRUNED],
        "to be pruned": counts[PruneStatus.PLANNED],
        "kept": counts[PruneStatus.KEPT],
        "not pruned": counts[PruneStatus.REFUSED] + counts[PruneStatus.FAILED],
        "prunes deferred": counts[PruneStatus.DEFERRED],
    }


def _quota(quota: QuotaSeen) -> str:
    of = f" of {quota.limit}" if quota.limit is not None else ""
    window = f" in {quota.window // 3600} h" if quota.window else ""
    return f"{quota.host} gives {quota.remaining}{of} more pulls{window}"
