"""Standard streams that the caller closed: replaced before a socket takes their place."""

import os
import sys


def ensure() -> None:
    """Hold the three standard descriptors; one that was closed reads and writes nothing.

    Otherwise the first sockets would be opened as 0, 1 and 2, and whatever prints
    would write into a connection to a registry.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest descriptor that is free
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor, for good
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - as above


def give_up(descriptor: int) -> None:
    """Send whatever is still written there to nowhere, so that the end does not fail on it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
