"""The inspect command: one remote image, for people or for programs."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mirror.cli.access import Access, proxies
from mirror.cli.loop import run
from mirror.cli.terminal import Terminal
from mirror.engine.inspection import Inspection, inspect
from mirror.errors import ExitCode, UsageError
from mirror.image.reference import Reference
from mirror.options import Options
from mirror.report.progress import size


def main(reference: str, options: Options, *, logins: Mapping[str, Any], json: bool) -> ExitCode:
    """Print what a registry says of an image; raise MirrorError if it says nothing."""
    try:
        wanted = Reference.parse(reference).or_latest()
    except ValueError as error:
        raise UsageError(str(error), hint="A reference is [HOST/]PATH[:TAG][@DIGEST].") from error
    keychain = Access(**logins).keychain()
    found = run(lambda: inspect(wanted, options, keychain, proxies()))
    Terminal().print(_json(found) if json else _text(found))
    return ExitCode.DONE


def _text(found: Inspection) -> str:
    lines = [
        f"reference   {found.reference}",
        f"digest      {found.digest}",
        f"media type  {found.media_type}",
    ]
    if found.artifact_type:
        lines.append(f"artifact    {found.artifact_type}")
    for part in found.parts:
        platform = part.platform or "-"
        amount = f"{size(part.size)} in {part.blobs} blobs"
        lines.append(f"{platform:18}  {amount:22}  {part.digest}")
    lines.append(f"tags        {', '.join(found.tags) or '-'}")
    return "\n".join(lines)


def _json(found: Inspection) -> str:
    document = {
        "reference": str(found.reference),
        "digest": str(found.digest),
        "media_type": found.media_type,
        "artifact_type": found.artifact_type or None,
        "manifests": [
            {
                "digest": str(part.digest),
                "platform": part.platform or None,
                "media_type": part.media_type,
                "size": part.size,
                "blobs": part.blobs,
            }
            for part in found.parts
        ],
        "tags": found.tags,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
