"""The options that say how much of the work is done, and where."""

import os
from enum import StrEnum
from typing import Annotated

import typer

from mirror.cli.option_declarations import option
from mirror.shard import AUTO, Shard

_SPREADING = "More than one machine"

Share = Annotated[
    str | None,
    option(
        _SPREADING,
        "--shard",
        metavar="I/N",
        meaning="Do only share I of N of the destination repositories; auto: in an Indexed Job.",
    ),
]


class EngineName(StrEnum):
    """Where the work runs."""

    LOCAL = "local"
    DASK = "dask"


Engines = Annotated[
    EngineName,
    option(
        _SPREADING,
        "--engine",
        meaning="Where the work runs: here, or on the workers of a cluster (oci-mirror[dask]).",
    ),
]
Scheduler = Annotated[
    str | None,
    option(
        _SPREADING,
        "--scheduler",
        metavar="ADDRESS",
        meaning="Such as tls://HOST:8786.  [default: a cluster of this machine's own cores]",
        show_default=False,
    ),
]


def share(text: str | None) -> Shard | None:
    """Read ``I/N``, or as a pod of a Job what Kubernetes says; raise BadParameter if it is none."""
    if text is None:
        return None
    try:
        return Shard.of_job(os.environ) if text == AUTO else Shard.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shard") from error
