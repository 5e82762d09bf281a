"""The options about who we are, and whom we believe; see `mirror.cli.option_declarations`."""

from pathlib import Path
from typing import Annotated

from mirror.cli.option_declarations import option

_TRUST = "Trust"

Insecure = Annotated[
    bool, option(_TRUST, "--insecure", meaning="Accept any certificate, and plain http.")
]
SourceTlsVerify = Annotated[
    bool,
    option(
        _TRUST,
        "--src-tls-verify/--no-src-tls-verify",
        meaning="Check certificates of sources and keep to https, or not.",
    ),
]
DestinationTlsVerify = Annotated[
    bool,
    option(
        _TRUST,
        "--dest-tls-verify/--no-dest-tls-verify",
        meaning="Check certificates of destinations and keep to https, or not.",
    ),
]
Authfile = Annotated[
    Path | None,
    option(
        _TRUST,
        "-a",
        "--authfile",
        "--registry-config",
        metavar="PATH",
        meaning="Take logins from this file only, not from where docker and podman keep them.",
    ),
]
SourceCredentials = Annotated[
    str | None,
    option(
        _TRUST,
        "--src-creds",
        metavar="USER:PASS",
        meaning="Log in to source registries so; @FILE reads it from a file.",
    ),
]
DestinationCredentials = Annotated[
    str | None,
    option(
        _TRUST,
        "--dest-creds",
        metavar="USER:PASS",
        meaning="Log in to destination registries so; @FILE reads it from a file.",
    ),
]
SourceToken = Annotated[
    str | None,
    option(
        _TRUST,
        "--src-registry-token",
        metavar="TOKEN",
        meaning="Send this Bearer token to source registries; @FILE reads it from a file.",
    ),
]
DestinationToken = Annotated[
    str | None,
    option(
        _TRUST,
        "--dest-registry-token",
        metavar="TOKEN",
        meaning="Send this Bearer token to destination registries; @FILE reads it from a file.",
    ),
]
CertificateAuthority = Annotated[
    Path | None,
    option(
        _TRUST,
        "--certificate-authority",
        metavar="PATH",
        meaning="Trust the authorities in this PEM bundle too.",
    ),
]
SkipMultipleScopes = Annotated[
    bool,
    option(_TRUST, "--skip-multiple-scopes", meaning="Ask for one token per repository."),
]
