"""Logging in: what happens on a 401, at every kind of request."""

import base64
import json
from datetime import UTC, datetime

import pytest

from mirror.auth.challenge import Challenge
from mirror.auth.keychain import Keychain
from mirror.auth.scope import Scope
from mirror.demo.fault import Fault
from mirror.demo.server import EmbeddedRegistry, TokenIssuer
from mirror.engine.run import Environment, copy
from mirror.events import Status, Traffic
from mirror.mapping.grammar import parse
from mirror.options import Options
from mirror.report.result import Result
from tests.conftest import Copy
from tests.engine.test_copying import asked, simple


def guard(registry: EmbeddedRegistry, *faults: Fault) -> None:
    """Let a registry ask for tokens, give them out, and refuse one where told."""
    realm = f'Bearer realm="http://{registry.host}/token",service="tests"'
    challenge = {"WWW-Authenticate": realm}
    registry.faults.append(Fault("GET", "^/v2/$", 401, challenge))
    registry.faults.append(Fault("GET", "^/token", 200, body=b'{"token": "t"}', times=999))
    for fault in faults:
        fault.status, fault.headers = 401, challenge
        registry.faults.append(fault)


REQUESTS = [
    ("source", "HEAD", "/manifests/"), ("source", "GET", "/manifests/"),
    ("source", "GET", "/blobs/"), ("source", "GET", "/tags/"), ("source", "GET", "/_catalog"),
    ("target", "HEAD", "/manifests/"), ("target", "POST", "/uploads/"),
    ("target", "PUT", "/uploads/"), ("target", "PUT", "/manifests/"),
]  # fmt: skip


@pytest.mark.parametrize(("side", "method", "path"), REQUESTS)
async def test_one_401_at_any_kind_of_request_is_answered(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    side: str,
    method: str,
    path: str,
) -> None:
    simple(source, "a", "1", "x")
    guard(source, *([Fault(method, path)] if side == "source" else []))
    guard(target, *([Fault(method, path)] if side == "target" else []))

    result = await mirrored("S/*=T/*")

    assert result.statuses == {Status.COPIED: 1}
    assert target.store.sessions == {}


@pytest.mark.parametrize("uses", [3, 5, 7])
async def test_tokens_that_run_out_all_the_time_stop_nothing(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, uses: int
) -> None:
    for tag in "1234":
        simple(source, "a", tag, f"x{tag}", f"y{tag}")
    source.tokens, target.tokens = TokenIssuer(uses), TokenIssuer(uses)

    result = await mirrored("S/a=T/a", max_per_registry=1)

    assert result.statuses == {Status.COPIED: 4}
    assert target.store.sessions == {}
    assert target.tokens.given >= 20 // uses


