"""Logins from the command line."""

from pathlib import Path

import pytest

from mirror.auth.credential import Credential
from mirror.cli.credential_options import Access
from mirror.errors import UsageError
from mirror.image.reference import Repository
from mirror.place import Side
from tests.cli.conftest import Run

APP = Repository.parse("quay.io/a")


async def test_each_side_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t\n")
    keychain = Access(
        source_credentials="me:a:b", destination_token=f"@{tmp_path / 'token'}"
    ).keychain()

    assert await keychain.find(APP, Side.SOURCE) == Credential("me", "a:b")
    assert await keychain.find(APP, Side.DESTINATION) == Credential(registry_token="t")


def test_what_is_no_login_is_said_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Access(source_credentials="half-a-secret").keychain()
    assert "half-a-secret" not in str(caught.value)
    (tmp_path / "crlf").write_bytes(b"tok\ren\r\n")
    with pytest.raises(UsageError, match="control characters"):
        Access(source_token=f"@{tmp_path}/crlf").keychain()
    with pytest.raises(UsageError, match="No such file"):
        Access(source_token=f"@{tmp_path}/none").keychain()
    assert "secret" not in repr(Access(source_credentials="me:secret"))


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--authfile", "/nonexistent"), "/nonexistent: No such file"),
     (("--src-creds", "x"), "USER:PASSWORD"),
     (("--certificate-authority", "/nonexistent"), "/nonexistent: No such file"),
     (("--chunk-size", "big"), "not a size")],
)  # fmt: skip
def test_what_cannot_be_read_ends_before_anything_is_sent(
    mirror: Run, words: tuple[str, ...], said: str
) -> None:
    ran = mirror("a.io/b:1=c.io/d", *words)

    assert (ran.code, said in ran.err) == (2, True), ran.err


@pytest.mark.parametrize(
    ("words", "env"),
    [(("--certificate-authority", "/nonexistent"), {}), ((), {"HTTPS_PROXY": "http://"})],
)
def test_a_request_that_makes_no_sense_leaves_the_last_report_alone(
    mirror: Run, tmp_path: Path, words: tuple[str, ...], env: dict[str, str]
) -> None:
    report = tmp_path / "run.json"
    report.write_text("last night's")

    ran = mirror("a.io/b:1=c.io/d", "--report", str(report), *words, **env)

    assert ran.code == 2
    assert report.read_text() == "last night's"


def test_a_damaged_auth_file_is_named_with_the_place(mirror: Run, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text('{"auths": {"quay.io": 3}}')
    ran = mirror("a.io/b:1=c.io/d", REGISTRY_AUTH_FILE=str(file))

    assert ran.code == 2
    assert f"{file}: " in ran.err
    assert "quay.io" in ran.err or "$.auths" in ran.err
