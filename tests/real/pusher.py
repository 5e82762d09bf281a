"""Filling a registry without our client: the distribution API over the standard library."""

import base64
import hashlib
import http.client
import json
import random
import ssl

OCI = "application/vnd.oci.image"
Descriptor = dict[str, object]


class Pusher:
    """Pushes blobs and manifests to one registry over one connection."""

    def __init__(self, host: str, context: ssl.SSLContext | None = None, login: str = "") -> None:
        """``login`` is USER:PASSWORD, for a registry that wants one."""
        basic = base64.b64encode(login.encode()).decode()
        self._pushed: set[tuple[str, object]] = set()
        """Blobs that were pushed, by repository: one of thousands is pushed once."""
        self._login = {"Authorization": f"Basic {basic}"} if login else {}
        if context is None:
            self._connection = http.client.HTTPConnection(host, timeout=60)
        else:
            self._connection = http.client.HTTPSConnection(host, timeout=60, context=context)

    def blob(
        self, name: str, content: bytes, media_type: str, algorithm: str = "sha256"
    ) -> Descriptor:
        described = _describe(content, media_type, algorithm)
        if (name, described["digest"]) in self._pushed:
            return described
        self._pushed.add((name, described["digest"]))
        location = self._ask("POST", f"/v2/{name}/blobs/uploads/", 202)["Location"]
        joint = "&" if "?" in location else "?"
        self._ask("PUT", f"{location}{joint}digest={described['digest']}", 201, content)
        return described

    def manifest(
        self, name: str, document: dict[str, object], tag: str | None = None
    ) -> Descriptor:
        return self.raw(name, json.dumps(document).encode(), str(document["mediaType"]), tag)

    def raw(self, name: str, content: bytes, media_type: str, tag: str | None) -> Descriptor:
        described = _describe(content, media_type)
        headers = {"Content-Type": media_type}
        target = tag or described["digest"]
        self._ask("PUT", f"/v2/{name}/manifests/{target}", 201, content, headers)
        return described

    def image(self, name: str, layers: list[Descriptor], architecture: str) -> Descriptor:
        config = json.dumps(
            {"os": "linux", "architecture": architecture, "rootfs": {"type": "layers",
             "diff_ids": [layer["digest"] for layer in layers]}, "config": {}, "n": name}
        ).encode()  # fmt: skip
        described = self.manifest(
            name,
            {
                "schemaVersion": 2,
                "mediaType": f"{OCI}.manifest.v1+json",
                "config": self.blob(name, config, f"{OCI}.config.v1+json"),
                "layers": layers,
            },
        )
        return {**described, "platform": {"os": "linux", "architecture": architecture}}

    def index(self, name: str, tag: str, children: list[Descriptor], **more: object) -> Descriptor:
        media_type = f"{OCI}.index.v1+json"
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": children, **more}
        return self.manifest(name, document, tag)

    def _ask(
        self,
        method: str,
        url: str,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPMessage:
        path = url.partition("//")[2].partition("/")[2] if "//" in url else url[1:]
        self._connection.request(method, f"/{path}", body, {**self._login, **(headers or {})})
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.status == status, (method, url, answer.status, said)
        return answer.headers


def layer(seed: str, size: int) -> bytes:
    """Make up bytes that look like a layer to a registry; only their digest counts."""
    return random.Random(seed).randbytes(size)


def _describe(content: bytes, media_type: str, algorithm: str = "sha256") -> Descriptor:
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content)}
