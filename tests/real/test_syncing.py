"""A catalog of 200 repositories that changes between two nights, over TLS, with passwords."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme

from tests.cli.conftest import Ran, command, unmeasured
from tests.real.conftest import RealRegistry, running, skopeo
from tests.real.pusher import OCI, Descriptor, Pusher, layer

REPOSITORIES = 200
LAYER = f"{OCI}.layer.v1.tar"
_CONFIG = """
version: 1
registries:
  {origin}: {{credentials: {{username: reader, password-file: reader.txt}}}}
  {replica}:
    max-per-registry: 12
    credentials: {{username-env: WRITER, password-env: WRITER_PASSWORD}}
sync:
  - source: {origin}/team/*
    destination: {replica}/mirror/*
    tags: {{exclude: ["*-rc*"]}}
    prune: {{tags: true, max-percent: 5}}
"""


@dataclass(slots=True)
class Nights:
    """Two registries, a configuration between them, and what the source's owners do by day."""

    origin: RealRegistry
    replica: RealRegistry
    folder: Path
    context: ssl.SSLContext
    pusher: Pusher
    children: dict[str, Descriptor] = field(default_factory=dict)

    def push(self, name: str, tag: str, content: str) -> str:
        """Put an image of one platform under a tag of the source; return its digest.

        What a repository has got once is pushed once, since these are many.
        """
        if name not in self.children:
            layers = [self.pusher.blob(name, layer(name, 400), LAYER)]
            self.children[name] = self.pusher.image(name, layers, "amd64")
        more = {"annotations": {"content": content}}
        return str(self.pusher.index(name, tag, [self.children[name]], **more)["digest"])

    def untag(self, name: str, tag: str) -> None:
        """Take a tag away, which this registry does not do by itself."""
        shutil.rmtree(self._repository(self.origin, name) / "_manifests" / "tags" / tag)

    def break_listing(self, name: str) -> None:
        """Have the source fail when it is asked for the tags of a repository."""
        tags = self._repository(self.origin, name) / "_manifests" / "tags"
        shutil.rmtree(tags)
        tags.write_text("no folder")

    def tags(self, registry: RealRegistry, name: str) -> set[str]:
        """What a registry has of a repository, as its storage says."""
        folder = self._repository(registry, name) / "_manifests" / "tags"
        return {tag.name for tag in folder.iterdir() if (tag / "current" / "link").is_file()}

    def run(self, *more: str) -> tuple[Ran, dict[str, Any]]:
        """Sync, and return what it said and reported."""
        report = self.folder / "run.json"
        words = ("sync", "sync.yaml", "--report", str(report), "--retries", "1", *more)
        secrets = {"WRITER": "writer", "WRITER_PASSWORD": "write-secret"}
        done = subprocess.run(
            command(*words), capture_output=True, text=True, check=False, timeout=120,
            cwd=self.folder, env=unmeasured(
                HOME=str(self.folder), DOCKER_CONFIG=str(self.folder),
                MIRROR_CERTIFICATE_AUTHORITY=str(self.folder / "ca.pem"), **secrets,
            ),
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr), json.loads(report.read_text())

    def _repository(self, registry: RealRegistry, name: str) -> Path:
        return registry.root / "docker/registry/v2/repositories" / name


@pytest.fixture
def nights(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nights]:
    """As many repositories as the test asks for, with two tags each."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with ExitStack() as stack:
        registries = []
        for name, user, secret in (
            ("origin", "reader", "read-secret"), ("replica", "writer", "write-secret"),
        ):  # fmt: skip
            (tmp_path / name).mkdir()
            hashed = bcrypt.hashpw(secret.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
            (tmp_path / name / "htpasswd").write_text(f"{user}:{hashed}\n")
            more = (
                f"  tls: {{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}\n"
                f"auth:\n  htpasswd: {{realm: lock, path: {tmp_path}/{name}/htpasswd}}"
            )
            registries.append(stack.enter_context(running(tmp_path / name, more, context)))
        origin, replica = registries
        (tmp_path / "reader.txt").write_text("read-secret\n")
        (tmp_path / "sync.yaml").write_text(
            _CONFIG.format(origin=origin.host, replica=replica.host)
        )
        pusher = Pusher(origin.host, context, login="reader:read-secret")
        made = Nights(origin, replica, tmp_path, context, pusher)
        for number in range(request.param):
            for tag in ("v1", "v2"):
                made.push(f"team/app{number}", tag, f"{number % 20}-{tag}")
        yield made


@pytest.mark.parametrize("nights", [REPOSITORIES], indirect=True)
def test_the_second_night_does_what_changed_and_says_so(nights: Nights) -> None:
    first, report = nights.run()
    assert first.code == 0, first.err
    assert report["summary"]["copied"] == 2 * REPOSITORIES

    nights.push("team/app1", "v3", "new")
    nights.push("team/app1", "v3-rc1", "not wanted")
    moved = nights.push("team/app2", "v2", "moved")
    nights.untag("team/app3", "v1")
    nights.push("team/fresh", "v1", "new repository")
    nights.break_listing("team/app4")

    second, report = nights.run()
    summary = report["summary"]
    statuses = {key: summary[key] for key in ("images", "copied", "unchanged", "failed")}
    assert second.code == 1
    # 400 tags, less two that cannot be listed and one that left, and two more.
    unchanged = 2 * REPOSITORIES - 2 - 1 - 1
    assert statuses == {"images": unchanged + 4, "copied": 3, "unchanged": unchanged, "failed": 1}
    copied = {_short(i["destination"]) for i in report["images"] if i["status"] == "copied"}
    assert copied == {"mirror/app1:v3", "mirror/app2:v2", "mirror/fresh:v1"}
    (failed,) = (image for image in report["images"] if image["status"] == "failed")
    assert _short(failed["source"]) == "team/app4"
    assert failed["error"]["side"] == "source"
    assert _prunes(report) == {("mirror/app3:v1", "pruned")}
    assert summary["tags_pruned"] == 1
    assert nights.tags(nights.replica, "mirror/app3") == {"v2"}
    assert nights.tags(nights.replica, "mirror/app4") == {"v1", "v2"}
    assert nights.tags(nights.replica, "mirror/app1") == {"v1", "v2", "v3"}
    judged = skopeo(
        "inspect", "--raw", "--tls-verify=false", "--creds", "writer:write-secret",
        f"docker://{nights.replica.host}/mirror/app2:v2",
    )  # fmt: skip
    assert moved in {image["digest"] for image in report["images"]}
    assert json.loads(judged)["manifests"]


@pytest.mark.parametrize("nights", [20], indirect=True)
def test_nothing_is_deleted_when_too_much_has_gone_or_nothing_is_listed(nights: Nights) -> None:
    nights.run()
    for number in range(2):
        nights.untag(f"team/app{number}", "v1")
    planned, report = nights.run("--dry-run")
    assert planned.code == 0
    assert _prunes(report) == {("mirror/app0:v1", "planned"), ("mirror/app1:v1", "planned")}
    nights.untag("team/app2", "v1")

    refused, report = nights.run()

    assert refused.code == 1
    assert {status for _, status in _prunes(report)} == {"refused"}
    assert "3 of 40 tags would be deleted, more than 5 %" in refused.err
    nights.origin.stop()
    unlisted, report = nights.run()
    assert unlisted.code == 1
    assert not _prunes(report)
    nights.origin.start()
    assert nights.tags(nights.replica, "mirror/app0") == {"v1", "v2"}


def _short(reference: str) -> str:
    return reference.partition("/")[2]


def _prunes(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(_short(one["destination"]), one["status"]) for one in report.get("pruned", ())}
