"""One of each kind of content that a registry may hold, under a tag that says which."""

import json
from collections.abc import Callable

from tests.real.pusher import OCI, Descriptor, Pusher, layer

DOCKER = "application/vnd.docker"
EMPTY = "application/vnd.oci.empty.v1+json"
NAME = "kinds"

Build = Callable[[Pusher, str], object]


def manifest(
    pusher: Pusher, tag: str | None, config: Descriptor, layers: list[Descriptor], **more: object
) -> Descriptor:
    media_type = f"{OCI}.manifest.v1+json"
    document = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
    return pusher.manifest(NAME, {**document, **more}, tag)


def image(pusher: Pusher, *layers: Descriptor, architecture: str = "amd64") -> Descriptor:
    found = list(layers) or [blob(pusher, f"layer of {architecture}")]
    return pusher.image(NAME, found, architecture)


def blob(pusher: Pusher, seed: str, media_type: str = f"{OCI}.layer.v1.tar") -> Descriptor:
    return pusher.blob(NAME, layer(seed, 3000), media_type)


def artifact(config_type: str, *layer_types: str, config: bytes = b"{}", **more: object) -> Build:
    def build(pusher: Pusher, tag: str) -> object:
        layers = [blob(pusher, kind, kind) for kind in layer_types]
        return manifest(pusher, tag, pusher.blob(NAME, config, config_type), layers, **more)

    return build


def plain(pusher: Pusher, tag: str) -> object:
    return pusher.index(NAME, tag, [image(pusher), image(pusher, architecture="arm64")])


def nested(pusher: Pusher, tag: str) -> object:
    inner = pusher.index(NAME, "inner", [image(pusher, architecture="s390x")])
    return pusher.index(NAME, tag, [inner, image(pusher)])


def attested(pusher: Pusher, tag: str) -> object:
    child = image(pusher)
    statement = pusher.blob(NAME, b'{"predicateType":"x"}', "application/vnd.in-toto+json")
    attestation = {
        **image(pusher, statement, architecture="unknown"),
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": child["digest"],
        },
    }
    return pusher.index(NAME, tag, [child, attestation])


def layered(*kinds: str) -> Build:
    def build(pusher: Pusher, tag: str) -> object:
        layers = [blob(pusher, kind, f"{OCI}.layer.v1.tar{kind}") for kind in kinds]
        return pusher.index(NAME, tag, [image(pusher, *layers)])

    return build


def nothing(pusher: Pusher, tag: str) -> object:
    layers = [pusher.blob(NAME, b"", f"{OCI}.layer.v1.tar")]
    return pusher.index(NAME, tag, [image(pusher, *layers)])


def twice(pusher: Pusher, tag: str) -> object:
    one = blob(pusher, "twice")
    return pusher.index(NAME, tag, [image(pusher, one, one)])


def sha512(pusher: Pusher, tag: str) -> object:
    long = pusher.blob(NAME, layer("long", 3000), f"{OCI}.layer.v1.tar", "sha512")
    return pusher.index(NAME, tag, [image(pusher, long)])


def data(pusher: Pusher, tag: str) -> object:
    config = {**pusher.blob(NAME, b"{}", EMPTY), "data": "e30="}
    return manifest(pusher, tag, config, [config], artifactType="application/vnd.example.x")


def large(pusher: Pusher, tag: str) -> object:
    config = pusher.blob(NAME, b"{}", EMPTY)
    long = {"padding": "x" * (4 * 1024 * 1024 - 1000)}
    return manifest(pusher, tag, config, [config], annotations=long)


def withdrawn(pusher: Pusher, tag: str) -> object:
    media_type = "application/vnd.oci.artifact.manifest.v1+json"
    document: dict[str, object] = {
        "mediaType": media_type,
        "artifactType": "application/x",
        "blobs": [blob(pusher, "withdrawn", "application/x")],
    }
    return pusher.manifest(NAME, document, tag)


def docker(pusher: Pusher, tag: str) -> object:
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}})
    document = {
        "schemaVersion": 2,
        "mediaType": f"{DOCKER}.distribution.manifest.v2+json",
        "config": pusher.blob(NAME, config.encode(), f"{DOCKER}.container.image.v1+json"),
        "layers": [blob(pusher, "docker", f"{DOCKER}.image.rootfs.diff.tar.gzip")],
    }
    child = pusher.manifest(NAME, document)
    media_type = f"{DOCKER}.distribution.manifest.list.v2+json"
    listed = {**child, "platform": {"os": "linux", "architecture": "amd64"}}
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": [listed]}
    return pusher.manifest(NAME, index, tag)


def foreign(pusher: Pusher, tag: str) -> object:
    config = pusher.blob(NAME, b'{"os":"windows"}', f"{DOCKER}.container.image.v1+json")
    elsewhere = {
        "mediaType": f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip",
        "digest": "sha256:" + "5" * 64,
        "size": 5,
        "urls": ["https://registry.example.com/layer"],
    }
    media_type = f"{DOCKER}.distribution.manifest.v2+json"
    document = {
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [elsewhere],
    }  # fmt: skip
    return pusher.manifest(NAME, document, tag)


def both(pusher: Pusher, tag: str) -> object:
    """A manifest that is a child of one, and a blob of another."""
    child = image(pusher, architecture="riscv64")
    media_type = f"{OCI}.manifest.v1+json"
    config = pusher.blob(NAME, b"{}", EMPTY)
    inner = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    content = json.dumps(inner).encode()
    as_manifest = pusher.raw(NAME, content, media_type, None)
    as_blob = pusher.blob(NAME, content, "application/x")
    holder = manifest(pusher, None, config, [as_blob])
    return pusher.index(NAME, tag, [child, as_manifest, holder])


KINDS: dict[str, Build] = {
    "plain": plain,
    "nested": nested,
    "artifact": artifact(EMPTY, "application/x", artifactType="application/vnd.example.settings"),
    "helm": artifact(
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        "application/vnd.cncf.helm.chart.provenance.v1.prov",
        config=b'{"name":"chart"}',
    ),
    "wasm": artifact("application/vnd.wasm.config.v0+json", "application/wasm"),
    "attested": attested,
    "zstd": layered("+zstd"),
    "encrypted": layered("+gzip+encrypted"),
    "nothing": nothing,
    "twice": twice,
    "sha512": sha512,
    "data": data,
    "unknown": artifact("text/x-config", "text/x-layer", "image/png"),
    "large": large,
    "withdrawn": withdrawn,
    "docker": docker,
    "foreign": foreign,
    "both": both,
}
