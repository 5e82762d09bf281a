"""A dask cluster: one that is there already, or this machine's cores while they are needed."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Security

import mirror
from mirror.cluster import worker
from mirror.cluster.nursery import METHOD
from mirror.errors import UsageError

# Seconds in which a scheduler must answer, and in which a worker must have come.
_CONNECT_TIMEOUT = 20.0
_WORKER_TIMEOUT = 120.0
# Seconds that closing may take.
_CLOSE_TIMEOUT = 10.0
# Of a cluster of ours: nobody looks at the profiles that workers would take of themselves, and
# what all of them load is loaded once.
_SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.multiprocessing-method": METHOD,
}
_INSTALL = "Install the same oci-mirror[dask] where the scheduler and the workers run."


@asynccontextmanager
async def connected(scheduler: str | None) -> AsyncIterator[Client]:
    """Give a client of a cluster that has a worker, ours if no scheduler's address is given.

    Raises UsageError if there is none, or if it cannot do what is asked of it.
    """
    stack = AsyncExitStack()
    try:
        client = await _connect(await _address(stack, scheduler))
        stack.push_async_exit(client)
        await _check(client)
        yield client
    finally:
        # Also when the run is cancelled: nothing of a cluster of ours is left running.
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            await stack.aclose()


def is_private(client: Client) -> bool:
    """Whether nobody can listen to what goes to the workers."""
    assert client.scheduler is not None, "it is connected"
    return str(client.scheduler.address).startswith(("tls://", "wss://"))


async def _address(stack: AsyncExitStack, scheduler: str | None) -> "str | LocalCluster":
    if scheduler is not None:
        return scheduler
    with dask.config.set(_SETTINGS):
        cluster = LocalCluster(
            n_workers=CPU_COUNT,
            threads_per_worker=1,
            # Logins go over these connections, and others may be on this machine.
            security=Security.temporary(),
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
            asynchronous=True,
        )
        return await stack.enter_async_context(cluster)


async def _connect(where: "str | LocalCluster") -> Client:
    client = None
    try:
        client = Client(where, asynchronous=True, timeout=_CONNECT_TIMEOUT, set_as_default=False)
        await client
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        if client is not None:
            await client.close()
        raise UsageError(
            f"no scheduler answers at {where}: {error}",
            hint="Its address is like tls://HOST:8786; certificates are named in dask's settings.",
        ) from error
    return client


async def _check(client: Client) -> None:
    """Raise UsageError unless a worker has come that is as this process is."""
    try:
        with anyio.fail_after(_WORKER_TIMEOUT):
            theirs = await client.submit(worker.version, pure=False)
    except TimeoutError as error:
        raise UsageError(
            f"no worker came in {_WORKER_TIMEOUT:.0f} s",
            hint="Start one with: dask worker ADDRESS --nthreads 1",
        ) from error
    except ImportError as error:
        raise UsageError(f"a worker cannot load mirror: {error}", hint=_INSTALL) from error
    if theirs != mirror.__version__:
        raise UsageError(
            f"workers have mirror {theirs}, this is {mirror.__version__}", hint=_INSTALL
        )
