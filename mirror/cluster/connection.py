"""A dask cluster: one that is there already, or this machine's cores while they are needed."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.metadata import version

import anyio
import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Security

import mirror
from mirror.errors import UsageError

# Seconds in which a scheduler must answer, and in which a worker must have come: one that is
# started on demand has to load first.
_CONNECT_TIMEOUT = 10.0
_WORKER_TIMEOUT = 60.0
# Seconds that closing may take.
_CLOSE_TIMEOUT = 10.0
# In our own cluster the profiles that workers take of themselves are of no use, and what all of
# them load is loaded once.
_SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
_LOGS = "What the scheduler and the workers print says more."
_INSTALL = "Install the same oci-mirror[dask] where the scheduler and the workers run."


@asynccontextmanager
async def connected(scheduler: str | None) -> AsyncIterator[Client]:
    """Give a client of a cluster that has a worker, ours if no scheduler's address is given.

    Raises UsageError if there is none, or if it cannot do what is asked of it.
    """
    stack = AsyncExitStack()
    stack.enter_context(_quiet())
    try:
        client = await _connect(await _address(stack, scheduler))
        stack.push_async_exit(client)
        await _check(client)
        yield client
    finally:
        # Also when the run is cancelled: nothing of a cluster of ours is left running.
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            await stack.aclose()


def is_private(scheduler: str | None) -> bool:
    """Whether what goes to the workers is encrypted, as it always is in our own cluster."""
    return scheduler is None or scheduler.startswith(("tls://", "wss://"))


async def _address(stack: AsyncExitStack, scheduler: str | None) -> "str | LocalCluster":
    if scheduler is not None:
        return scheduler
    try:
        with dask.config.set(_SETTINGS):
            cluster = LocalCluster(
                n_workers=CPU_COUNT,
                threads_per_worker=1,
                # Logins go over these connections, and others may be on this machine.
                security=Security.temporary(),
                # Dask listens in any case; here without pages, on a free port.
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                memory_limit=0,
                # A worker that is closed while it ends a task warns of that.
                silence_logs=logging.ERROR,
                asynchronous=True,
            )
            return await stack.enter_async_context(cluster)
    except RuntimeError as error:
        raise UsageError(
            f"this machine's workers cannot be started: {error}",
            hint='A script that starts them does so below: if __name__ == "__main__"',
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Have dask say nothing on standard error meanwhile: what matters is told as an error."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


async def _connect(where: "str | LocalCluster") -> Client:
    client = None
    try:
        client = Client(where, asynchronous=True, timeout=_CONNECT_TIMEOUT, set_as_default=False)
        await client
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        if client is not None:
            await client.close()
        raise UsageError(
            f"no scheduler answers at {where}: {_reason(error)}", hint=_hint(where)
        ) from error
    return client


def _hint(where: "str | LocalCluster") -> str:
    if str(where).startswith("tls://") and not dask.config.get("distributed.comm.tls.ca-file"):
        names = ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")
        variables = ", ".join(f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in names)
        return f"No certificates are set: export {variables}."
    return "Its address is like tls://HOST:8786; is it tls:// or tcp://?"


async def _check(client: Client) -> None:
    """Raise UsageError unless workers have come that are as this process is."""
    with anyio.move_on_after(_WORKER_TIMEOUT) as waiting:
        # What needs nothing of ours; where workers are started on demand, it is demand.
        if (error := await client.submit(int, pure=False).exception()) is not None:
            raise UsageError(f"the cluster does not work: {error}", hint=_LOGS)
        found = await client.run(version, "oci-mirror", on_error="return")
        for address, theirs in found.items():
            if theirs != mirror.__version__:
                has = f"mirror {theirs}" if isinstance(theirs, str) else "no mirror"
                raise UsageError(
                    f"the worker {address} has {has}, this is {mirror.__version__}", hint=_INSTALL
                )
    if waiting.cancelled_caught:
        raise UsageError(
            f"no worker came in {_WORKER_TIMEOUT:.0f} s",
            hint=f"Start one with: dask worker {client.scheduler_info()['address']} --nthreads 1",
        )


def _reason(error: BaseException) -> str:
    """Say what is behind an error of dask's."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
