"""The exit codes of the command line."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERENT = 3
    UNFINISHED = 5
    """A deadline, a quota or another run came first."""
    INTERRUPTED = 130
    TERMINATED = 143
