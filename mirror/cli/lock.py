"""A file that one run holds, so that no two overlap; whatever ends the run lets go of it.

The system keeps the lock, not the file: a run that was killed holds nothing, and the file
that it leaves behind says nothing.
"""

import fcntl
import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from mirror.errors import Locked, UsageError
from mirror.shard import Shard

# What a holder says of itself begins so.
_SAYING = b"process "
# Bytes of what a holder says of itself.
_SAYING_LIMIT = 400


def path_for(configuration: str, ledger: Path | None, shard: Shard | None = None) -> Path:
    """Return the lock of a configuration: beside its ledger, which all its runs share.

    Without one it is in the folder for temporary files, the same for all runs of a user.
    Each share of the work has its own, since shares run side by side.
    """
    share = f".{shard.index}-of-{shard.count}" if shard is not None else ""
    if ledger is not None:
        return ledger.with_name(f"{ledger.name}{share}.lock")
    name = hashlib.sha256(os.path.realpath(configuration).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"mirror-{os.getuid()}-{name}{share}.lock")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock while the block lasts; raise Locked, which says by whom it is held.

    Raises UsageError if there can be no such file.
    """
    # The name is known beforehand, so another user may have put a link there.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="Name a file that can be written with --lock."
        ) from error
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    said = os.pread(descriptor, _SAYING_LIMIT, 0) if _is_file(descriptor) else b"no file"
    if said and not said.startswith(_SAYING):
        raise UsageError(f"{path}: not a lock", hint="Name a file of its own with --lock.")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = said.decode(errors="replace").strip()
        raise Locked(
            f"another run is under way: {holder or 'it does not say who it is'} ({path})"
        ) from error
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    saying = f"process {os.getpid()} on {socket.gethostname()}, since {since}\n"
    with suppress(OSError):  # it is held, whether or not there is room to say by whom
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, saying.encode(), 0)


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
