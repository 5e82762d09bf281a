"""Where the work runs: in this process, or with the workers of a cluster."""

import importlib
import multiprocessing
import signal
from collections.abc import Awaitable, Iterable
from functools import partial
from multiprocessing import forkserver, resource_tracker
from typing import Protocol

from mirror.auth.keychain import Logins
from mirror.engine.dry_run import Plan
from mirror.engine.run import Environment, copy, verify
from mirror.errors import UsageError
from mirror.events import Emit, Traffic
from mirror.mapping.grammar import Rule
from mirror.options import Cluster, Options

# Loaded by name: dask need not be installed where there is no cluster.
_COORDINATOR = "mirror.cluster.coordinator"
_LOADED_FOR_WORKERS = ["mirror.cluster.worker"]


class Engine(Protocol):
    """Carries out a run."""

    def __call__(
        self,
        rules: Iterable[Rule],
        options: Options,
        emit: Emit,
        traffic: Traffic,
        logins: Logins,
        *,
        verifying: bool,
    ) -> Awaitable[Plan | None]:
        """Copy or verify what the rules say, and tell every step; return the plan of a dry run.

        Every image is told of exactly once, also when this is cancelled.  Raises UsageError
        before anything is sent.
        """
        ...


def engine_of(cluster: Cluster | None) -> Engine:
    """Return what does the work; raise UsageError where it is not installed."""
    if cluster is None:
        return locally
    if cluster.scheduler is None:
        _begin_forkserver()
    try:
        coordinator = importlib.import_module(_COORDINATOR)
    except ImportError as error:
        raise UsageError(
            f"the dask engine needs another package: {error}",
            hint="pip install 'oci-mirror[dask]'",
        ) from error
    parallelism: Engine = partial(coordinator.carry_out, scheduler=cluster.scheduler)
    return parallelism


def _begin_forkserver() -> None:
    """Start the process of which this machine's workers are forked, unless it runs.

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


async def locally(
    rules: Iterable[Rule],
    options: Options,
    emit: Emit,
    traffic: Traffic,
    logins: Logins,
    *,
    verifying: bool,
) -> Plan | None:
    """Do it in this process; see `Engine`."""
    environment = Environment.of(logins)
    if not verifying:
        return await copy(rules, options, emit, traffic, environment)
    await verify(rules, options, emit, traffic, environment)
    return None
