"""A registry of nginx that costs next to nothing: what it says never changes.

For what is measured beside it on the same two cores; `benchmarks.stub` counts, this does not.
"""

import getpass
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONFIGURATION = """
daemon off; user {user}; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 100000000; default_type application/json;
  server {{
    listen 127.0.0.1:{port};
    location = /v2/ {{ return 200 "{{}}"; }}
    location = /v2/_catalog {{ alias {folder}/catalog.json; }}
    location ~ /tags/list$ {{ alias {folder}/tags.json; }}
    location ~ /manifests/ {{
      default_type application/vnd.oci.image.manifest.v1+json;
      add_header Docker-Content-Digest sha256:{digest};
      return 200 "{{}}";
    }}
  }}
}}
"""


@contextmanager
def still(folder: Path, repositories: int = 0, tags: int = 0) -> Iterator[str]:
    """Run one that lists so many repositories with so many tags each; give its address."""
    folder.mkdir()
    names = [f"team{n % 10}/app{n}" for n in range(repositories)]
    (folder / "catalog.json").write_text(json.dumps({"repositories": names}))
    (folder / "tags.json").write_text(json.dumps({"tags": [f"v1.{n}" for n in range(tags)]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Its worker is another user otherwise, who may not read what is in this folder.
    user = getpass.getuser()
    text = _CONFIGURATION.format(folder=folder, port=port, user=user, digest="a" * 64)
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        _wait(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(folder)


def _wait(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            assert time.monotonic() < until, "nginx does not answer"
        else:
            return
