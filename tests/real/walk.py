"""Walking what is behind a tag, over the standard library: nothing of ours is asked."""

import hashlib
import http.client
import json

ACCEPT = ", ".join(
    f"application/vnd.{name}"
    for name in (
        "oci.image.index.v1+json", "oci.image.manifest.v1+json", "oci.artifact.manifest.v1+json",
        "docker.distribution.manifest.list.v2+json", "docker.distribution.manifest.v2+json",
    )
)  # fmt: skip


def walk(host: str, name: str, tag: str) -> set[str]:
    """Read everything behind a tag; return its digests, each of which its bytes hash to."""
    connection = http.client.HTTPConnection(host, timeout=60)
    found: set[str] = set()

    def read(path: str, digest: str | None) -> bytes:
        connection.request("GET", f"/v2/{name}/{path}", headers={"Accept": ACCEPT})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (path, answer.status, content[:200])
        algorithm = digest.partition(":")[0] if digest else "sha256"
        actual = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
        assert digest in (None, actual)
        found.add(actual)
        return content

    def visit(target: str, digest: str | None) -> None:
        document = json.loads(read(f"manifests/{target}", digest))
        for child in document.get("manifests") or ():
            visit(child["digest"], child["digest"])
        config = [document["config"]] if "config" in document else []
        for blob in (*config, *(document.get("layers") or ()), *(document.get("blobs") or ())):
            if "urls" not in blob:
                read(f"blobs/{blob['digest']}", blob["digest"])

    try:
        visit(tag, None)
    finally:
        connection.close()
    return found


def tags(host: str, name: str) -> list[str]:
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request("GET", f"/v2/{name}/tags/list")
        return sorted(json.loads(connection.getresponse().read())["tags"] or ())
    finally:
        connection.close()
