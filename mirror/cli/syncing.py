"""The sync command: from a configuration to an exit code."""

import json
import os
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirror.auth.credential import Credential
from mirror.cli.access import Access, printable
from mirror.cli.copying import Engine, carry_out, locally, read_document
from mirror.cli.lock import held, path_for
from mirror.cli.values import Telling
from mirror.configuration.document import Sync, parse
from mirror.configuration.model import Credentials
from mirror.configuration.model import schema as configuration_schema
from mirror.errors import ConfigurationError, ExitCode, UsageError
from mirror.options import Options


def main(
    configuration: str | None,
    options: Options,
    logins: Mapping[str, Any],
    telling: Telling,
    *,
    schema: bool,
    lock: Path | None,
    engine: Engine = locally,
) -> ExitCode:
    """Keep in step what a configuration says; return what to tell the caller.

    Raises UsageError before anything is sent, and Locked if another run is under way.
    """
    if schema:
        print(json.dumps(configuration_schema(), indent=2))
        return ExitCode.DONE
    if configuration is None:
        raise UsageError("no configuration is named", hint="Write mirror sync CONFIG.yaml")
    sync = _read(configuration)
    given = Access(**logins).logins(_credentials(sync, _folder(configuration)))
    options = replace(options, registries=sync.registries)
    with ExitStack() as holding:
        if not options.dry_run:  # which gets in nobody's way
            usual = path_for(configuration, options.ledger, options.shard)
            holding.enter_context(held(lock or usual))
        return carry_out(deque(sync.rules), options, given, telling, engine=engine)


def _folder(configuration: str) -> Path:
    """Return from where the files are seen that a configuration names."""
    return Path(configuration).parent if configuration != "-" else Path()


def _read(configuration: str) -> Sync:
    return parse(
        read_document(configuration, "This configuration cannot be read."),
        os.environ,
        lambda path: (_folder(configuration) / path).read_bytes(),
    )


def _credentials(sync: Sync, folder: Path) -> dict[str, Credential]:
    """Read who to be at each registry; raise ConfigurationError with all that is not there."""
    found, problems = dict[str, Credential](), list[str]()
    for host, login in sync.logins.items():
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
        # Somebody may have written the secret itself where its place should stand.
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ValueError(f"the file that it names cannot be read: {reason}") from error
