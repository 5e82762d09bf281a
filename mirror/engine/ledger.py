"""The ledger: what was seen at destinations, and when, in a file (SQLite).

It spares questions and decides nothing else: what it does not know is asked, and
without it everything is.  A destination is asked again after ``recheck`` seconds at the
latest, each at another time, so that no night pays for all of them.
"""

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Self

from msgspec import Struct

from mirror.errors import MirrorError, UsageError
from mirror.events import DestinationChanging, Event, ImageSettled, Status
from mirror.image.digest import Digest
from mirror.image.reference import Reference, Repository
from mirror.place import Side

# "mirr", so that another program's file is not taken for ours.
_APPLICATION = 0x6D697272
_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS verified (
    destination TEXT PRIMARY KEY, wanted TEXT, source TEXT, source_digest TEXT, digest TEXT, at REAL
) WITHOUT ROWID
"""
_RECALL = (
    "SELECT source, source_digest, digest, at FROM verified WHERE destination = ? AND wanted = ?"
)
_REMEMBER = "INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM verified WHERE destination = ?"
# What is lent is changed by other processes, which are not heard of if this one is killed.
_LENT = "CREATE TABLE IF NOT EXISTS lent (repository TEXT PRIMARY KEY) WITHOUT ROWID"
_OF = """
SELECT destination, wanted, source, source_digest, digest, at FROM verified
WHERE destination BETWEEN ? || ':' AND ? || ':~' OR destination BETWEEN ? || '@' AND ? || '@~'
"""
_FORGET_OF = """
DELETE FROM verified
WHERE destination BETWEEN ? || ':' AND ? || ':~' OR destination BETWEEN ? || '@' AND ? || '@~'
"""
# Entries that a killed run may lose, which costs the next one as many questions.
_BATCH = 500
# Seconds for which another process may keep it from being written; nothing else goes on then.
_BUSY = 1.0
# One in so many tags that never move is looked at all the same, in each run.
_SAMPLE = 0.01
_HINT = "Name another file, or delete this one: the next run asks every destination once."


class Remembered(Struct, frozen=True):
    """What a destination was seen to hold."""

    named: str
    """Its source, in full."""
    source: Digest
    """What its source named then."""
    digest: Digest
    """What the destination named, which is another where platforms are chosen."""
    fresh: bool
    """Whether the destination need not be asked again yet."""
    sampled: bool
    """Whether it is looked at now even if its tag never moves."""


Recall = Callable[[Reference, str], Remembered | None]
"""Gives what is remembered of a destination, for what of an image is wanted."""

Memory = Mapping[tuple[str, str], Remembered]
"""The same as a table: by destination, and by what of an image is wanted."""


def nothing(_destination: Reference, _wanted: str) -> None:
    """Remember nothing: the recall of a run without a ledger."""


class Ledger:
    """A context manager; `recall` answers what is remembered, `take` notes events."""

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
        self._broken: sqlite3.Error | None = None
        """Why nothing is written any more."""
        try:
            self._file = sqlite3.connect(path, timeout=_BUSY)
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
        """Write what is not written yet; raise MirrorError if not all could be."""
        self._write()
        self._file.close()
        if self._broken is not None and kind is None:
            raise MirrorError(
                f"{self._path}: the ledger could not be written: {self._broken}",
                hint="The images are as the report says; the next run asks more.",
            )

    def recall(self, destination: Reference, wanted: str) -> Remembered | None:
        """Return what the destination was last seen to hold."""
        try:
            row = self._file.execute(_RECALL, (str(destination), wanted)).fetchone()
        except sqlite3.Error:
            return None
        return self._remembered(str(destination), *row) if row is not None else None

    def hand_out(self, repositories: Iterable[Repository]) -> Memory:
        """Return what is remembered of repositories that another process is about to change.

        Should this one be killed before they are given back, all that is forgotten.
        """
        memory: dict[tuple[str, str], Remembered] = {}
        for repository in repositories:
            name = str(repository)
            self._do("INSERT OR REPLACE INTO lent VALUES (?)", name)
            with suppress(sqlite3.Error):
                for destination, wanted, *row in self._file.execute(_OF, (name,) * 4):
                    if (known := self._remembered(destination, *row)) is not None:
                        memory[destination, wanted] = known
        self._write()
        return memory

    def give_back(self, repositories: Iterable[Repository]) -> None:
        """Note that every event about these repositories was seen."""
        for repository in repositories:
            self._do("DELETE FROM lent WHERE repository = ?", str(repository))

    def _remembered(
        self, destination: str, source: str, source_digest: str, digest: str, at: float
    ) -> Remembered | None:
        try:
            # Between half of the time and all of it, for each destination another part.
            share = 0.5 + zlib.crc32(destination.encode()) / 2**33
            fresh = 0 <= self._clock() - at < self._recheck * share
            sampled = self._random.random() < _SAMPLE
            names = Digest.parse(source_digest), Digest.parse(digest)
            return Remembered(source, *names, fresh, sampled)
        except (ValueError, TypeError, AttributeError):
            return None  # a damaged row is none

    def take(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case (
                ImageSettled(status=Status.COPIED)
                | ImageSettled(status=Status.UNCHANGED, recalled=False)
            ):
                self._remember(event)
            case ImageSettled(status=Status.FAILED) if _is_about_destination(event.error):
                self._do(_FORGET, str(event.destination))
            case DestinationChanging():
                # Before it is changed, not after: a run that is killed in between says nothing.
                self._do(_FORGET, str(event.destination))
                self._write()

    def _remember(self, image: ImageSettled) -> None:
        if image.digest is None:
            return
        names = str(image.source_digest or image.digest), str(image.digest)
        sides = str(image.destination), image.wanted, str(image.source)
        self._do(_REMEMBER, *sides, *names, self._clock())

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
        self._file.execute(_LENT)
        for (name,) in self._file.execute("SELECT repository FROM lent").fetchall():
            self._file.execute(_FORGET_OF, (name,) * 4)
        self._file.execute("DELETE FROM lent")
        self._file.commit()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._broken is not None:
            return
        try:
            for statement, values in waiting:
                self._file.execute(statement, values)
            self._file.commit()
        except sqlite3.Error as error:
            # What it spares is not worth what would not be done without it.
            self._broken = error


def _is_about_destination(error: MirrorError | None) -> bool:
    """Whether what failed says something of a destination; a source's trouble does not."""
    place = error.place if error is not None else None
    return place is None or place.side is Side.DESTINATION
