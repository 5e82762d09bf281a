"""1,000 to 100,000 unchanged tags against a registry that costs nothing."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.measure import measured
from benchmarks.peers import MIRROR, Job
from benchmarks.registries import workplace
from benchmarks.results import Check, Finding, Row

_COUNTS = (1_000, 10_000, 100_000)
_MIB = 1024 * 1024
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n"
    b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
    b"Docker-Content-Digest: sha256:" + b"a" * 64 + b"\r\n\r\n"
)
_PING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class _Stub(asyncio.Protocol):
    """Says the same of every manifest."""

    def __init__(self, first: list[float]) -> None:
        self._first = first
        self._heard = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self._heard.startswith(b"\x16"):
            self._transport.close()  # TLS is not spoken here
            return
        while b"\r\n\r\n" in self._heard:
            head, _, self._heard = self._heard.partition(b"\r\n\r\n")
            if not self._first:
                self._first.append(time.time())
                print(self._first[0], flush=True)
            self._transport.write(_HEAD if head.startswith(b"HEAD") else _PING)


async def _serve() -> None:
    first: list[float] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Stub(first), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def _stub() -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    """Run a stub while the block lasts; give its port, and who says when it was first asked."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scale"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None, "its standard output is a pipe"
        yield int(process.stdout.readline()), process
    finally:
        process.terminate()
        process.wait(timeout=10)


def findings(rounds: int) -> Iterator[Finding]:
    """Measure ever more tags, the most of them once."""
    rows, began = [], 0.0
    with workplace() as folder:
        for count in _COUNTS:
            row = Row(f"{count:,} tags")
            for _ in range(rounds if count < _COUNTS[-1] else 1):
                began = _run(folder, count, row)
            rows.append(row)
    # What starting costs belongs to no tag, and is most of the first row.
    ours = [row.wall for row in rows]
    each = [(ours[n + 1] - ours[n]) / (_COUNTS[n + 1] - _COUNTS[n]) * 1000 for n in range(2)]
    yield Finding(
        "scale", "unchanged tags against a stub", rows,
        [
            Check("ms per tag, 10,000 to 100,000 / 1,000 to 10,000", each[1] / each[0], 1.2),
            Check("peak MiB at the last", rows[-1].memory / _MIB, 200),
            Check("seconds to the first request at the last", began, 1.0),
        ],
        [f"{each[1]:.3f} ms per tag from 10,000 to 100,000"],
    )  # fmt: skip


def _run(folder: Path, count: int, row: Row) -> float:
    """Run once; return the seconds until the first request."""
    with _stub() as (here, first), _stub() as (there, _):
        pairs = [
            (f"127.0.0.1:{here}/team{n % 100}/app{n % 1000}:v{n}",
             f"127.0.0.1:{there}/team{n % 100}/app{n % 1000}:v{n}")
            for n in range(count)
        ]  # fmt: skip
        command = MIRROR.command(Job(pairs, folder))
        started = time.time()
        row.costs.append(measured(command))
        assert first.stdout is not None, "its standard output is a pipe"
        return float(first.stdout.readline()) - started


if __name__ == "__main__":
    uvloop.run(_serve())
