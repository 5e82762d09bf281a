"""The commands.

Only what `--help` needs is imported here; each command loads the module that
carries it out when it is called.
"""

import gc
import importlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from mirror import __version__
from mirror.cli import auth_options, help_texts
from mirror.cli import option_declarations as given
from mirror.cli.option_groups import Shared, Wanted, flatten_options
from mirror.cli.streams import ensure
from mirror.errors import MappingError, MirrorError
from mirror.exit_code import ExitCode
from mirror.options import COLLECTIONS, Options


class _DefaultCommand(typer.core.TyperGroup):
    """A group in which anything that is not a command is the arguments of `copy`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command's name where it was left out."""
        own = {*self.commands, "-h", "--help", "--version"}
        own |= {"--install-completion", "--show-completion"}
        if not args or args[0] not in own:
            args = ["copy", *args]
        return super().parse_args(ctx, args)


# A person sits and waits for an inspection.
_LOOK_RETRIES = 2

app = typer.Typer(
    cls=_DefaultCommand,
    help=help_texts.MIRROR,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mirror {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Serve as the group's own command, which only knows --version."""


@app.command(help=help_texts.COPY)
@flatten_options
def copy(
    wanted: Wanted,
    dry_run: given.DryRun = False,
    force: given.Force = False,
    *,
    shared: Shared,
) -> None:
    """Copy what the mappings say."""
    options = shared.options(**wanted.options(), dry_run=dry_run, force=force)
    _carry_out(wanted, options, shared)


@app.command(help=help_texts.SYNC)
@flatten_options
def sync(
    configuration: given.Configuration = None,
    schema: given.Schema = False,
    push_foreign: given.PushForeign = False,
    folder: given.Folder = Path(),
    dry_run: given.DryRun = False,
    force: given.Force = False,
    lock: given.Lock = None,
    *,
    shared: Shared,
) -> None:
    """Keep in step what a configuration says."""
    options = shared.options(folder=folder, push_foreign=push_foreign, dry_run=dry_run, force=force)
    _call(
        "mirror.cli.sync",
        configuration,
        options,
        shared.logins(),
        shared.reporting(),
        schema=schema,
        lock=lock,
        cluster=shared.cluster,
    )


@app.command(help=help_texts.VERIFY)
@flatten_options
def verify(
    wanted: Wanted,
    deep: given.Deep = False,
    repair: given.Repair = False,
    dry_run: given.OnlyLook = False,
    *,
    shared: Shared,
) -> None:
    """Compare both sides of what the mappings say."""
    options = shared.options(**wanted.options(), deep=deep, repair=repair, dry_run=dry_run)
    _carry_out(wanted, options, shared, verifying=True)


@app.command(help=help_texts.REPORT)
def report(
    runs: given.RunReports,
    html: given.Html = None,
    before: given.Before = None,
    output: given.OutputFormat = given.Output.TEXT,
) -> None:
    """Tell what a run came to."""
    _call("mirror.cli.report", runs, html, before, json=output is given.Output.JSON)


@app.command(help=help_texts.INSPECT)
def inspect(
    reference: given.Image,
    authfile: auth_options.Authfile = None,
    src_creds: auth_options.SourceCredentials = None,
    src_registry_token: auth_options.SourceToken = None,
    certificate_authority: auth_options.CertificateAuthority = None,
    insecure: auth_options.Insecure = False,
    folder: given.Folder = Path(),
    raw: given.Raw = False,
    tags: given.TagsOnly = False,
    output: given.OutputFormat = given.Output.TEXT,
) -> None:
    """Show what a registry says of an image."""
    options = Options(
        folder=folder,
        insecure_source=insecure,
        certificate_authority=certificate_authority,
        retries=_LOOK_RETRIES,
    )
    _call(
        "mirror.cli.inspect",
        reference,
        options,
        logins={
            "authfile": authfile,
            "source_credentials": src_creds,
            "source_token": src_registry_token,
        },
        json=output is given.Output.JSON,
        raw=raw,
        tags=tags,
    )


@app.command(help=help_texts.SERVE)
def serve(listen: given.Listen = "127.0.0.1:5000", catalog: given.Catalog = False) -> None:
    """Run the embedded registry."""
    _call("mirror.cli.serve", listen, catalog=catalog)


@app.command()
def demo() -> None:
    """Copy a made-up catalog between two embedded registries, twice."""
    _call("mirror.cli.demo")


def _carry_out(
    wanted: Wanted, options: Options, shared: Shared, *, verifying: bool = False
) -> None:
    """Copy, or verify."""
    asked = wanted.mappings or [], wanted.files or []
    logins, reporting = shared.logins(), shared.reporting()
    _call(
        "mirror.cli.copy", *asked, options, logins, reporting, verifying=verifying,
        cluster=shared.cluster,
    )  # fmt: skip


def _call(module: str, *args: Any, **kwargs: Any) -> None:
    """Load a command's module, run it, and end the process with what it returns."""
    try:
        code = importlib.import_module(module).main(*args, **kwargs)
    except MirrorError as error:
        # Problems of mappings begin with their own place, which editors can follow.
        typer.echo(str(error) if isinstance(error, MappingError) else f"mirror: {error}", err=True)
        if error.hint:
            typer.echo(f"  {error.hint}", err=True)
        code = error.exit_code
    gc.freeze()  # looking for cycles once more would delay the end
    sys.exit(code)


def main() -> None:
    """Run the command line; does not return."""
    ensure()
    gc.set_threshold(*COLLECTIONS)
    try:
        app(prog_name="mirror")
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
