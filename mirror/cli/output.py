"""Files that options name: checked before the work, written whole after it."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mirror.cli.converters import Outputs
from mirror.errors import MirrorError, UsageError


def check(outputs: Outputs) -> None:
    """Raise UsageError if one of the files could not be written; nothing is written yet."""
    for path in (outputs.report, outputs.retry_file, outputs.metrics):
        check_writable(path)


def read_before(path: Path | None) -> str:
    """Return what a file says that will be written anew; nothing if it cannot be read."""
    try:
        return path.read_text(errors="replace") if path is not None and path.is_file() else ""
    except OSError:
        return ""


def check_writable(path: Path | None) -> None:
    """Raise UsageError if the file could not be written; nothing is written yet."""
    if path is None:
        return
    folder = path.resolve().parent
    if path.is_dir():
        raise UsageError(f"{path}: is a directory", hint="Name a file to write to.")
    if path.exists() and os.access(path, os.W_OK) and path.is_relative_to("/dev"):
        return
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"{path}: cannot be written", hint=f"Is {folder} a writable directory?")


def write(files: Iterable[tuple[Path | None, Iterable[bytes]]]) -> None:
    """Write files of these pieces; a reader of one sees what it was or what it is, nothing between.

    Each is tried; raises MirrorError afterwards if some could not be written.
    """
    problems = []
    for path, content in files:
        try:
            if path is not None:
                _write(path, content)
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    if problems:
        raise MirrorError(
            "; ".join(problems), hint="The work is done, but this is not written down."
        )


def _write(path: Path, content: Iterable[bytes]) -> None:
    if (path.exists() and not path.resolve().is_file()) or path.is_relative_to("/dev"):
        with path.open("wb") as device:  # a pipe or a device is written to, never replaced
            device.writelines(content)
        return
    path = path.resolve()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        temporary = Path(file.name)
        try:
            file.writelines(content)
            file.flush()
            # A temporary file is private; the one asked for is like any other.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
