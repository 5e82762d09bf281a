"""What stands before registries: TLS, a path prefix, a body limit, blob storage, a proxy."""

import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import trustme

from tests.cli.conftest import Ran, command, unmeasured
from tests.real.conftest import RealRegistry, free_port, process, running, skopeo
from tests.real.pusher import OCI, Pusher, layer

_NGINX = """\
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  log_format seen '$request_method $uri [$http_authorization]';
  {servers}
}}
"""
_FORWARD = """\
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
"""
SECRET = "front-secret"


@pytest.fixture(scope="module")
def filled(origin: RealRegistry) -> RealRegistry:
    pusher = Pusher(origin.host)
    layers = [
        pusher.blob("team/app", layer(seed, 3_000_000), f"{OCI}.layer.v1.tar") for seed in "xy"
    ]
    pusher.index("team/app", "1", [pusher.image("team/app", layers, "amd64")])
    return origin


def nginx(folder: Path, servers: str) -> tuple[str, ...]:
    folder.mkdir(exist_ok=True)
    configuration = folder / "nginx.conf"
    # Started by root its workers would be somebody who may not read the tests' folders.
    user = "user root;" if os.getuid() == 0 else ""
    configuration.write_text(_NGINX.format(user=user, folder=folder, servers=servers))
    return ("nginx", "-c", str(configuration), "-p", str(folder))


