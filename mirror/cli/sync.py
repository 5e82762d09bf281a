"""The sync command: from a configuration to an exit code."""

import json
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mirror.cli.converters import ReportingOptions
from mirror.cli.copy import carry_out, read_document
from mirror.cli.credential_options import Access
from mirror.cli.lock import held, path_for
from mirror.configuration.model import schema as configuration_schema
from mirror.errors import UsageError
from mirror.exit_code import ExitCode
from mirror.library.configured_sync import UNREADABLE, credentials, read
from mirror.options import Cluster, Options


def main(
    configuration: str | None,
    options: Options,
    logins: Mapping[str, Any],
    reporting: ReportingOptions,
    *,
    schema: bool,
    lock: Path | None,
    cluster: Cluster | None = None,
) -> ExitCode:
    """Keep in step what a configuration says; return what to tell the caller.

    Raises UsageError before anything is sent, and Locked if another run is under way.
    """
    if schema:
        print(json.dumps(configuration_schema(), indent=2))
        return ExitCode.DONE
    if configuration is None:
        raise UsageError("no configuration is named", hint="Write mirror sync CONFIG.yaml")
    folder = _folder(configuration)
    sync = read(read_document(configuration, UNREADABLE), folder)
    given = Access(**logins).logins(credentials(sync, folder))
    options = replace(options, registries=sync.registries)
    with ExitStack() as holding:
        if not options.dry_run:  # which does not disturb another run
            usual = path_for(configuration, options.ledger, options.shard)
            holding.enter_context(held(lock or usual))
        return carry_out(deque(sync.rules), options, given, reporting, cluster=cluster)


def _folder(configuration: str) -> Path:
    """Return from where the files are seen that a configuration names."""
    return Path(configuration).parent if configuration != "-" else Path()