async def test_a_registry_that_always_says_401_is_not_asked_for_ever(
    source: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    guard(source, Fault("HEAD|GET", "/manifests/", times=999))

    (failed,) = (await mirrored("S/a:1=T/a")).failures

    assert failed.error is not None
    assert failed.error.category == "auth"
    assert asked(source)["HEAD manifests"] == 2


async def test_one_token_serves_a_repository(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    for tag in "123":
        simple(source, "a", tag, tag)
    guard(source)
    guard(target)

    await mirrored("S/a=T/a")

    for registry in (source, target):
        assert len([r for r in registry.log if r.path.startswith("/token")]) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [(Fault("GET", "^/token", 200, body=b"<html>login</html>", times=99), "something else"),
     (Fault("GET", "^/token", 200, body=b"{}", times=99), "without a token"),
     (Fault("GET", "^/token", 200, body=b'{"token": "a\\nb"}', times=99), "without a token"),
     (Fault("GET", "^/token", 503, times=99), "503"),
     (Fault("GET", "^/token", 302, {"Location": "/token"}, times=99), "redirected"),
     (Fault("GET", "^/token", hang_up=True, times=99), "closed the connection")],
)  # fmt: skip
async def test_what_is_no_token_is_said(
    source: EmbeddedRegistry, mirrored: Copy, fault: Fault, said: str
) -> None:
    simple(source, "a", "1", "x")
    source.faults.append(fault)
    guard(source)

    (failed,) = (await mirrored("S/a:1=T/a")).failures

    assert said in str(failed.error)
    assert "source" in str(failed.error)


async def test_a_token_server_that_refuses_several_scopes_is_asked_for_one(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "x")
    target.faults.append(Fault("GET", "^/token.*scope=.*scope=", 400, times=99))
    guard(target)

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b")

    assert result.statuses == {Status.COPIED: 2}


async def test_the_first_scope_is_the_repository_that_is_worked_on(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "x")
    guard(target)

    await mirrored("S/a:1=T/a", "S/b:1=T/b")
    several = [r.path for r in target.log if r.path.count("scope=") > 1]

    assert several == [
        "/token?service=tests&scope=repository%3Ab%3Apull%2Cpush&scope=repository%3Aa%3Apull"
    ] or several == [
        "/token?service=tests&scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull"
    ]


def basic(registry: EmbeddedRegistry, *faults: Fault) -> None:
    """Let a registry ask for a password, and refuse it where told."""
    challenge = {"WWW-Authenticate": 'Basic realm="lock"'}
    registry.faults.append(Fault("GET", "^/v2/$", 401, challenge))
    for fault in faults:
        fault.status, fault.headers = 401, challenge
        registry.faults.append(fault)


def known(registry: EmbeddedRegistry) -> Keychain:
    """Log in to this registry and to no other."""
    auth = base64.b64encode(b"me:secret").decode()
    content = json.dumps({"auths": {registry.host: {"auth": auth}}})
    return Keychain(environment={"DOCKER_AUTH_CONFIG": content})


async def copied(lines: list[str], keychain: Keychain) -> Result:
    result = Result(datetime.now(UTC))
    await copy(parse(lines), Options(retries=0), result.take, Traffic(), Environment(keychain))
    return result


async def test_a_wrong_password_is_tried_once_by_however_many(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    basic(source, Fault(path=".*", times=999))
    lines = [f"{source.host}/a:{n}={target.host}/a" for n in range(40)]

    result = await copied(lines, known(source))

    assert result.statuses == {Status.FAILED: 40}
    assert len([r for r in source.log if r.login]) == 1


async def test_one_repository_that_is_closed_does_not_close_the_others(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    for name in "abc":
        simple(source, name, "1", name)
    basic(source, Fault(path="/v2/b/", times=999))

    result = await copied([f"{source.host}/{n}:1={target.host}/{n}" for n in "abc"], known(source))

    assert result.statuses == {Status.COPIED: 2, Status.FAILED: 1}


async def test_storage_behind_a_redirect_cannot_ask_for_the_login(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    simple(source, "a", "1", "x")
    elsewhere = {"Location": f"http://{target.host}/stolen"}
    source.faults.append(Fault("GET", "/blobs/", 307, elsewhere, times=9))
    realm = {"WWW-Authenticate": f'Bearer realm="http://{target.host}/token"'}
    target.faults.append(Fault("GET", "/stolen", 401, realm, times=9))

    result = await copied([f"{source.host}/a:1={target.host}/a"], known(source))

    assert result.statuses == {Status.FAILED: 1}
    assert not [r for r in target.log if r.login]
    assert not [r for r in target.log if r.path.startswith("/token")]


async def test_the_login_never_goes_to_another_origin(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(target, "a", "other", "x")
    guard(source)
    wanted = source.store.manifest("a", "1").blobs[1].digest
    elsewhere = {"Location": f"http://{target.host}/v2/a/blobs/{wanted}"}
    source.faults.append(Fault("GET", f"/blobs/{wanted}", 307, elsewhere))

    result = await mirrored("S/a:1=T/b")
    redirected = [r for r in target.log if r.path == f"/v2/a/blobs/{wanted}" and r.method == "GET"]

    assert result.statuses == {Status.COPIED: 1}
    assert [r.login for r in redirected] == [""]
    assert {r.login for r in source.log if r.method == "HEAD"} == {"Bearer t"}


def test_a_challenge_without_parameters_has_no_realm() -> None:
    assert Challenge("bearer").realm == ""
    assert Scope.catalog().name == "catalog"
