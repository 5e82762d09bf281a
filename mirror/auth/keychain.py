"""Where credentials are kept: options, environment, files, helper programs, a pod's account.

In the order in which podman and docker look, the first hit wins.  A credential
given for one side is for that side's registries only.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import anyio
import msgspec
from msgspec import Struct, field

from mirror.auth.credential import AuthFile, Credential, Helper
from mirror.errors import Denied, UsageError
from mirror.image.reference import Repository
from mirror.place import Side

# Seconds a helper program may take; some ask a cloud, or a person's agent.
_HELPER_TIMEOUT = 30.0
# Bytes of an answer: a secret is short, even one that is a signed token.
_ANSWER_LIMIT = 64 * 1024
_NOT_FOUND = b"credentials not found in native keychain"
# User name with which helpers mark an identity token.
_TOKEN_USER = "<token>"  # noqa: S105 - a mark, not a secret
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_IN_CLUSTER = (".svc", ".svc.cluster.local")


class _HelperAnswer(msgspec.Struct):
    Username: str = ""
    Secret: str = ""


class Logins(Struct, frozen=True, kw_only=True):
    """Credentials that the caller gave: for a side, for single hosts, and files to look in."""

    given: Mapping[Side, Credential] = field(default_factory=dict)
    hosts: Mapping[str, Credential] = field(default_factory=dict)
    authfile: Path | None = None

    @property
    def secret(self) -> bool:
        """Whether it holds logins that other processes cannot look up for themselves."""
        return bool(self.given or self.hosts)


class Keychain:
    """Finds the credential for a repository; reads every file once, and asks helpers once."""

    def __init__(
        self,
        given: Mapping[Side, Credential] | None = None,
        authfile: Path | None = None,
        environment: Mapping[str, str] | None = None,
        service_account: Path = _SERVICE_ACCOUNT,
        hosts: Mapping[str, Credential] | None = None,
    ) -> None:
        """Look in the environment's usual places, or with ``authfile`` only there.

        What is ``given`` for a side comes first, then what ``hosts`` says of a registry.

        Raises UsageError for a file that cannot be read or is damaged.
        """
        self._given = given or {}
        self._hosts = hosts or {}
        self._service_account = service_account
        self._asked: dict[Helper, Credential | Denied | None] = {}
        self._one_at_a_time = anyio.Lock()
        environment = environment if environment is not None else {}
        self._environment = environment
        self._files = _read([authfile]) if authfile else _usual(environment)

    @classmethod
    def of(cls, logins: Logins, environment: Mapping[str, str]) -> Self:
        """Look where logins say, and in this environment's usual places."""
        return cls(logins.given, logins.authfile, environment, hosts=logins.hosts)

    async def find(self, repository: Repository, side: Side) -> Credential | None:
        """Return the login for a repository; None for anonymous access.

        Raises Denied if a helper that should know cannot be asked.
        """
        if (credential := self._given.get(side)) is not None:
            return credential
        if (own := self._hosts.get(repository.registry.host)) is not None:
            return own
        for file in self._files:
            found = file.find(repository)
            if isinstance(found, Helper):
                found = await self._ask(found)
            if found is not None:
                return found
        return self._account(repository) or self._below(repository)

    def _below(self, repository: Repository) -> Credential | None:
        """Return the login for a whole registry where only parts of it have one.

        Its catalog shows each login what that login may see.  Raises Denied where
        several are known, none of which would see all.
        """
        if repository.path:
            return None
        known = dict.fromkeys(one for file in self._files for one in file.below(repository))
        if len(known) > 1:
            raise Denied(
                f"{len(known)} logins are known for parts of {repository.registry}, none for all",
                hint="Its catalog shows each of them a part: give one that may see all of it, by "
                "--src-creds or --dest-creds, or name each repository.",
            )
        return next(iter(known), None)

    async def _ask(self, helper: Helper) -> Credential | None:
        async with self._one_at_a_time:
            if helper not in self._asked:
                try:
                    self._asked[helper] = await _run(helper, self._environment)
                except Denied as error:
                    self._asked[helper] = error
        answer = self._asked[helper]
        if isinstance(answer, Denied):
            raise Denied(answer.message, hint=answer.hint)
        return answer

    def _account(self, repository: Repository) -> Credential | None:
        """Return the pod's own account, for registries of its cluster; it is renewed on disk."""
        host = repository.registry.host.partition(":")[0]
        if not host.endswith(_IN_CLUSTER):
            return None
        try:
            token = self._service_account.read_text().strip()
        except OSError:
            return None
        return Credential("serviceaccount", token)


