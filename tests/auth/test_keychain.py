"""Where credentials are looked for, and in which order; helpers are real programs."""

import base64
import json
import os
from pathlib import Path

import pytest

from mirror.auth import keychain as module
from mirror.auth.credential import HUB_KEY, Credential
from mirror.auth.keychain import Keychain
from mirror.errors import Denied, UsageError
from mirror.image.reference import Repository
from mirror.place import Side

APP = Repository.parse("quay.io/org/app")


def write(path: Path, user: str, key: str = "quay.io") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(f"{user}:x".encode()).decode()
    path.write_text(json.dumps({"auths": {key: {"auth": auth}}}))
    return path


async def user(keychain: Keychain, repository: Repository = APP) -> str | None:
    found = await keychain.find(repository, Side.SOURCE)
    return found.username if found else None


async def test_places_are_looked_at_in_the_order_of_podman_and_docker(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {"HOME": str(home)}
    assert await user(Keychain(environment=environment)) is None

    write(home / ".docker/config.json", "docker")
    assert await user(Keychain(environment=environment)) == "docker"
    write(home / ".config/containers/auth.json", "podman")
    assert await user(Keychain(environment=environment)) == "podman"
    environment["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    write(tmp_path / "run/containers/auth.json", "runtime")
    assert await user(Keychain(environment=environment)) == "runtime"
    environment["REGISTRY_AUTH_FILE"] = str(write(tmp_path / "given.json", "variable"))
    assert await user(Keychain(environment=environment)) == "variable"
    option = write(tmp_path / "option.json", "option")
    assert await user(Keychain(authfile=option, environment=environment)) == "option"
    mine = {Side.SOURCE: Credential("me", "x")}
    assert await user(Keychain(mine, option, environment)) == "me"


async def test_other_places_are_known_too(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/config.json", "moved")
    assert await user(Keychain(environment={"DOCKER_CONFIG": str(tmp_path / "elsewhere")})) == (
        "moved"
    )
    content = write(tmp_path / "x.json", "variable").read_text()
    assert await user(Keychain(environment={"DOCKER_AUTH_CONFIG": content})) == "variable"
    (tmp_path / ".dockercfg").write_text(json.dumps({"quay.io": {"username": "old"}}))
    assert await user(Keychain(environment={"HOME": str(tmp_path)})) == "old"


async def test_a_file_without_an_entry_leaves_the_question_to_the_next(tmp_path: Path) -> None:
    write(tmp_path / ".config/containers/auth.json", "podman", key="other.io")
    write(tmp_path / ".docker/config.json", "docker")

    assert await user(Keychain(environment={"HOME": str(tmp_path)})) == "docker"


async def test_a_login_for_one_side_is_for_that_side() -> None:
    keychain = Keychain({Side.DESTINATION: Credential("me", "x")})

    assert await keychain.find(APP, Side.SOURCE) is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        Keychain(authfile=tmp_path / "none.json")
    with pytest.raises(UsageError, match=r"none\.json"):
        Keychain(environment={"REGISTRY_AUTH_FILE": str(tmp_path / "none.json")})


def helped(tmp_path: Path, script: str, store: bool = True) -> Keychain:
    """Let a shell script be the credentials store."""
    program = tmp_path / "docker-credential-tests"
    program.write_text(f"#!/bin/sh\necho x >> {tmp_path}/calls\n{script}\n")
    program.chmod(0o755)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"credsStore": "tests"} if store else {}))
    return Keychain(authfile=file, environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"})


async def test_a_helper_is_asked_once_for_a_server(tmp_path: Path) -> None:
    keychain = helped(
        tmp_path,
        'read server; printf \'{"Username": "%s", "Secret": "s"}\' "$server"',
    )

    assert await user(keychain) == "quay.io"
    assert await user(keychain, Repository.parse("quay.io/other")) == "quay.io"
    assert await user(keychain, Repository.parse("busybox")) == HUB_KEY
    assert (tmp_path / "calls").read_text().count("x") == 2


async def test_a_helper_may_have_a_token_or_nothing(tmp_path: Path) -> None:
    token = helped(tmp_path, 'echo \'{"Username": "<token>", "Secret": "t"}\'')
    assert await token.find(APP, Side.SOURCE) == Credential(identity_token="t")

    nothing = helped(tmp_path, "echo credentials not found in native keychain; exit 1")
    assert await nothing.find(APP, Side.SOURCE) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 3", "failed with 3"), ("echo nonsense top-secret", "gave no credential"),
     ("exec sleep 60", "did not answer")],
)  # fmt: skip
async def test_a_helper_that_fails_is_named_and_what_it_said_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(module, "_HELPER_TIMEOUT", 0.5)

    with pytest.raises(Denied) as caught:
        await helped(tmp_path, script).find(APP, Side.SOURCE)
    assert "docker-credential-tests" in str(caught.value)
    assert said in str(caught.value)
    assert "top-secret" not in str(caught.value)


async def test_a_helper_that_failed_is_not_asked_again(tmp_path: Path) -> None:
    keychain = helped(tmp_path, "exit 3")
    for _ in range(3):
        with pytest.raises(Denied):
            await keychain.find(APP, Side.SOURCE)

    assert (tmp_path / "calls").read_text().count("x") == 1


async def test_a_helper_that_is_not_there_is_named(tmp_path: Path) -> None:
    keychain = helped(tmp_path, "")
    (tmp_path / "docker-credential-tests").unlink()

    with pytest.raises(Denied, match="docker-credential-tests No such file"):
        await keychain.find(APP, Side.SOURCE)


async def test_the_account_of_a_pod_is_for_its_own_cluster(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    keychain = Keychain(service_account=token)
    inside = Repository.parse("image-registry.openshift-image-registry.svc:5000/ns/app")

    assert await keychain.find(inside, Side.SOURCE) == Credential("serviceaccount", "first")
    token.write_text("rotated\n")
    assert await keychain.find(inside, Side.SOURCE) == Credential("serviceaccount", "rotated")
    assert await keychain.find(APP, Side.SOURCE) is None
    token.unlink()
    assert await keychain.find(inside, Side.SOURCE) is None
