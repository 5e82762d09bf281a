"""The process of which the workers of this machine are forked."""

import multiprocessing
import signal
from multiprocessing import forkserver, resource_tracker

_LOADED_FOR_WORKERS = ["mirror.cluster.worker"]


def begin() -> None:
    """Start the process, unless it runs.

    It loads what all workers need while this process still loads what it needs itself.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(_LOADED_FOR_WORKERS)
    # It would let signals through again in the middle of what follows.
    resource_tracker.ensure_running()
    # Ctrl-C in a terminal is for this process, which tells the workers; they inherit this.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
