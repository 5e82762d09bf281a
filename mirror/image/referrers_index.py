"""The list of what refers to a manifest, as an index that several add to.

Distribution specification 1.1, "Referrers Tag Schema".
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from mirror.image.manifest import OCI_INDEX, Descriptor


def merged(content: bytes | None, referrers: Iterable[Descriptor]) -> bytes | None:
    """Return the index behind such a tag with these added to it; None if all are in it.

    Without ``content`` there is no such index yet.  What it says besides stays.
    """
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    if content is not None:
        document = msgspec.json.decode(content)
    listed = list(document.get("manifests") or ())
    there = {entry["digest"] for entry in listed}
    more = {one.digest: one.entry for one in referrers if str(one.digest) not in there}
    if not more:
        return None
    return msgspec.json.encode({**document, "manifests": [*listed, *more.values()]})
