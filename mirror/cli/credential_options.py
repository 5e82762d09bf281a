"""Logins from the command line: who to be on each side, and where else to look.

A secret on a command line can be read by every user of the machine, so every
option takes ``@FILE`` in its place, and its environment variable.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from mirror.auth.credential import Credential, printable
from mirror.auth.keychain import Keychain, Logins
from mirror.errors import UsageError
from mirror.place import Side
from mirror.wire.proxy import Proxies


class Access(Struct, frozen=True, kw_only=True):
    """What the options say, unread; secrets are not shown."""

    authfile: Path | None = None
    source_credentials: str | None = None
    destination_credentials: str | None = None
    source_token: str | None = None
    destination_token: str | None = None

    def __repr__(self) -> str:
        return f"Access(authfile={self.authfile!r})"  # and none of its secrets

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("authfile", self.authfile)]

    def keychain(self) -> Keychain:
        """Open the places where credentials are; raise UsageError for what cannot be read."""
        return Keychain.of(self.logins(), os.environ)

    def logins(self, hosts: Mapping[str, Credential] | None = None) -> Logins:
        """Read the logins; raise UsageError for what cannot be read.

        ``hosts`` are those of single registries, known already.
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
        return Logins(given=given, hosts=hosts or {}, authfile=self.authfile)


def proxies() -> Proxies:
    """Return the proxies that the environment names."""
    return Proxies.parse(os.environ)


def _read(text: str, parse: Callable[[str], Credential]) -> Credential:
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text().strip("\r\n")
        return parse(printable(text))
    except OSError as error:
        raise UsageError(f"{text[1:]}: {error.strerror}", hint="It should hold a login.") from error
    except ValueError as error:
        # The text itself may be half a secret.
        raise UsageError(str(error), hint="Or @FILE, a file that holds them.") from error
