"""Logging in where it counts: real registries that want tokens, passwords and TLS."""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import bcrypt
import pytest
import trustme

from tests.cli.conftest import Ran, command, unmeasured
from tests.real.conftest import RealRegistry, running, skopeo
from tests.real.pusher import OCI, Pusher, layer
from tests.real.tokens import TokenServer, serving

SECRETS = ("pull-secret-1", "push-secret-2", "other-secret-3")
LAYER = f"{OCI}.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Site:
    """An open registry with content, one with tokens and one with passwords over TLS."""

    origin: RealRegistry
    tokens: TokenServer
    guarded: RealRegistry
    locked: RealRegistry
    folder: Path
    authority: Path

    def run(self, *words: str, **env: str) -> Ran:
        """Run the command with no login but what is in the folder."""
        done = subprocess.run(
            command(*words), capture_output=True, text=True, check=False, timeout=120,
            env=unmeasured(
                HOME=str(self.folder), DOCKER_CONFIG=str(self.folder),
                **{"MIRROR_CERTIFICATE_AUTHORITY": str(self.authority), **env},
            ),
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    hashed = bcrypt.hashpw(SECRETS[1].encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    (folder / "htpasswd").write_text(f"pusher:{hashed}\n")
    tls = f"  tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}"
    accounts = {"puller": (SECRETS[0], ""), "other": (SECRETS[2], "other/")}
    with ExitStack() as stack:
        inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(inside)
        tokens = stack.enter_context(serving(TokenServer(accounts), inside))
        for name in ("origin", "guarded", "locked"):
            (folder / name).mkdir()
        origin = stack.enter_context(running(folder / "origin"))
        signed = f"{tls}\n{tokens.configuration(folder)}"
        guarded = stack.enter_context(running(folder / "guarded", signed, context))
        passwords = f"{tls}\nauth:\n  htpasswd: {{realm: lock, path: {folder}/htpasswd}}"
        locked = stack.enter_context(running(folder / "locked", passwords, context))
        _fill(origin)
        yield Site(origin, tokens, guarded, locked, folder, folder / "ca.pem")


def _fill(origin: RealRegistry) -> None:
    pusher = Pusher(origin.host)
    for name in ("team/app", "team/web", "other/app"):
        layers = [pusher.blob(name, layer(seed, 5000), LAYER) for seed in ("base", name)]
        pusher.index(name, "1", [pusher.image(name, layers, "amd64")])


def authfile(path: Path, **logins: str) -> Path:
    """Write a file as podman keeps it: keys may name more than a host."""
    import base64

    auths = {
        key.replace("__", "/"): {"auth": base64.b64encode(login.encode()).decode()}
        for key, login in logins.items()
    }
    path.write_text(json.dumps({"auths": auths}))
    return path


def test_from_tokens_to_passwords_over_tls_from_the_auth_file_alone(
    site: Site, tmp_path: Path
) -> None:
    auth = authfile(
        tmp_path / "auth.json",
        **{site.guarded.host: f"puller:{SECRETS[0]}", site.locked.host: f"pusher:{SECRETS[1]}"},
    )
    words = ("--authfile", str(auth), "--certificate-authority", str(site.authority))

    first = site.run(f"{site.origin.host}/team/*={site.guarded.host}/team/*", *words)
    assert first.code == 0, first.err
    second = site.run(f"{site.guarded.host}/team/app:1={site.locked.host}/prod/app", *words)
    assert second.code == 0, second.err

    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"--creds=pusher:{SECRETS[1]}",
                 f"docker://{site.locked.host}/prod/app:1")  # fmt: skip
    assert raw == skopeo(
        "inspect", "--raw", "--tls-verify=false", f"docker://{site.origin.host}/team/app:1"
    )
    shown = site.run("inspect", f"{site.locked.host}/prod/app:1", *words)
    assert "linux/amd64" in shown.out


def test_a_login_that_skopeo_left_is_taken(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    skopeo("login", "--authfile", str(file), "--tls-verify=false", "-u", "pusher", "-p", SECRETS[1],
           site.locked.host)  # fmt: skip

    ran = site.run(
        f"{site.origin.host}/team/app:1={site.locked.host}/skopeo/app",
        "--certificate-authority", str(site.authority), REGISTRY_AUTH_FILE=str(file),
    )  # fmt: skip
    assert ran.code == 0, ran.err


def test_two_accounts_of_one_host_are_kept_apart(site: Site, tmp_path: Path) -> None:
    host = site.guarded.host
    auth = authfile(
        tmp_path / "auth.json",
        **{f"{host}/other": f"other:{SECRETS[2]}", host: f"puller:{SECRETS[0]}"},
    )
    site.tokens.asked.clear()

    ran = site.run(
        f"{site.origin.host}/team/app:1={host}/mine/app",
        f"{site.origin.host}/other/app:1={host}/other/app",
        "--authfile", str(auth),
    )  # fmt: skip

    assert ran.code == 0, ran.err
    assert {(user, scopes[0].split(":")[1]) for user, scopes in site.tokens.asked} == {
        ("puller", "mine/app"), ("other", "other/app"),
    }  # fmt: skip


def test_one_token_for_each_repository_however_many_there_are(site: Site, tmp_path: Path) -> None:
    host, count = site.guarded.host, 300
    auth = authfile(tmp_path / "auth.json", **{host: f"puller:{SECRETS[0]}"})
    mappings = tmp_path / "mappings.txt"
    mappings.write_text(
        "".join(f"{site.origin.host}/team/app:1={host}/many/app{n}\n" for n in range(count))
    )
    site.tokens.asked.clear()

    ran = site.run("--file", str(mappings), "--authfile", str(auth), "-o", "json")

    assert ran.code == 0, ran.err
    # One to look and push, and one more where blobs are mounted from the first repository.
    assert count <= len(site.tokens.asked) <= 2 * count
    assert json.loads(ran.out)["summary"]["blobs_copied"] == 3
    assert max(len(scopes) for _, scopes in site.tokens.asked) <= 9


def test_tokens_that_run_out_while_they_are_used_are_renewed(site: Site, tmp_path: Path) -> None:
    auth = authfile(tmp_path / "auth.json", **{site.guarded.host: f"puller:{SECRETS[0]}"})
    site.tokens.life = 2
    try:
        ran = site.run(
            f"{site.origin.host}/team/*={site.guarded.host}/short/*",
            "--authfile", str(auth), "--max-per-registry", "1",
        )  # fmt: skip
    finally:
        site.tokens.life = 300
    assert ran.code == 0, ran.err


def test_a_wrong_password_is_said_once_for_each_image_and_tried_once(
    site: Site, tmp_path: Path
) -> None:
    auth = authfile(
        tmp_path / "auth.json",
        **{site.guarded.host: "puller:wrong-guess", site.locked.host: "pusher:wrong-guess"},
    )
    before = site.tokens.refused

    ran = site.run(
        *(f"{site.origin.host}/team/app:1={site.guarded.host}/w/app{n}" for n in range(20)),
        *(f"{site.origin.host}/team/app:1={site.locked.host}/w/app{n}" for n in range(20)),
        "--authfile", str(auth), "--certificate-authority", str(site.authority), "-o", "json",
    )  # fmt: skip
    images = json.loads(ran.out)["images"]

    assert ran.code == 1
    assert {(image["error"]["class"], image["error"]["side"]) for image in images} == {
        ("auth", "destination")
    }
    assert "no token for 'puller' from 127.0.0.1" in ran.err
    assert site.tokens.refused - before == 1
    assert "wrong-guess" not in ran.err + ran.out


def test_an_unknown_authority_is_refused_and_told(site: Site) -> None:
    ran = site.run(
        f"{site.origin.host}/team/app:1={site.locked.host}/x",
        "--dest-creds", f"pusher:{SECRETS[1]}", MIRROR_CERTIFICATE_AUTHORITY="",
    )  # fmt: skip

    assert ran.code == 1
    assert "certificate that is not trusted: " in ran.err
    assert "--certificate-authority" in ran.err


@pytest.mark.parametrize(
    ("names", "end", "said"),
    [(["127.0.0.1"], datetime(2020, 1, 1, tzinfo=UTC), "expired"),
     (["registry.example.com"], None, "mismatch")],
)  # fmt: skip
def test_a_certificate_that_is_over_or_another_hosts_is_told(
    site: Site, tmp_path: Path, names: list[str], end: datetime | None, said: str
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    begin = datetime(2019, 1, 1, tzinfo=UTC) if end else None
    issued = authority.issue_cert(*names, not_before=begin, not_after=end)
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    (tmp_path / "there").mkdir()
    tls = f"  tls: {{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with running(tmp_path / "there", tls, context) as there:
        ran = site.run(
            f"{site.origin.host}/team/app:1={there.host}/x",
            MIRROR_CERTIFICATE_AUTHORITY=str(tmp_path / "ca.pem"),
        )

    assert ran.code == 1
    assert said in ran.err


def test_a_token_without_the_rights_that_were_asked_for_is_no_loop(
    site: Site, tmp_path: Path
) -> None:
    auth = authfile(tmp_path / "auth.json", **{site.guarded.host: f"other:{SECRETS[2]}"})
    site.tokens.asked.clear()

    ran = site.run(
        f"{site.origin.host}/team/app:1={site.guarded.host}/mine/app", "--authfile", str(auth),
        "-o", "json",
    )  # fmt: skip
    (image,) = json.loads(ran.out)["images"]

    assert image["error"]["class"] == "auth"
    assert len(site.tokens.asked) <= 8


def test_a_login_for_another_host_is_nobodys(site: Site, tmp_path: Path) -> None:
    auth = authfile(tmp_path / "auth.json", **{"elsewhere.io": f"pusher:{SECRETS[1]}"})

    ran = site.run(
        f"{site.origin.host}/team/app:1={site.locked.host}/x", "--authfile", str(auth), "-o", "json"
    )
    (image,) = json.loads(ran.out)["images"]

    assert (image["error"]["class"], image["error"]["side"]) == ("auth", "destination")


def test_no_secret_is_ever_shown(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "login"
    secret.write_text(f"pusher:{SECRETS[1]}\n")
    report = tmp_path / "run.json"

    ran = site.run(
        f"{site.origin.host}/team/app:1={site.locked.host}/s",
        f"{site.origin.host}/no:1={site.locked.host}/n",
        "--dest-creds", f"@{secret}", "--insecure", "-v", "--report", str(report),
    )  # fmt: skip

    assert ran.code == 1
    assert "1 copied" in ran.err
    for text in (ran.out, ran.err, report.read_text()):
        assert SECRETS[1] not in text


def test_a_helper_program_is_asked(site: Site, tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-tests"
    helper.write_text(
        "#!/bin/sh\n"
        f"cat /proc/$$/cmdline /proc/$PPID/cmdline > {tmp_path}/cmdlines\n"
        f'read server; [ "$1 $server" = "get {site.locked.host}" ] || exit 1\n'
        f'echo \'{{"ServerURL": "", "Username": "pusher", "Secret": "{SECRETS[1]}"}}\'\n'
    )
    helper.chmod(0o755)
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"credHelpers": {site.locked.host: "tests"}}))

    ran = site.run(
        f"{site.origin.host}/team/app:1={site.locked.host}/helped", "--authfile", str(auth),
        "--certificate-authority", str(site.authority), PATH=f"{tmp_path}:{os.environ['PATH']}",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "mirror" in (tmp_path / "cmdlines").read_text()
    assert SECRETS[1] not in ran.out + ran.err + (tmp_path / "cmdlines").read_text()

    (tmp_path / "auth.json").write_text(json.dumps({"credsStore": "nowhere"}))
    ran = site.run(
        f"{site.origin.host}/team/app:1={site.locked.host}/helped2", "--authfile", str(auth),
        "--certificate-authority", str(site.authority),
    )  # fmt: skip
    assert ran.code == 1
    assert "docker-credential-nowhere" in ran.err
