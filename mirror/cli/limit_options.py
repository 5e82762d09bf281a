"""The options that limit how much is done at once and how long it may take."""

from typing import Annotated

from mirror.cli.option_declarations import option

_LIMITS = "Limits"

AUTO = "auto"
MaxPerRegistry = Annotated[
    str,
    option(
        _LIMITS,
        "--max-per-registry",
        metavar="N",
        meaning="Requests in flight to one registry host, at most; auto finds the level of each.",
    ),
]
MaxRegistry = Annotated[
    int | None,
    option(
        _LIMITS,
        "--max-registry",
        min=1,
        metavar="N",
        meaning="Registry hosts worked on at once, at most.  [default: no limit]",
    ),
]
Retries = Annotated[
    int,
    option(
        _LIMITS,
        "--retries",
        min=0,
        metavar="N",
        meaning="Attempts beyond the first, for one request and for one blob.",
    ),
]
LimitRate = Annotated[
    str | None,
    option(
        _LIMITS,
        "--limit-rate",
        metavar="RATE",
        meaning="Move no more than this in a second, all blobs together, such as 50MB/s.",
    ),
]
StallTimeout = Annotated[
    float,
    option(
        _LIMITS,
        "--stall-timeout",
        min=0.1,
        metavar="SECONDS",
        meaning="Give up a connection on which nothing moves for so long, and try again.",
    ),
]
RequestTimeout = Annotated[
    float,
    option(
        _LIMITS,
        "--request-timeout",
        min=0.1,
        metavar="SECONDS",
        meaning="Give up a request that is not answered in full after so long, and try again; "
        "blobs may take longer.",
    ),
]
ConnectTimeout = Annotated[
    float,
    option(
        _LIMITS,
        "--connect-timeout",
        min=0.1,
        metavar="SECONDS",
        meaning="Give up connecting after so long, and try again.",
    ),
]
CommitTimeout = Annotated[
    float,
    option(
        _LIMITS,
        "--commit-timeout",
        min=0.1,
        metavar="SECONDS",
        meaning="Wait so long for an answer after the last byte of a blob.",
    ),
]
Deadline = Annotated[
    str | None,
    option(
        _LIMITS,
        "--deadline",
        metavar="TIME",
        meaning="Begin nothing new after this time of day (06:00) or duration (4h).",
    ),
]
