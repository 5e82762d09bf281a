"""One option of the command line, which is an environment variable too."""

from typing import Any

import typer


def option(panel: str, *names: str, meaning: str, **more: Any) -> Any:
    """Describe an option; each can be given as an environment variable too."""
    long = next(name for name in names if name.startswith("--"))
    envvar = "MIRROR_" + long.partition("/")[0].strip("-").replace("-", "_").upper()
    more = {"envvar": envvar, "show_envvar": False, "rich_help_panel": panel, **more}
    return typer.Option(*names, help=meaning, **more)
