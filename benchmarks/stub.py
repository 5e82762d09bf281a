"""A registry that costs nothing: it says the same of every manifest, and lists what it is told.

    python -m benchmarks.stub [REPOSITORIES TAGS]

prints its port, and the moment at which it was first asked; `GET /counted` says how often
it was asked for what.
"""

import asyncio
import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvloop

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n"
    b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
    b"Docker-Content-Digest: sha256:" + b"a" * 64 + b"\r\n\r\n"
)


class _Content:
    """What all connections say, and what they were asked."""

    def __init__(self, repositories: int, tags: int) -> None:
        names = [f"team{n % 10}/app{n}" for n in range(repositories)]
        self.catalog = json.dumps({"repositories": names}).encode()
        self.tags = json.dumps({"tags": [f"v1.{n}" for n in range(tags)]}).encode()
        self.counted: Counter[str] = Counter()

    def answer(self, head: bytes) -> bytes:
        """Return the whole answer to a request."""
        if not self.counted:
            print(time.time(), flush=True)
        if head.startswith(b"HEAD"):
            self.counted["HEAD"] += 1
            return _HEAD
        path = head.split(b" ", 2)[1].partition(b"?")[0]
        if path == b"/counted":
            return _whole(json.dumps(self.counted).encode())
        self.counted["GET"] += 1
        if path.endswith(b"/_catalog"):
            return _whole(self.catalog)
        return _whole(self.tags if path.endswith(b"/tags/list") else b"{}")


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class _Stub(asyncio.Protocol):
    """One connection."""

    def __init__(self, content: _Content) -> None:
        self._content = content
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
            self._transport.write(self._content.answer(head))


class Running:
    """A stub that runs in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None, "its standard output is a pipe"
        self._said = process.stdout
        self.host = f"127.0.0.1:{int(self._said.readline())}"

    def first_asked(self) -> float:
        """Return when it was first asked, in seconds since 1970."""
        return float(self._said.readline())

    def counted(self) -> Counter[str]:
        """Return how often it was asked, by method."""
        connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            connection.request("GET", "/counted")
            return Counter(json.load(connection.getresponse()))
        finally:
            connection.close()


@contextmanager
def stub(repositories: int = 0, tags: int = 0) -> Iterator[Running]:
    """Run a stub that lists so many repositories with so many tags each, while the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stub", str(repositories), str(tags)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        process.terminate()
        process.wait(timeout=10)


async def _serve(repositories: int, tags: int) -> None:
    content = _Content(repositories, tags)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Stub(content), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(*map(int, sys.argv[1:])))
