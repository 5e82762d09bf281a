"""Logins from the command line: who to be on each side, and where else to look.

A secret on a command line can be read by everybody on the machine, so every
option takes ``@FILE`` in its place, and its environment variable.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mirror.auth.credential import Credential
from mirror.auth.keychain import Keychain
from mirror.configuration.model import Credentials
from mirror.errors import Side, UsageError
from mirror.wire.proxy import Proxies


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the options say, unread; secrets are not shown."""

    authfile: Path | None = None
    source_credentials: str | None = field(default=None, repr=False)
    destination_credentials: str | None = field(default=None, repr=False)
    source_token: str | None = field(default=None, repr=False)
    destination_token: str | None = field(default=None, repr=False)

    def keychain(self, hosts: Mapping[str, Credential] | None = None) -> Keychain:
        """Open the places where credentials are; raise UsageError for what cannot be read.

        ``hosts`` are the logins of single registries, known already.
        """
        given = {}
        for side, credentials, token in (
            (Side.SOURCE, self.source_credentials, self.source_token),
            (Side.DESTINATION, self.destination_credentials, self.destination_token),
        ):
            if token is not None:
                given[side] = _read(token, lambda text: Credential(registry_token=text))
            elif credentials is not None:
                given[side] = _read(credentials, Credential.parse)
        return Keychain(given, self.authfile, os.environ, hosts=hosts)


def proxies() -> Proxies:
    """Return the proxies that the environment names."""
    return Proxies.parse(os.environ)


def login_at(host: str, section: Credentials) -> Credential:
    """Read who to be at a registry from where a configuration says; raise UsageError if not."""
    try:
        if section.token_env or section.token_file:
            token = _kept(section.token_env, section.token_file)
            return Credential(registry_token=_printable(token))
        username = section.username or _kept(section.username_env, None)
        password = _kept(section.password_env, section.password_file)
        return Credential(_printable(username), _printable(password))
    except ValueError as error:
        raise UsageError(
            f"registries.{host}.credentials: {error}", hint="It should hold a login."
        ) from error


def _kept(variable: str | None, file: str | None) -> str:
    """Return a secret from where it is kept; raise ValueError if it is not there."""
    if variable is not None:
        if not (text := os.environ.get(variable, "")):
            raise ValueError(f"the environment variable {variable} is not set")
        return text
    assert file is not None, "the model sees to it that one of them is there"
    try:
        return Path(file).read_text().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ValueError(f"{file}: {reason}") from error


def _read(text: str, parse: Callable[[str], Credential]) -> Credential:
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text().strip("\r\n")
        return parse(_printable(text))
    except OSError as error:
        raise UsageError(f"{text[1:]}: {error.strerror}", hint="It should hold a login.") from error
    except ValueError as error:
        # The text itself may be half a secret.
        raise UsageError(str(error), hint="Or @FILE, a file that holds them.") from error


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a login has no control characters")
    return text
