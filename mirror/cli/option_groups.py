"""The options that several commands have in common, declared once.

A command that takes a `Wanted` or a `Shared` has all its options on its command line;
see `flatten_options`.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import typer
from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from mirror.cli import auth_options, cluster_options, converters, limit_options
from mirror.cli import option_declarations as given
from mirror.options import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUTS,
    Cluster,
    Options,
    Timeouts,
)


class Wanted(Struct, frozen=True, kw_only=True):
    """What copy and verify are about: mappings, and what of each image."""

    mappings: given.Mappings = None
    files: given.Files = None
    platform: given.Platforms = None
    filter_by_os: given.FilterByOs = None
    keep_manifest_list: given.KeepManifestList = False
    push_foreign: given.PushForeign = False
    folder: given.Folder = Path()
    referrers: given.Referrers = False
    require_referrers: given.RequireReferrers = False

    def options(self) -> dict[str, Any]:
        """Return the part of a run's options that it says."""
        keep = self.keep_manifest_list
        return {
            "folder": self.folder,
            "selection": converters.selection(self.platform, self.filter_by_os, keep_index=keep),
            "push_foreign": self.push_foreign,
            "referrers": self.referrers or self.require_referrers,
            "require_referrers": self.require_referrers,
        }


class Shared(Struct, frozen=True, kw_only=True):
    """How copy, sync and verify go about it; secrets are not shown."""

    skip_missing: given.SkipMissing = False
    skip_mount: given.SkipMount = False
    fail_fast: given.FailFast = False
    chunk_size: given.ChunkSize = None
    ledger: given.Ledger = None
    shard: cluster_options.Share = None
    engine: cluster_options.Engines = cluster_options.EngineName.LOCAL
    scheduler: cluster_options.Scheduler = None
    recheck: given.Recheck = given.DEFAULT_RECHECK
    max_per_registry: limit_options.MaxPerRegistry = limit_options.AUTO
    max_registry: limit_options.MaxRegistry = None
    retries: limit_options.Retries = DEFAULT_RETRIES
    stall_timeout: limit_options.StallTimeout = DEFAULT_TIMEOUTS.stall
    request_timeout: limit_options.RequestTimeout = DEFAULT_TIMEOUTS.answer
    connect_timeout: limit_options.ConnectTimeout = DEFAULT_TIMEOUTS.connect
    commit_timeout: limit_options.CommitTimeout = DEFAULT_TIMEOUTS.commit
    limit_rate: limit_options.LimitRate = None
    deadline: limit_options.Deadline = None
    authfile: auth_options.Authfile = None
    src_creds: auth_options.SourceCredentials = None
    dest_creds: auth_options.DestinationCredentials = None
    src_registry_token: auth_options.SourceToken = None
    dest_registry_token: auth_options.DestinationToken = None
    certificate_authority: auth_options.CertificateAuthority = None
    skip_multiple_scopes: auth_options.SkipMultipleScopes = False
    insecure: auth_options.Insecure = False
    src_tls_verify: auth_options.SourceTlsVerify = True
    dest_tls_verify: auth_options.DestinationTlsVerify = True
    output: given.OutputFormat = given.Output.TEXT
    report: given.Report = None
    retry_file: given.RetryFile = None
    metrics: given.Metrics = None
    progress: given.Progress = given.Show.AUTO
    quiet: given.Quiet = False
    verbose: given.Verbose = False

    def __repr__(self) -> str:
        return "Shared(...)"  # there are passwords among them

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []

    def options(self, **more: Any) -> Options:
        """Return what the run is asked for, with what else the command knows."""
        rate, deadline, chunk = self.limit_rate, self.deadline, self.chunk_size
        return Options(
            skip_missing=self.skip_missing,
            skip_mount=self.skip_mount,
            fail_fast=self.fail_fast,
            insecure_source=self.insecure or not self.src_tls_verify,
            insecure_destination=self.insecure or not self.dest_tls_verify,
            max_per_registry=converters.in_flight(self.max_per_registry),
            max_registry=self.max_registry,
            retries=self.retries,
            timeouts=Timeouts(
                connect=self.connect_timeout,
                stall=self.stall_timeout,
                answer=self.request_timeout,
                commit=self.commit_timeout,
            ),
            limit_rate=converters.rate(rate) if rate is not None else None,
            deadline=converters.deadline(deadline) if deadline is not None else None,
            chunk_size=converters.size(chunk) if chunk is not None else None,
            skip_multiple_scopes=self.skip_multiple_scopes,
            certificate_authority=self.certificate_authority,
            ledger=self.ledger,
            recheck=converters.period(self.recheck),
            shard=cluster_options.share(self.shard),
            **more,
        )

    @property
    def cluster(self) -> Cluster | None:
        """Say which cluster does the work; None if this process does."""
        if self.engine is cluster_options.EngineName.DASK:
            return Cluster(self.scheduler)
        if self.scheduler is not None:
            raise typer.BadParameter("it is for --engine dask", param_hint="--scheduler")
        return None

    def logins(self) -> dict[str, Any]:
        """Name the logins, unread."""
        return {
            "authfile": self.authfile,
            "source_credentials": self.src_creds,
            "source_token": self.src_registry_token,
            "destination_credentials": self.dest_creds,
            "destination_token": self.dest_registry_token,
        }

    def reporting(self) -> converters.ReportingOptions:
        """Say how much is told, how, and where it is written down."""
        silent = self.quiet and self.progress is given.Show.AUTO
        return converters.ReportingOptions(
            json=self.output is given.Output.JSON,
            progress="none" if silent else str(self.progress),
            verbosity=self.verbose - self.quiet,
            outputs=converters.Outputs(
                report=self.report, retry_file=self.retry_file, metrics=self.metrics
            ),
        )


def flatten_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of each Struct among its parameters, in that one's place.

    The command line is read from a function's signature, in which each option needs a
    parameter of its own.
    """
    parameters: list[inspect.Parameter] = []
    together: dict[str, Any] = {}
    for one in inspect.signature(command).parameters.values():
        if isinstance(one.annotation, type) and issubclass(one.annotation, Struct):
            together[one.name] = one.annotation
            parameters += [_option(each) for each in fields(one.annotation)]
        else:
            parameters.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def flattened(**words: Any) -> None:
        for name, group in together.items():
            words[name] = group(**{each: words.pop(each) for each in group.__struct_fields__})
        command(**words)

    flattened.__dict__["__signature__"] = inspect.Signature(parameters)
    flattened.__annotations__ = {one.name: one.annotation for one in parameters}
    return flattened


def _option(one: FieldInfo) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(one.name, kind, default=one.default, annotation=one.type)