def _usual(environment: Mapping[str, str]) -> list[AuthFile]:
    home = Path(environment.get("HOME", "/nonexistent"))
    configuration = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    candidates = []
    if explicit := environment.get("REGISTRY_AUTH_FILE"):
        return _read([Path(explicit)])
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        candidates.append(Path(runtime, "containers/auth.json"))
    candidates.append(configuration / "containers/auth.json")
    candidates.append(Path(environment.get("DOCKER_CONFIG") or home / ".docker", "config.json"))
    candidates.append(home / ".dockercfg")
    files = _read([path for path in candidates if path.is_file()])
    if text := environment.get("DOCKER_AUTH_CONFIG"):
        files.insert(0, AuthFile("DOCKER_AUTH_CONFIG", text.encode()))
    return files


def _read(paths: list[Path]) -> list[AuthFile]:
    files = []
    for path in paths:
        try:
            files.append(AuthFile(str(path), path.read_bytes()))
        except OSError as error:
            raise UsageError(
                f"{path}: {error.strerror}", hint="This credentials file cannot be read."
            ) from error
    return files


async def _run(helper: Helper, environment: Mapping[str, str]) -> Credential | None:
    """Ask a helper program for a server, as docker does; None if it knows nothing of it."""
    program = f"docker-credential-{helper.name}"
    try:
        with _holding(helper.server.encode()) as question:
            code, said = await _output([program, "get"], question, {**os.environ, **environment})
    except TimeoutError as error:
        raise _helper_failed(program, f"did not answer in {_HELPER_TIMEOUT:.0f} s") from error
    except OSError as error:
        raise _helper_failed(program, error.strerror or "cannot be run") from error
    if code:
        if _NOT_FOUND in said:
            return None
        raise _helper_failed(program, f"failed with {code}")
    try:
        answer = msgspec.json.decode(said, type=_HelperAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # What it said may hold the secret, so it is not repeated.
        raise _helper_failed(program, "gave no credential") from error
    if answer.Username == _TOKEN_USER:
        return Credential(identity_token=answer.Secret)
    return Credential(answer.Username, answer.Secret)


async def _output(
    words: list[str], question: int, environment: Mapping[str, str]
) -> tuple[int | None, bytes]:
    """Run a program to its end; return its exit code and what it wrote, up to a limit.

    Raises TimeoutError if it takes too long; whatever it started ends with it.
    """
    async with await anyio.open_process(
        words, stdin=question, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    ) as process:
        said = b""
        try:
            with anyio.fail_after(_HELPER_TIMEOUT):
                assert process.stdout is not None, "standard output is a pipe"
                async for chunk in process.stdout:
                    said = (said + chunk)[:_ANSWER_LIMIT]
                await process.wait()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, said


@contextmanager
def _holding(content: bytes) -> Iterator[int]:
    """Give a file descriptor to read this from; the helper may leave it unread."""
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
        os.close(writing)
        yield reading
    finally:
        os.close(reading)


def _helper_failed(program: str, what: str) -> Denied:
    return Denied(
        f"the credential helper {program} {what}",
        hint="Is it on PATH? Or give the login with --src-creds or --dest-creds.",
    )
