"""A dask cluster as an administrator starts it: a scheduler, and workers that find it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.cli.conftest import unmeasured
from tests.real.conftest import free_port, process


@dataclass(slots=True)
class Cluster:
    """A scheduler with workers, all with TLS."""

    folder: Path
    port: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where its scheduler listens."""
        return f"tls://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What dask reads who talks to it."""
        return tls_settings(self.folder)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start one more worker, of one process without a nurse that would start it again."""
        words = [*dask("worker"), self.address, "--nthreads", "1", "--no-nanny",
                 "--no-dashboard", "--memory-limit", "0",
                 "--local-directory", str(self.folder)]  # fmt: skip
        with (self.folder / f"worker-{len(self.workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                words, stdout=log, stderr=log, env=unmeasured(**self.environment)
            )
        self.workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker as a power cut would."""
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=10)


def dask(command: str) -> list[str]:
    return [sys.executable, "-m", "dask", command]


def tls_settings(folder: Path) -> dict[str, str]:
    """Return the settings by which dask believes in nobody but this folder's certificate."""
    prefix = "DASK_DISTRIBUTED__COMM__"
    certificate, key = str(folder / "dask-cert.pem"), str(folder / "dask-key.pem")
    settings = {f"{prefix}TLS__CA_FILE": str(folder / "dask-ca.pem"),
                f"{prefix}REQUIRE_ENCRYPTION": "True"}  # fmt: skip
    for role in ("CLIENT", "SCHEDULER", "WORKER"):
        settings[f"{prefix}TLS__{role}__CERT"] = certificate
        settings[f"{prefix}TLS__{role}__KEY"] = key
    return settings


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Run a scheduler and its workers while the block lasts."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "dask-ca.pem")
    certificate.private_key_pem.write_to_path(folder / "dask-key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "dask-cert.pem")
    port = free_port()
    words = [*dask("scheduler"), "--host", "tls://127.0.0.1", "--port", str(port), "--no-dashboard"]
    with ExitStack() as stack:
        stack.enter_context(process(*words, port=port, env=unmeasured(**tls_settings(folder))))
        running = Cluster(folder, port)
        for _ in range(workers):
            running.start_worker()
        yield running
        for worker in running.workers:
            worker.terminate()
        for worker in running.workers:
            worker.wait(timeout=20)
