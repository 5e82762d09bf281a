"""Files of credentials, as docker, podman and oc leave them."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from rich.pretty import pretty_repr

from mirror.auth.credential import HUB_KEY, AuthFile, Credential, Helper
from mirror.auth.token import Token
from mirror.cli.credential_options import Access
from mirror.cli.option_groups import Shared
from mirror.errors import UsageError
from mirror.image.reference import Repository


def encoded(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def found(document: object, repository: str) -> Credential | Helper | None:
    file = AuthFile("auth.json", json.dumps(document).encode())
    return file.find(Repository.parse(repository))


def test_the_longest_key_that_names_the_repository_counts() -> None:
    keys = ("quay.io", "quay.io/org", "quay.io/org/app", "other.io")
    document = {"auths": {key: encoded(f"{key}:x") for key in keys}}

    def user(repository: str) -> str | None:
        credential = found(document, repository)
        return credential.username if isinstance(credential, Credential) else None

    assert user("quay.io/org/app") == "quay.io/org/app"
    assert user("quay.io/org/app2") == "quay.io/org"
    assert user("quay.io/elsewhere") == "quay.io"
    assert user("nowhere.io/x") is None


@pytest.mark.parametrize(
    ("key", "repository"),
    [(HUB_KEY, "busybox"), ("docker.io", "team/app"), ("index.docker.io", "busybox"),
     ("docker.io/team", "team/app"), ("https://quay.io", "quay.io/a"),
     ("https://quay.io/v2/", "quay.io/a"), ("quay.io/v1/", "quay.io/a"),
     ("http://localhost:5000", "localhost:5000/a"), ("localhost:5000", "localhost:5000/a"),
     ("quay.io/", "quay.io/a")],
)  # fmt: skip
def test_keys_come_in_many_spellings(key: str, repository: str) -> None:
    assert found({"auths": {key: encoded("me:x")}}, repository) == Credential("me", "x")


@pytest.mark.parametrize(
    ("entry", "credential"),
    [(encoded("me:a:b:c"), Credential("me", "a:b:c")),
     (encoded("me:x\0\0"), Credential("me", "x")),
     ({"username": "me", "password": "x"}, Credential("me", "x")),
     ({"identitytoken": "t"}, Credential(identity_token="t")),
     ({"registrytoken": "t"}, Credential(registry_token="t")),
     ({**encoded("me:x"), "email": "e", "unknown": {"x": 1}}, Credential("me", "x"))],
)  # fmt: skip
def test_an_entry_means(entry: dict[str, object], credential: Credential) -> None:
    assert found({"auths": {"quay.io": entry}}, "quay.io/a") == credential


def test_helpers_come_before_entries_and_the_store_after_them() -> None:
    document = {
        "auths": {"quay.io": encoded("me:x"), "empty.io": {}},
        "credHelpers": {"ecr.io": "ecr-login", "docker.io": "hub"},
        "credsStore": "desktop",
    }

    assert found(document, "quay.io/a") == Credential("me", "x")
    assert found(document, "ecr.io/a") == Helper("ecr-login", "ecr.io")
    assert found(document, "busybox") == Helper("hub", HUB_KEY)
    assert found(document, "empty.io/a") == Helper("desktop", "empty.io")


def test_what_else_docker_keeps_in_its_file_is_no_login() -> None:
    documents: list[object] = [
        {"currentContext": "desktop-linux"},
        {"auths": None},
        {"HttpHeaders": {}},
        {"auths": {"quay.io": None, "https://[bad": {"username": "me"}}},
    ]
    for document in documents:
        assert found(document, "quay.io/a") is None


def test_a_key_with_a_path_is_for_that_path() -> None:
    document = {"auths": {"https://quay.io/org/app": encoded("me:x")}}

    assert found(document, "quay.io/other/app") is None


def test_the_old_dockercfg_is_the_entries_alone() -> None:
    assert found({"quay.io": encoded("me:x")}, "quay.io/a") == Credential("me", "x")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"auths": {}}', b'{"HttpHeaders": {}, "auths": {}}']
)
def test_a_file_may_hold_nothing(content: bytes) -> None:
    assert AuthFile("f", content).find(Repository.parse("quay.io/a")) is None


@pytest.mark.parametrize(
    "content",
    [b"nonsense", b"[]", b'{"auths": 3}', b'{"auths": {"a": 3}}', b"\xff", b'{"a.io": 3}'],
)
def test_a_damaged_file_is_named_with_the_place(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"auth\.json: "):
        AuthFile("auth.json", content)


@pytest.mark.parametrize(
    "auth", ["c2VjcmV0", "!!!", "bm9", "\u00e4", base64.b64encode(b"\xff").decode()]
)
def test_a_damaged_entry_is_named_without_showing_it(auth: str) -> None:
    with pytest.raises(UsageError) as caught:
        found({"auths": {"quay.io": {"auth": auth}}}, "quay.io/a")
    assert auth not in str(caught.value)


def test_a_credential_is_read_and_never_shown() -> None:
    credential = Credential.parse("me:top:secret")

    assert credential == Credential("me", "top:secret")
    assert credential.basic == "Basic bWU6dG9wOnNlY3JldA=="
    assert "secret" not in repr(credential)
    for text in ("", "me", ":x"):
        with pytest.raises(ValueError, match="USER:PASSWORD"):
            Credential.parse(text)


@given(st.binary())
def test_no_bytes_fail_otherwise_than_with_a_usage_error(content: bytes) -> None:
    try:
        AuthFile("f", content).find(Repository.parse("quay.io/a"))
    except UsageError:
        return


@pytest.mark.parametrize(
    "secret",
    [
        Credential("robot", "hunter2", "hunter2", "hunter2"),
        Token("hunter2", (), 1.0, 60.0),
        Access(source_credentials="hunter2", destination_token="hunter2"),
        Shared(src_creds="hunter2", dest_creds="hunter2", src_registry_token="hunter2"),
    ],
)
def test_nothing_that_is_printed_shows_a_secret(secret: Struct) -> None:
    assert "hunter2" not in repr(secret)
    assert "hunter2" not in pretty_repr(secret)
    assert "hunter2" not in repr([secret, {"key": secret}])
