"""Files that options name: checked before the work, written whole after it."""

import os
import tempfile
from pathlib import Path

from mirror.errors import MirrorError, UsageError


def check_writable(path: Path | None) -> None:
    """Raise UsageError if the file could not be written; nothing is written yet."""
    if path is None:
        return
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{path}: is a directory", hint="Name a file to write to.")
    if path.exists() and os.access(path, os.W_OK) and not path.is_file():
        return
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"{path}: cannot be written", hint=f"Is {folder} a writable directory?")


def write(path: Path | None, content: bytes) -> None:
    """Write a file, so that a reader sees the old or the new content and nothing between."""
    if path is None:
        return
    temporary = None
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # a pipe or a device is written to, never replaced
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        # A temporary file is private; the one asked for is like any other.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise MirrorError(
            f"{path}: {error.strerror}", hint="The work is done, but this file is not written."
        ) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
