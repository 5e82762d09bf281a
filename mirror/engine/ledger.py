"""The ledger: what was seen at destinations, and when, in a file (SQLite).

It spares questions and decides nothing else: what it does not know is asked, and
without it everything is.  A destination is asked again after ``recheck`` seconds at the
latest, each at another time, so that no night pays for all of them.
"""

import sqlite3
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Self

from mirror.errors import MirrorError, Side, UsageError
from mirror.events import Event, ImageSettled, PruneSettled, Pruning, Status
from mirror.image.digest import Digest
from mirror.image.reference import Reference
from mirror.plan.memory import Remembered

# "mirr", so that another program's file is not taken for ours.
_APPLICATION = 0x6D697272
_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS verified (
    destination TEXT, wanted TEXT, source TEXT, digest TEXT, at REAL,
    PRIMARY KEY (destination, wanted)
) WITHOUT ROWID
"""
_RECALL = "SELECT source, digest, at FROM verified WHERE destination = ? AND wanted = ?"
_REMEMBER = "INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM verified WHERE destination = ?"
# Entries that a killed run may lose, which costs the next one as many questions.
_BATCH = 500
# One in so many tags that never move is looked at all the same, in each run.
_SAMPLE = 0.01
_HINT = "Name another file, or delete this one: the next run asks every destination once."


class Ledger:
    """A context manager; `recall` answers a planner, `take` learns from events."""

    def __init__(
        self,
        path: Path,
        *,
        recheck: float,
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        """Open the file or make it; raise UsageError if it is none of ours."""
        self._path = path
        self._recheck = recheck
        self._clock = clock
        self._random = random or SystemRandom()
        self._waiting: list[tuple[str, tuple[str | float, ...]]] = []
        """Statements that are not carried out yet, in their order."""
        try:
            self._file = sqlite3.connect(path)
            self._prepare()
        except sqlite3.Error as error:
            raise UsageError(f"{path}: no ledger: {error}", hint=_HINT) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is not written yet; raise MirrorError if that cannot be done."""
        try:
            self._write()
        finally:
            self._file.close()

    def recall(self, destination: Reference, wanted: str) -> Remembered | None:
        """Return what the destination was last seen to hold; see `mirror.plan.memory`."""
        row = self._file.execute(_RECALL, (str(destination), wanted)).fetchone()
        if row is None:
            return None
        source, digest, at = row
        # Between half of the time and all of it, for each destination another part.
        share = 0.5 + zlib.crc32(str(destination).encode()) / 2**33
        fresh = 0 <= self._clock() - at < self._recheck * share
        sampled = self._random.random() < _SAMPLE
        return Remembered(Digest.parse(source), Digest.parse(digest), fresh, sampled)

    def take(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case ImageSettled(status=Status.COPIED | Status.UNCHANGED, recalled=False):
                self._remember(event)
            case ImageSettled(status=Status.FAILED) if _is_about_destination(event.error):
                self._do(_FORGET, event.destination)
            case PruneSettled(outcome=Pruning.PRUNED):
                self._do(_FORGET, event.destination)

    def _remember(self, image: ImageSettled) -> None:
        if image.digest is None:
            return
        source, digest = str(image.source_digest or image.digest), str(image.digest)
        self._do(_REMEMBER, image.destination, image.wanted, source, digest, self._clock())

    def _do(self, statement: str, *values: str | float) -> None:
        self._waiting.append((statement, values))
        if len(self._waiting) >= _BATCH:
            self._write()

    def _prepare(self) -> None:
        (application,) = self._file.execute("PRAGMA application_id").fetchone()
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        (tables,) = self._file.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and (application, version) != (_APPLICATION, _VERSION):
            raise sqlite3.DatabaseError("it is of another program or version")
        self._file.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._file.execute(f"PRAGMA user_version = {_VERSION}")
        self._file.execute(_TABLE)
        self._file.commit()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            for statement, values in waiting:
                self._file.execute(statement, values)
            self._file.commit()
        except sqlite3.Error as error:
            problem = f"{self._path}: the ledger cannot be written: {error}"
            raise MirrorError(
                problem, hint="The images are done; the next run asks more."
            ) from error


def _is_about_destination(error: MirrorError | None) -> bool:
    """Whether what failed says something of a destination; a source's trouble does not."""
    place = error.place if error is not None else None
    return place is None or place.side is Side.DESTINATION
