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
from mirror.cli import parameters as given
from mirror.cli import texts, trust, values
from mirror.cli.streams import ensure
from mirror.errors import ExitCode, MappingError, MirrorError
from mirror.options import (
    DEFAULT_MAX_PER_REGISTRY,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUTS,
    Options,
    Timeouts,
)


class _DefaultCommand(typer.core.TyperGroup):
    """A group in which anything that is no command is the arguments of `copy`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command's name where it was left out."""
        own = {*self.commands, "-h", "--help", "--version"}
        own |= {"--install-completion", "--show-completion"}
        if not args or args[0] not in own:
            args = ["copy", *args]
        return super().parse_args(ctx, args)


# New objects until cycles are looked for: seldom, since finished requests leave few and
# each look walks over all that is planned (docs/decisions/0007).
_COLLECTIONS = (20_000, 20, 100)
# Somebody sits and waits for an inspection.
_LOOK_RETRIES = 2

app = typer.Typer(
    cls=_DefaultCommand,
    help=texts.MIRROR,
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


@app.command(help=texts.COPY)
def copy(
    mappings: given.Mappings = None,
    files: given.Files = None,
    platform: given.Platforms = None,
    filter_by_os: given.FilterByOs = None,
    keep_manifest_list: given.KeepManifestList = False,
    push_foreign: given.PushForeign = False,
    folder: given.Folder = Path(),
    referrers: given.Referrers = False,
    require_referrers: given.RequireReferrers = False,
    dry_run: given.DryRun = False,
    skip_missing: given.SkipMissing = False,
    force: given.Force = False,
    skip_mount: given.SkipMount = False,
    fail_fast: given.FailFast = False,
    chunk_size: given.ChunkSize = None,
    max_per_registry: given.MaxPerRegistry = DEFAULT_MAX_PER_REGISTRY,
    max_registry: given.MaxRegistry = None,
    retries: given.Retries = DEFAULT_RETRIES,
    stall_timeout: given.StallTimeout = DEFAULT_TIMEOUTS.stall,
    connect_timeout: given.ConnectTimeout = DEFAULT_TIMEOUTS.connect,
    commit_timeout: given.CommitTimeout = DEFAULT_TIMEOUTS.commit,
    limit_rate: given.LimitRate = None,
    deadline: given.Deadline = None,
    authfile: trust.Authfile = None,
    src_creds: trust.SourceCredentials = None,
    dest_creds: trust.DestinationCredentials = None,
    src_registry_token: trust.SourceToken = None,
    dest_registry_token: trust.DestinationToken = None,
    certificate_authority: trust.CertificateAuthority = None,
    skip_multiple_scopes: trust.SkipMultipleScopes = False,
    insecure: trust.Insecure = False,
    src_tls_verify: trust.SourceTlsVerify = True,
    dest_tls_verify: trust.DestinationTlsVerify = True,
    output: given.OutputFormat = given.Output.TEXT,
    report: given.Report = None,
    retry_file: given.RetryFile = None,
    metrics: given.Metrics = None,
    progress: given.Progress = given.Show.AUTO,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Copy what the mappings say."""
    options = Options(
        selection=values.selection(platform, filter_by_os, keep_index=keep_manifest_list),
        push_foreign=push_foreign,
        folder=folder,
        referrers=referrers or require_referrers,
        require_referrers=require_referrers,
        dry_run=dry_run,
        force=force,
        skip_mount=skip_mount,
        skip_missing=skip_missing,
        fail_fast=fail_fast,
        insecure_source=insecure or not src_tls_verify,
        insecure_destination=insecure or not dest_tls_verify,
        max_per_registry=max_per_registry,
        max_registry=max_registry,
        retries=retries,
        timeouts=Timeouts(connect=connect_timeout, stall=stall_timeout, commit=commit_timeout),
        limit_rate=values.rate(limit_rate) if limit_rate is not None else None,
        deadline=values.deadline(deadline) if deadline is not None else None,
        chunk_size=values.size(chunk_size) if chunk_size is not None else None,
        skip_multiple_scopes=skip_multiple_scopes,
        certificate_authority=certificate_authority,
    )
    _call(
        "mirror.cli.copying",
        mappings or [],
        files or [],
        options,
        logins=_logins(authfile, src_creds, src_registry_token, dest_creds, dest_registry_token),
        outputs=values.Outputs(report=report, retry_file=retry_file, metrics=metrics),
        **_telling(output, progress, quiet=quiet, verbose=verbose),
    )


@app.command(help=texts.VERIFY)
def verify(
    mappings: given.Mappings = None,
    files: given.Files = None,
    deep: given.Deep = False,
    repair: given.Repair = False,
    platform: given.Platforms = None,
    filter_by_os: given.FilterByOs = None,
    keep_manifest_list: given.KeepManifestList = False,
    push_foreign: given.PushForeign = False,
    folder: given.Folder = Path(),
    referrers: given.Referrers = False,
    require_referrers: given.RequireReferrers = False,
    dry_run: given.OnlyLook = False,
    skip_missing: given.SkipMissing = False,
    skip_mount: given.SkipMount = False,
    fail_fast: given.FailFast = False,
    chunk_size: given.ChunkSize = None,
    max_per_registry: given.MaxPerRegistry = DEFAULT_MAX_PER_REGISTRY,
    max_registry: given.MaxRegistry = None,
    retries: given.Retries = DEFAULT_RETRIES,
    stall_timeout: given.StallTimeout = DEFAULT_TIMEOUTS.stall,
    connect_timeout: given.ConnectTimeout = DEFAULT_TIMEOUTS.connect,
    commit_timeout: given.CommitTimeout = DEFAULT_TIMEOUTS.commit,
    limit_rate: given.LimitRate = None,
    deadline: given.Deadline = None,
    authfile: trust.Authfile = None,
    src_creds: trust.SourceCredentials = None,
    dest_creds: trust.DestinationCredentials = None,
    src_registry_token: trust.SourceToken = None,
    dest_registry_token: trust.DestinationToken = None,
    certificate_authority: trust.CertificateAuthority = None,
    skip_multiple_scopes: trust.SkipMultipleScopes = False,
    insecure: trust.Insecure = False,
    src_tls_verify: trust.SourceTlsVerify = True,
    dest_tls_verify: trust.DestinationTlsVerify = True,
    output: given.OutputFormat = given.Output.TEXT,
    report: given.Report = None,
    retry_file: given.RetryFile = None,
    metrics: given.Metrics = None,
    progress: given.Progress = given.Show.AUTO,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Compare both sides of what the mappings say."""
    options = Options(
        selection=values.selection(platform, filter_by_os, keep_index=keep_manifest_list),
        push_foreign=push_foreign,
        folder=folder,
        referrers=referrers or require_referrers,
        require_referrers=require_referrers,
        deep=deep,
        repair=repair,
        dry_run=dry_run,
        skip_missing=skip_missing,
        skip_mount=skip_mount,
        fail_fast=fail_fast,
        insecure_source=insecure or not src_tls_verify,
        insecure_destination=insecure or not dest_tls_verify,
        max_per_registry=max_per_registry,
        max_registry=max_registry,
        retries=retries,
        timeouts=Timeouts(connect=connect_timeout, stall=stall_timeout, commit=commit_timeout),
        chunk_size=values.size(chunk_size) if chunk_size is not None else None,
        limit_rate=values.rate(limit_rate) if limit_rate is not None else None,
        deadline=values.deadline(deadline) if deadline is not None else None,
        skip_multiple_scopes=skip_multiple_scopes,
        certificate_authority=certificate_authority,
    )
    _call(
        "mirror.cli.copying",
        mappings or [],
        files or [],
        options,
        logins=_logins(authfile, src_creds, src_registry_token, dest_creds, dest_registry_token),
        outputs=values.Outputs(report=report, retry_file=retry_file, metrics=metrics),
        **_telling(output, progress, quiet=quiet, verbose=verbose),
        verifying=True,
    )


@app.command(help=texts.INSPECT)
def inspect(
    reference: given.Image,
    authfile: trust.Authfile = None,
    src_creds: trust.SourceCredentials = None,
    src_registry_token: trust.SourceToken = None,
    certificate_authority: trust.CertificateAuthority = None,
    insecure: trust.Insecure = False,
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
        "mirror.cli.inspecting",
        reference,
        options,
        logins=_logins(authfile, src_creds, src_registry_token),
        json=output is given.Output.JSON,
        raw=raw,
        tags=tags,
    )


@app.command(help=texts.SERVE)
def serve(listen: given.Listen = "127.0.0.1:5000", catalog: given.Catalog = False) -> None:
    """Run the embedded registry."""
    _call("mirror.cli.serving", listen, catalog=catalog)


@app.command()
def demo() -> None:
    """Copy a made-up catalog between two embedded registries, twice."""
    _call("mirror.cli.demonstrating")


def _logins(authfile: Path | None, *words: str | None) -> dict[str, Any]:
    """Name the logins, unread: credentials and token of the source, then of the destination."""
    names = ("source_credentials", "source_token", "destination_credentials", "destination_token")
    return {"authfile": authfile, **dict(zip(names, words, strict=False))}


def _telling(
    output: given.Output, progress: given.Show, *, quiet: bool, verbose: bool
) -> dict[str, Any]:
    """Say how much is told, and how."""
    silent = quiet and progress is given.Show.AUTO
    return {
        "json": output is given.Output.JSON,
        "progress": "none" if silent else str(progress),
        "verbosity": verbose - quiet,
    }


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
    sys.exit(code)


def main() -> None:
    """Run the command line; does not return."""
    ensure()
    gc.set_threshold(*_COLLECTIONS)
    try:
        app(prog_name="mirror")
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