def run(*words: str, **env: str) -> Ran:
    done = subprocess.run(
        command(*words), capture_output=True, text=True, check=False, timeout=120,
        env=unmeasured(**env),
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def digests(host: str, name: str) -> str:
    return skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{host}/{name}:1")


def certificate(folder: Path, *names: str) -> Path:
    authority = trustme.CA()
    issued = authority.issue_cert(*names)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"


def test_tls_that_ends_at_a_front(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    authority, port = certificate(tmp_path, "localhost"), free_port()
    server = f"""server {{
      listen 127.0.0.1:{port} ssl;
      ssl_certificate {tmp_path}/cert.pem; ssl_certificate_key {tmp_path}/key.pem;
      client_max_body_size 0;
      location / {{ proxy_pass http://{replica.host}; {_FORWARD} }}
    }}"""
    with process(*nginx(tmp_path / "nginx", server), port=port):
        ran = run(f"{filled.host}/team/app:1=localhost:{port}/app",
                  "--certificate-authority", str(authority))  # fmt: skip

    assert ran.code == 0, ran.err
    assert digests(replica.host, "app") == digests(filled.host, "team/app")


def test_a_front_that_puts_a_prefix_before_every_path(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    port = free_port()
    server = f"""server {{
      listen 127.0.0.1:{port};
      client_max_body_size 0;
      location = /v2/ {{ proxy_pass http://{replica.host}; }}
      location /v2/docker-local/ {{
        proxy_pass http://{replica.host}/v2/;
        proxy_redirect ~^(https?://[^/]+)?/v2/(.*)$ /v2/docker-local/$2;
        {_FORWARD}
      }}
    }}"""
    with process(*nginx(tmp_path / "nginx", server), port=port):
        ran = run(f"{filled.host}/team/app:1=127.0.0.1:{port}/docker-local/app")

    assert ran.code == 0, ran.err
    assert digests(replica.host, "app") == digests(filled.host, "team/app")


def test_a_front_with_a_limit_on_bodies_is_served_in_chunks(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    port = free_port()
    server = f"""server {{
      listen 127.0.0.1:{port};
      client_max_body_size 1m;
      location / {{ proxy_pass http://{replica.host}; {_FORWARD} }}
    }}"""
    with process(*nginx(tmp_path / "nginx", server), port=port):
        ran = run(f"{filled.host}/team/app:1=127.0.0.1:{port}/app", "-o", "json")

    assert ran.code == 0, ran.err
    assert digests(replica.host, "app") == digests(filled.host, "team/app")
    assert replica.requests()["PATCH uploads"] >= 6


def test_storage_that_blobs_are_redirected_to_never_sees_the_login(
    filled: RealRegistry, replica: RealRegistry, tmp_path: Path
) -> None:
    hashed = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    (tmp_path / "htpasswd").write_text(f"reader:{hashed}\n")
    (tmp_path / "guarded").mkdir()
    blobs = filled.root / "docker/registry/v2/blobs/sha256"
    port, storage, log = free_port(), free_port(), tmp_path / "storage.log"
    # The registry's files are served as a cloud's storage serves them.
    servers = f"""server {{
      listen 127.0.0.1:{port};
      location ~ ^/v2/team/app/blobs/sha256:((..).*)$ {{
        return 307 http://127.0.0.1:{storage}/$2/$1/data?signature=a%2Fb%3D;
      }}
      location / {{ proxy_pass http://GUARDED; {_FORWARD} }}
    }}
    server {{
      listen 127.0.0.1:{storage};
      access_log {log} seen;
      location / {{ root {blobs}; }}
    }}"""
    (tmp_path / "guarded" / "content").symlink_to(filled.root)
    passwords = f"auth:\n  htpasswd: {{realm: lock, path: {tmp_path}/htpasswd}}"
    with running(tmp_path / "guarded", passwords) as guarded:
        words = nginx(tmp_path / "nginx", servers.replace("GUARDED", guarded.host))
        with process(*words, port=port):
            ran = run(f"127.0.0.1:{port}/team/app:1={replica.host}/app", "--report", "/dev/null",
                      MIRROR_SRC_CREDS=f"reader:{SECRET}")  # fmt: skip

    assert ran.code == 0, ran.err
    assert digests(replica.host, "app") == digests(filled.host, "team/app")
    seen = log.read_text().splitlines()
    assert len(seen) == 3
    assert all(line.startswith("GET ") and line.endswith("[-]") for line in seen), seen
    assert SECRET not in ran.err + ran.out


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that servers can use which give up being root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def test_a_forward_proxy_leads_to_hosts_that_only_it_knows(
    filled: RealRegistry, tmp_path: Path, open_folder: Path
) -> None:
    authority, port = certificate(tmp_path, "registry.example.com"), free_port()
    (open_folder / "hosts").write_text("127.0.0.1 registry.example.com\n")
    (open_folder / "squid.conf").write_text(
        f"http_port 127.0.0.1:{port}\nhosts_file {open_folder}/hosts\npid_filename none\n"
        f"cache deny all\naccess_log stdio:{open_folder}/access.log\ncache_log /dev/null\n"
        "http_access allow all\nshutdown_lifetime 1 seconds\n"
    )
    (tmp_path / "there").mkdir()
    tls = f"  tls: {{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}"
    context = ssl.create_default_context(cafile=str(authority))
    context.check_hostname = False
    with (
        running(tmp_path / "there", tls, context) as there,
        process("squid", "-N", "-n", f"t{port}", "-f", f"{open_folder}/squid.conf", port=port),
    ):
        name = f"registry.example.com:{there.host.partition(':')[2]}"
        ran = run(f"{filled.host}/team/app:1={name}/app", "--certificate-authority", str(authority),
                  "-o", "json", HTTPS_PROXY=f"http://127.0.0.1:{port}")  # fmt: skip
        assert ran.code == 0, ran.err
        assert digests(there.host, "app") == digests(filled.host, "team/app")
        direct = run(f"{filled.host}/team/app:1={name}/app2", "-o", "json",
                     HTTPS_PROXY=f"http://127.0.0.1:{port}", NO_PROXY=".example.com")  # fmt: skip

    assert f"CONNECT {name}" in (open_folder / "access.log").read_text()
    (image,) = json.loads(direct.out)["images"]
    assert image["error"]["class"] == "network"
    assert "not a known host" in image["error"]["message"]
