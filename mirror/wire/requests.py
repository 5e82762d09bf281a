"""Asking for manifests and blobs, and what the answers mean.

Distribution specification, "Pull".
"""

from mirror.image.digest import Digest
from mirror.image.manifest import ACCEPTED, Descriptor, Manifest
from mirror.image.reference import Repository
from mirror.wire.message import Reply, Request

# A front end that compresses changes lengths, or leaves them out.
_PLAIN = {"Accept-Encoding": "identity"}
# Only for manifests: Artifactory answers 406 to it elsewhere.
_MANIFESTS = {**_PLAIN, "Accept": ", ".join(ACCEPTED)}

DIGEST_HEADER = "Docker-Content-Digest"


def ask_manifest(repository: Repository, target: str, method: str = "GET") -> Request:
    """Ask for the manifest behind a tag or digest."""
    return Request(method, f"/v2/{repository.path}/manifests/{target}", _MANIFESTS)


def ask_blob(
    repository: Repository,
    digest: Digest,
    method: str = "GET",
    *,
    first: int = 0,
    last: int | None = None,
) -> Request:
    """Ask for a blob, from a byte on and up to another if there is one."""
    headers = _PLAIN
    if first or last is not None:
        until = last if last is not None else ""
        headers = {**_PLAIN, "Range": f"bytes={first}-{until}"}
    path = f"/v2/{repository.path}/blobs/{digest}"
    return Request(method, path, headers, blob=method == "GET")


def ask_repository(repository: Repository) -> Request:
    """Ask whether there is such a repository, by the shortest tag list."""
    return Request("GET", f"/v2/{repository.path}/tags/list?n=1", _PLAIN)


def ask_put_manifest(repository: Repository, target: str, manifest: Manifest) -> Request:
    """Ask to store a manifest under a tag or digest, byte for byte."""
    return Request(
        "PUT",
        f"/v2/{repository.path}/manifests/{target}",
        {"Content-Type": manifest.media_type},
        manifest.content,
        len(manifest.content),
    )


def ask_delete_manifest(repository: Repository, target: str) -> Request:
    """Ask to delete a tag, or a manifest by its digest."""
    return Request("DELETE", f"/v2/{repository.path}/manifests/{target}")


def described(reply: Reply) -> Descriptor | None:
    """Read what a HEAD says of a manifest; None if it says too little to rely on."""
    digest = stated_digest(reply)
    if digest is None or reply.length is None or not reply.media_type:
        return None
    return Descriptor(digest, reply.length, reply.media_type)


def stated_digest(reply: Reply) -> Digest | None:
    """The digest that the registry states, if it states one that can be read."""
    try:
        return Digest.parse(reply.headers.get(DIGEST_HEADER, "").strip())
    except ValueError:
        return None
