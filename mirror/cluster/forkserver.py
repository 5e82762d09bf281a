"""The process of which the workers of this machine are forked, begun before anybody needs them.

It loads what all workers need while this process still loads what it needs itself.
"""

import multiprocessing
import signal
from multiprocessing import forkserver, resource_tracker

METHOD = "forkserver"
_LOADED_THERE = ["mirror.cluster.worker"]


def begin() -> None:
    """Start it, unless it runs."""
    multiprocessing.get_context(METHOD).set_forkserver_preload(_LOADED_THERE)
    # It would let signals through again in the middle of what follows.
    resource_tracker.ensure_running()
    # Ctrl-C in a terminal is for this process, which tells the workers; they inherit this.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
