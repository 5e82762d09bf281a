"""Keeping in step what a configuration says, called from a program."""

import os
from pathlib import Path

from msgspec.structs import replace

from mirror.auth.credential import Credential, printable
from mirror.auth.keychain import Logins
from mirror.configuration.loader import Sync, parse
from mirror.configuration.model import Credentials
from mirror.errors import ConfigurationError, UsageError
from mirror.events import Emit
from mirror.library.copy_and_verify import carry_out
from mirror.mapping.grammar import Document
from mirror.options import Cluster, Options
from mirror.report.document import Report

_OPTIONS = Options()
_LOGINS = Logins()
UNREADABLE = "This configuration cannot be read."


async def sync(
    configuration: str | Path,
    options: Options = _OPTIONS,
    *,
    on_event: Emit | None = None,
    logins: Logins = _LOGINS,
    cluster: Cluster | None = None,
) -> Report:
    """Keep in step what a configuration file says; see `mirror.library.copy_and_verify.copy`.

    The files that it names are seen from its own folder.  What ``options.registries`` and
    ``logins.hosts`` say of a registry comes before what it says.  Nobody is kept from doing
    the same at the same time.  Raises ConfigurationError with all that is wrong with it.
    """
    folder = Path(configuration).parent
    said = read(_document(configuration), folder)
    hosts = {**credentials(said, folder), **logins.hosts}
    options = replace(options, registries={**said.registries, **options.registries})
    logins = replace(logins, hosts=hosts)
    return await carry_out(said.rules, options, on_event, logins, cluster, verifying=False)


def read(document: Document, folder: Path) -> Sync:
    """Read a configuration that is in a folder; raise ConfigurationError."""
    return parse(document, os.environ, lambda path: (folder / path).read_bytes())


def _document(configuration: str | Path) -> Document:
    try:
        return Document(str(configuration), Path(configuration).read_bytes())
    except OSError as error:
        raise UsageError(f"{configuration}: {error.strerror}", hint=UNREADABLE) from error


def credentials(said: Sync, folder: Path) -> dict[str, Credential]:
    """Read who to be at each registry; raise ConfigurationError with all that is not there."""
    found, problems = dict[str, Credential](), list[str]()
    for host, login in said.logins.items():
        try:
            found[host] = _read_login(login.section, folder)
        except ValueError as error:
            problems.append(f"{login.place}: {error}")
    if problems:
        raise ConfigurationError(tuple(problems))
    return found


def _read_login(section: Credentials, folder: Path) -> Credential:
    """Read who to be from where a configuration says; raise ValueError if that is not there."""
    if section.token_env or section.token_file:
        token = _kept(section.token_env, section.token_file, folder)
        return Credential(registry_token=printable(token))
    username = section.username or _kept(section.username_env, None, folder)
    password = _kept(section.password_env, section.password_file, folder)
    return Credential(printable(username), printable(password))


def _kept(variable: str | None, file: str | None, folder: Path) -> str:
    """Return a secret from where it is kept; raise ValueError if it is not there."""
    if variable is not None:
        if not (text := os.environ.get(variable, "")):
            raise ValueError("the environment variable that it names is not set")
        return text
    assert file is not None, "the model sees to it that one of them is there"
    try:
        return (folder / file).read_text().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        # The secret itself may have been written where its place should stand.
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ValueError(f"the file that it names cannot be read: {reason}") from error
