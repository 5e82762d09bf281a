"""The options that commands share: names, meanings, environment variables.

One alias per option, so that it means the same wherever a command takes it.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


def option(panel: str, *names: str, meaning: str, **more: Any) -> Any:
    """Describe an option; each can be given as an environment variable too."""
    long = next(name for name in names if name.startswith("--"))
    envvar = "MIRROR_" + long.partition("/")[0].strip("-").replace("-", "_").upper()
    more = {"envvar": envvar, "show_envvar": False, "rich_help_panel": panel, **more}
    return typer.Option(*names, help=meaning, **more)


_WHAT = "What to copy"
_HOW = "How to copy it"
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


Mappings = Annotated[
    list[str] | None,
    typer.Argument(help="SRC=DST ..., or SRC DST [DST ...].", show_default=False),
]
Files = Annotated[
    list[str] | None,
    option(
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
    option(_WHAT, "--dry-run", meaning="Resolve everything and print the plan; change nothing."),
]
Platforms = Annotated[
    list[str] | None,
    option(
        _WHAT,
        "--platform",
        metavar="OS/ARCH[/VARIANT]",
        meaning="Keep only these platforms of an index, such as linux/arm64; repeatable.",
    ),
]
FilterByOs = Annotated[
    str | None,
    option(
        _WHAT,
        "--filter-by-os",
        metavar="REGEX",
        meaning="Keep only platforms of an index in which this is found, such as linux/.*64.",
    ),
]
KeepManifestList = Annotated[
    bool,
    option(
        _WHAT,
        "--keep-manifest-list",
        meaning="With a filter: push the index as it is, with only these platforms behind it.",
    ),
]
Referrers = Annotated[
    bool,
    option(
        _WHAT,
        "--referrers",
        meaning="Also copy what refers to an image: signatures, attestations, SBOMs.",
    ),
]
RequireReferrers = Annotated[
    bool,
    option(
        _WHAT,
        "--require-referrers",
        meaning="The same, and an image that has none fails.",
    ),
]
PushForeign = Annotated[
    bool,
    option(
        _WHAT,
        "--push-foreign",
        meaning="Copy layers too that their publishers keep elsewhere.",
    ),
]
Folder = Annotated[
    Path,
    option(
        _WHAT,
        "--dir",
        metavar="PATH",
        meaning="Where file:// repositories are, as oc image mirror keeps them.  [default: here]",
        show_default=False,
    ),
]
Deep = Annotated[
    bool,
    option(_WHAT, "--deep", meaning="Read everything at the destination, and check its digest."),
]
Repair = Annotated[
    bool,
    option(
        _WHAT,
        "--repair",
        meaning="Bring what is missing or different, tags included; nothing is ever deleted.",
    ),
]
OnlyLook = Annotated[
    bool, option(_WHAT, "--dry-run", meaning="Repair nothing, even with --repair.")
]
SkipMissing = Annotated[
    bool,
    option(_WHAT, "--skip-missing", meaning="A source that does not exist is skipped, not failed."),
]
Force = Annotated[bool, option(_HOW, "--force", meaning="Push even what is there already.")]
SkipMount = Annotated[
    bool,
    option(_HOW, "--skip-mount", meaning="Upload what could be mounted from a neighbour."),
]
FailFast = Annotated[
    bool,
    option(
        _HOW,
        "--fail-fast/--continue-on-error",
        meaning="Stop at the first failure, or go on and report.",
    ),
]
DEFAULT_RECHECK = "7d"
Ledger = Annotated[
    Path | None,
    option(
        _HOW,
        "--ledger",
        metavar="PATH",
        meaning="Remember in this file what was verified when, and ask its destination less.",
    ),
]
Recheck = Annotated[
    str,
    option(
        _HOW,
        "--recheck",
        metavar="DURATION",
        meaning="With a ledger: look at a destination again after so long at the latest.",
    ),
]
Configuration = Annotated[
    str | None,
    typer.Argument(metavar="CONFIG.yaml", help="What to keep in step.", show_default=False),
]
Schema = Annotated[
    bool, option(_OUTPUT, "--schema", meaning="Print the JSON Schema of configurations, and end.")
]
Lock = Annotated[
    Path | None,
    option(
        _HOW,
        "--lock",
        metavar="PATH",
        meaning="Hold this file, so that no two runs overlap.  [default: beside the ledger]",
        show_default=False,
    ),
]
ChunkSize = Annotated[
    str | None,
    option(
        _HOW,
        "--chunk-size",
        metavar="SIZE",
        meaning="Upload in chunks of this size, such as 64MiB; without, whole blobs where taken.",
    ),
]
OutputFormat = Annotated[
    Output,
    option(
        _OUTPUT,
        "-o",
        "--output",
        meaning="Standard output: lines for people and scripts, or one JSON document.",
    ),
]
Report = Annotated[
    Path | None,
    option(
        _OUTPUT, "--report", metavar="PATH", meaning="Write the run report to this file, as JSON."
    ),
]
RetryFile = Annotated[
    Path | None,
    option(
        _OUTPUT,
        "--retry-file",
        metavar="PATH",
        meaning="Write the mappings that were not done to this file.",
    ),
]
Metrics = Annotated[
    Path | None,
    option(
        _OUTPUT,
        "--metrics",
        metavar="PATH",
        meaning="Write the run as Prometheus text to this file, for the node exporter.",
    ),
]
RunReports = Annotated[
    list[str],
    typer.Argument(metavar="RUN.json ...", help="What a run, or each of its shares, has written."),
]
Html = Annotated[
    Path | None,
    option(_OUTPUT, "--html", metavar="PATH", meaning="Write a page to this file."),
]
Before = Annotated[
    str | None,
    option(
        _OUTPUT,
        "--before",
        metavar="RUN.json",
        meaning="Compare with this run, such as that of the night before.",
    ),
]
Progress = Annotated[
    Show,
    option(
        _OUTPUT,
        "--progress",
        meaning="Standard error: bars on a terminal, plain lines elsewhere.",
    ),
]
Quiet = Annotated[
    bool, option(_OUTPUT, "-q", "--quiet", meaning="Say only what failed or was put off.")
]
Verbose = Annotated[
    bool, option(_OUTPUT, "-v", "--verbose", meaning="Name every image, also the unchanged.")
]
Raw = Annotated[bool, option(_OUTPUT, "--raw", meaning="Print the manifest itself, byte for byte.")]
TagsOnly = Annotated[
    bool, option(_OUTPUT, "--tags", meaning="Print the repository's tags, one in a line.")
]
Listen = Annotated[
    str,
    option(
        _HOW,
        "--listen",
        metavar="HOST:PORT",
        meaning="Where to listen; port 0 is any free one.",
    ),
]
Catalog = Annotated[
    bool, option(_HOW, "--catalog", meaning="Begin with a made-up catalog instead of empty.")
]
Image = Annotated[str, typer.Argument(metavar="REF", help="An image: [HOST/]PATH[:TAG][@DIGEST].")]
