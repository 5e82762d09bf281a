"""The inspect command: one remote image, for people or for programs."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mirror.cli.credential_options import Access, proxies
from mirror.cli.terminal import Terminal
from mirror.engine.inspection import Inspection, Part, inspect, list_tags, read_raw
from mirror.engine.loop import run
from mirror.errors import UsageError
from mirror.exit_code import ExitCode
from mirror.image.manifest import Descriptor
from mirror.image.reference import Reference
from mirror.options import Options
from mirror.report.progress import size
from mirror.wire.error_response import one_line

# Tags that are named where they are not what was asked for.
_NAMED = 20


def main(
    reference: str,
    options: Options,
    *,
    logins: Mapping[str, Any],
    json: bool,
    raw: bool,
    tags: bool,
) -> ExitCode:
    """Print what a registry says of an image; raise MirrorError if it says nothing."""
    try:
        wanted = Reference.parse(reference).or_latest()
    except ValueError as error:
        raise UsageError(str(error), hint="A reference is [HOST/]PATH[:TAG][@DIGEST].") from error
    keychain = Access(**logins).keychain()
    if raw:
        sys.stdout.buffer.write(run(lambda: read_raw(wanted, options, keychain, proxies())))
        sys.stdout.flush()
        return ExitCode.DONE
    terminal = Terminal()
    if tags:
        for tag in run(lambda: list_tags(wanted, options, keychain, proxies())):
            terminal.print(tag)
        return ExitCode.DONE
    found = run(lambda: inspect(wanted, options, keychain, proxies()))
    terminal.print(_json(found) if json else "\n".join(_lines(found)))
    return ExitCode.DONE


def _lines(found: Inspection) -> Iterator[str]:
    manifest = found.manifest
    yield f"reference   {found.reference}"
    yield f"digest      {manifest.digest}"
    yield f"media type  {manifest.media_type}"
    if manifest.artifact_type:
        yield f"artifact    {manifest.artifact_type}"
    for key, value in found.annotations.items():
        yield f"annotation  {one_line(key)}={one_line(value)}"
    for part in found.parts:
        yield from _part(part)
    for one in found.referrers:
        yield f"referrer    {one.artifact_type or one.media_type}  {size(one.size)}  {one.digest}"
    for tag in found.signatures:
        yield f"signature   {tag}"
    more = f" and {len(found.tags) - _NAMED} more" if len(found.tags) > _NAMED else ""
    yield f"tags        {', '.join(found.tags[:_NAMED]) or '-'}{more}"
    for what, error in found.untold.items():
        yield f"not told    {what}: {error}"


def _part(part: Part) -> Iterator[str]:
    blobs = part.manifest.blobs
    amount = f"{size(part.size)} in {len(blobs)} blobs"
    yield f"{part.platform or '-':18}  {amount:22}  {part.manifest.digest}"
    for blob in blobs:
        noun = "config" if blob is part.manifest.config else "layer"
        yield f"  {noun:8}{size(blob.size):>12}  {blob.digest}"


def _json(found: Inspection) -> str:
    manifest = found.manifest
    document = {
        "reference": str(found.reference),
        "digest": str(manifest.digest),
        "media_type": manifest.media_type,
        "artifact_type": manifest.artifact_type or None,
        "annotations": found.annotations,
        "manifests": [
            {
                "digest": str(part.manifest.digest),
                "platform": part.platform or None,
                "media_type": part.manifest.media_type,
                "size": part.size,
                "blobs": len(part.manifest.blobs),
                "config": str(part.manifest.config.digest) if part.manifest.config else None,
                "layers": [
                    _described(blob)
                    for blob in part.manifest.blobs
                    if blob is not part.manifest.config
                ],
            }
            for part in found.parts
        ],
        "referrers": [
            {**_described(one), "artifact_type": one.artifact_type or None}
            for one in found.referrers
        ],
        "signatures": found.signatures,
        "tags": found.tags,
        "not_told": {what: str(error) for what, error in found.untold.items()},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _described(one: Descriptor) -> dict[str, object]:
    return {"digest": str(one.digest), "media_type": one.media_type, "size": one.size}
