"""Where the work runs: in this process, or with the workers of a cluster."""

import importlib
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Protocol

from mirror.auth.keychain import Logins
from mirror.engine.dry_run import Plan
from mirror.engine.run import Environment, copy, verify
from mirror.errors import UsageError
from mirror.events import Emit, Traffic
from mirror.mapping.grammar import Rule
from mirror.options import Cluster, Options

# Loaded by name: dask need not be installed where there is no cluster.
_COORDINATOR, _FORKSERVER = "mirror.cluster.coordinator", "mirror.cluster.forkserver"


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
        importlib.import_module(_FORKSERVER).begin()
    try:
        coordinator = importlib.import_module(_COORDINATOR)
    except ImportError as error:
        raise UsageError(
            f"the dask engine needs another package: {error}",
            hint="pip install 'oci-mirror[dask]'",
        ) from error
    parallelism: Engine = partial(coordinator.carry_out, scheduler=cluster.scheduler)
    return parallelism


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
