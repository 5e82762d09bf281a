"""The options that commands share: names, meanings, environment variables.

One alias per option, so that it means the same wherever a command takes it.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

_WHAT = "What to copy"
_HOW = "How to copy it"
_LIMITS = "Limits"
_TRUST = "Trust"
_OUTPUT = "Output"


class Output(StrEnum):
    """What standard output is for."""

    TEXT = "text"
    JSON = "json"


class Show(StrEnum):
    """How progress is shown on standard error."""

    AUTO = "auto"
    BAR = "bar"
    PLAIN = "plain"
    NONE = "none"


def _option(panel: str, *names: str, meaning: str, **more: Any) -> Any:
    """Describe an option; each can be given as an environment variable too."""
    long = next(name for name in names if name.startswith("--"))
    envvar = "MIRROR_" + long.partition("/")[0].strip("-").replace("-", "_").upper()
    more = {"envvar": envvar, "show_envvar": False, "rich_help_panel": panel, **more}
    return typer.Option(*names, help=meaning, **more)


Mappings = Annotated[
    list[str] | None,
    typer.Argument(help="SRC=DST ..., or SRC DST [DST ...].", show_default=False),
]
Files = Annotated[
    list[str] | None,
    _option(
        _WHAT,
        "-f",
        "--file",
        "--filename",
        metavar="PATH",
        meaning="Read mappings from this file; repeatable, - is standard input.",
    ),
]
DryRun = Annotated[
    bool,
    _option(_WHAT, "--dry-run", meaning="Resolve everything and print the plan; change nothing."),
]
Platforms = Annotated[
    list[str] | None,
    _option(
        _WHAT,
        "--platform",
        metavar="OS/ARCH[/VARIANT]",
        meaning="Keep only these platforms of an index, such as linux/arm64; repeatable.",
    ),
]
FilterByOs = Annotated[
    str | None,
    _option(
        _WHAT,
        "--filter-by-os",
        metavar="REGEX",
        meaning="Keep only platforms of an index in which this is found, such as linux/.*64.",
    ),
]
KeepManifestList = Annotated[
    bool,
    _option(
        _WHAT,
        "--keep-manifest-list",
        meaning="With a filter: push the index as it is, with only these platforms behind it.",
    ),
]
Referrers = Annotated[
    bool,
    _option(
        _WHAT,
        "--referrers",
        meaning="Also copy what refers to an image: signatures, attestations, SBOMs.",
    ),
]
RequireReferrers = Annotated[
    bool,
    _option(
        _WHAT,
        "--require-referrers",
        meaning="The same, and an image that has none fails.",
    ),
]
SkipMissing = Annotated[
    bool,
    _option(
        _WHAT, "--skip-missing", meaning="A source that does not exist is skipped, not failed."
    ),
]
Force = Annotated[bool, _option(_HOW, "--force", meaning="Push even what is there already.")]
SkipMount = Annotated[
    bool,
    _option(_HOW, "--skip-mount", meaning="Upload what could be mounted from a neighbour."),
]
FailFast = Annotated[
    bool,
    _option(
        _HOW,
        "--fail-fast/--continue-on-error",
        meaning="Stop at the first failure, or go on and report.",
    ),
]
MaxPerRegistry = Annotated[
    int,
    _option(
        _LIMITS,
        "--max-per-registry",
        min=1,
        metavar="N",
        meaning="Requests in flight to one registry host, at most.",
    ),
]
MaxRegistry = Annotated[
    int | None,
    _option(
        _LIMITS,
        "--max-registry",
        min=1,
        metavar="N",
        meaning="Registry hosts worked on at once, at most.  [default: no limit]",
    ),
]
Retries = Annotated[
    int,
    _option(
        _LIMITS,
        "--retries",
        min=0,
        metavar="N",
        meaning="Attempts beyond the first, for one request and for one blob.",
    ),
]
LimitRate = Annotated[
    str | None,
    _option(
        _LIMITS,
        "--limit-rate",
        metavar="RATE",
        meaning="Move no more than this in a second, all blobs together, such as 50MB/s.",
    ),
]
StallTimeout = Annotated[
    float,
    _option(
        _LIMITS,
        "--stall-timeout",
        min=0.1,
        metavar="SECONDS",
        meaning="Give up a connection on which nothing moves for so long, and try again.",
    ),
]
ConnectTimeout = Annotated[
    float,
    _option(
        _LIMITS,
        "--connect-timeout",
        min=0.1,
        metavar="SECONDS",
        meaning="Give up connecting after so long, and try again.",
    ),
]
CommitTimeout = Annotated[
    float,
    _option(
        _LIMITS,
        "--commit-timeout",
        min=0.1,
        metavar="SECONDS",
        meaning="Wait so long for an answer after the last byte of a blob.",
    ),
]
Deadline = Annotated[
    str | None,
    _option(
        _LIMITS,
        "--deadline",
        metavar="TIME",
        meaning="Begin nothing new after this time of day (06:00) or duration (4h).",
    ),
]
ChunkSize = Annotated[
    str | None,
    _option(
        _HOW,
        "--chunk-size",
        metavar="SIZE",
        meaning="Upload in chunks of this size, such as 64MiB; without, whole blobs where taken.",
    ),
]
Insecure = Annotated[
    bool, _option(_TRUST, "--insecure", meaning="Accept any certificate, and plain http.")
]
SourceTlsVerify = Annotated[
    bool,
    _option(
        _TRUST,
        "--src-tls-verify/--no-src-tls-verify",
        meaning="Check certificates of sources and keep to https, or not.",
    ),
]
DestinationTlsVerify = Annotated[
    bool,
    _option(
        _TRUST,
        "--dest-tls-verify/--no-dest-tls-verify",
        meaning="Check certificates of destinations and keep to https, or not.",
    ),
]
Authfile = Annotated[
    Path | None,
    _option(
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
    _option(
        _TRUST,
        "--src-creds",
        metavar="USER:PASS",
        meaning="Log in to source registries so; @FILE reads it from a file.",
    ),
]
DestinationCredentials = Annotated[
    str | None,
    _option(
        _TRUST,
        "--dest-creds",
        metavar="USER:PASS",
        meaning="Log in to destination registries so; @FILE reads it from a file.",
    ),
]
SourceToken = Annotated[
    str | None,
    _option(
        _TRUST,
        "--src-registry-token",
        metavar="TOKEN",
        meaning="Send this Bearer token to source registries; @FILE reads it from a file.",
    ),
]
DestinationToken = Annotated[
    str | None,
    _option(
        _TRUST,
        "--dest-registry-token",
        metavar="TOKEN",
        meaning="Send this Bearer token to destination registries; @FILE reads it from a file.",
    ),
]
CertificateAuthority = Annotated[
    Path | None,
    _option(
        _TRUST,
        "--certificate-authority",
        metavar="PATH",
        meaning="Trust the authorities in this PEM bundle too.",
    ),
]
SkipMultipleScopes = Annotated[
    bool,
    _option(_TRUST, "--skip-multiple-scopes", meaning="Ask for one token per repository."),
]
OutputFormat = Annotated[
    Output,
    _option(
        _OUTPUT,
        "-o",
        "--output",
        meaning="Standard output: lines for people and scripts, or one JSON document.",
    ),
]
Report = Annotated[
    Path | None,
    _option(
        _OUTPUT, "--report", metavar="PATH", meaning="Write the run report to this file, as JSON."
    ),
]
RetryFile = Annotated[
    Path | None,
    _option(
        _OUTPUT,
        "--retry-file",
        metavar="PATH",
        meaning="Write the mappings that were not done to this file.",
    ),
]
Progress = Annotated[
    Show,
    _option(
        _OUTPUT,
        "--progress",
        meaning="Standard error: bars on a terminal, plain lines elsewhere.",
    ),
]
Quiet = Annotated[bool, _option(_OUTPUT, "-q", "--quiet", meaning="Say only what failed.")]
Verbose = Annotated[
    bool, _option(_OUTPUT, "-v", "--verbose", meaning="Name every image, also the unchanged.")
]
Raw = Annotated[
    bool, _option(_OUTPUT, "--raw", meaning="Print the manifest itself, byte for byte.")
]
TagsOnly = Annotated[
    bool, _option(_OUTPUT, "--tags", meaning="Print the repository's tags, one in a line.")
]
Listen = Annotated[
    str,
    _option(
        _HOW,
        "--listen",
        metavar="HOST:PORT",
        meaning="Where to listen; port 0 is any free one.",
    ),
]
Catalog = Annotated[
    bool, _option(_HOW, "--catalog", meaning="Begin with a made-up catalog instead of empty.")
]
Image = Annotated[str, typer.Argument(metavar="REF", help="An image: [HOST/]PATH[:TAG][@DIGEST].")]
