"""Real registries and a client that we did not write.

`docker-registry`, `skopeo`, `nginx`, `squid`, `buildah`, `umoci` and `chromium` are taken from
PATH.  Where they are missing these tests are skipped, each saying so; with CI=true that is a
failure.
"""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Run, running_in, unmeasured

NEEDED = ("docker-registry", "skopeo", "nginx", "squid", "buildah", "umoci", "chromium")

_CONFIG = """\
version: 0.1
log: {{accesslog: {{disabled: false}}, level: error}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  secret: tests
{more}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if not missing:
        return
    if os.environ.get("CI") == "true":
        pytest.exit(f"CI needs {' and '.join(missing)} on PATH", returncode=3)
    reason = f"{' and '.join(missing)} not on PATH: the tests against real registries are skipped"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def mirror() -> Run:
    """Run the command to its end, at its own speed: which lines run is known from other tests."""
    return running_in(unmeasured)


@dataclass(slots=True)
class RealRegistry:
    """A running docker-registry: where it listens, keeps its content and logs its requests."""

    port: int
    root: Path
    log: Path
    config: Path
    context: ssl.SSLContext | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; it answers when this returns."""
        with self.log.open("ab") as output:
            words = ["docker-registry", "serve", str(self.config)]
            self._process = subprocess.Popen(words, stdout=output, stderr=output)
        _wait(self.port, self._process, self.context)

    def stop(self, *, at_once: bool = False) -> None:
        """End it, in good order or with SIGKILL."""
        assert self._process is not None, "it is started first"
        (self._process.kill if at_once else self._process.terminate)()
        self._process.wait(timeout=10)

    def crash(self) -> None:
        """Kill it and start it again over the same content."""
        self.stop(at_once=True)
        self.start()

    def requests(self) -> Counter[str]:
        """Count what it was asked since the last call, by method and noun, pings left out."""
        kinds: Counter[str] = Counter()
        for line in self.log.read_text().splitlines():
            if '"' not in line or " /v2/" not in line:
                continue
            method, path, *_ = line.split('"')[1].split(" ")
            for noun in ("manifests", "uploads", "blobs", "tags", "_catalog"):
                if noun in path.partition("?")[0]:
                    kinds[f"{method} {noun}"] += 1
                    break
        os.truncate(self.log, 0)
        return kinds


Start = Callable[[], RealRegistry]


@contextmanager
def running(
    folder: Path, more: str = "", context: ssl.SSLContext | None = None
) -> Iterator[RealRegistry]:
    """Run a docker-registry over this folder while the block lasts.

    ``more`` is configuration that follows that of ``http``; with TLS there, the
    ``context`` is for asking whether it is up.
    """
    port = free_port()
    config = folder / "config.yml"
    registry = RealRegistry(port, folder / "content", folder / "log", config, context)
    config.write_text(_CONFIG.format(root=registry.root, port=port, more=more))
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """The source of the module's copies."""
    with running(tmp_path_factory.mktemp("origin")) as registry:
        yield registry


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[RealRegistry]:
    """An empty destination."""
    folder = tmp_path / "replica"
    folder.mkdir()
    with running(folder) as registry:
        yield registry


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def process(*words: str, port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server while the block lasts, which begins when its port answers."""
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(words, stdout=quiet, stderr=quiet, env=env)
    deadline = time.monotonic() + 20
    try:
        while True:
            assert running.poll() is None, f"{words[0]} ended at once"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, f"{words[0]} does not answer"
        yield
    finally:
        running.terminate()
        running.wait(timeout=10)


def skopeo(*words: str) -> str:
    """Run skopeo, the judge; return what it says."""
    done = subprocess.run(["skopeo", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _wait(port: int, process: subprocess.Popen[bytes], context: ssl.SSLContext | None) -> None:
    """Return once the registry answers; connecting is tried until then."""
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, "docker-registry ended at once"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        if context is not None:
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        try:
            connection.request("GET", "/v2/")
            assert connection.getresponse().status in (200, 401)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "docker-registry does not answer"
        else:
            return
        finally:
            connection.close()
