"""The sync command: from a configuration to an exit code."""

import json
import os
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from mirror.cli.access import Access, login_at
from mirror.cli.copying import carry_out, read_document
from mirror.cli.lock import held, path_for
from mirror.cli.values import Telling
from mirror.configuration.document import Sync, parse
from mirror.configuration.model import schema as configuration_schema
from mirror.errors import ExitCode, UsageError
from mirror.options import Options


def main(
    configuration: str | None,
    options: Options,
    logins: Mapping[str, Any],
    telling: Telling,
    *,
    schema: bool,
    lock: Path | None,
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
    hosts = {host: login_at(host, section) for host, section in sync.logins.items()}
    keychain = Access(**logins).keychain(hosts)
    options = replace(options, registries=sync.registries)
    with ExitStack() as holding:
        if not options.dry_run:  # which gets in nobody's way
            holding.enter_context(held(lock or path_for(configuration)))
        return carry_out(deque(sync.rules), options, keychain, telling)


def _read(configuration: str) -> Sync:
    folder = Path(configuration).parent if configuration != "-" else Path()
    return parse(
        read_document(configuration, "This configuration cannot be read."),
        os.environ,
        lambda path: (folder / path).read_bytes(),
    )
