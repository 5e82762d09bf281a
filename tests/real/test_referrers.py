"""Signatures between registries with lists of referrers and without, in all combinations."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.real.conftest import skopeo
from tests.real.kinds import EMPTY
from tests.real.pusher import OCI, Descriptor, Pusher, layer
from tests.real.test_everything import registry
from tests.real.walk import tags, walk

PLAIN = "--tls-verify=false"
KINDS = ["docker-registry", "embedded"]
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"


def attach(pusher: Pusher, subject: Descriptor, text: str) -> Descriptor:
    """Push something that refers to a manifest; the list of a registry without is not touched."""
    config = pusher.blob("app", b"{}", EMPTY)
    named = {key: subject[key] for key in ("mediaType", "digest", "size")}
    document = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "artifactType": SIGNATURE,
        "config": config,
        "layers": [pusher.blob("app", text.encode(), "text/plain")],
        "subject": named,
        "annotations": {"text": text},
    }
    made = pusher.manifest("app", document)
    return {**made, "artifactType": SIGNATURE, "annotations": {"text": text}}


def fallback(subject: Descriptor) -> str:
    return str(subject["digest"]).replace(":", "-")


def cosign(pusher: Pusher, subject: Descriptor, ending: str) -> Descriptor:
    """Push what cosign would, under a tag made of the image's digest, signing that digest."""
    payload = {"critical": {"image": {"docker-manifest-digest": subject["digest"]}}}
    content = json.dumps(payload).encode()
    kind = "application/vnd.dev.cosign.simplesigning.v1+json"
    signed = pusher.blob("app", content, kind)
    config = pusher.blob("app", b"{}", f"{OCI}.config.v1+json")
    annotation = {"dev.cosignproject.cosign/signature": hashlib.sha256(content).hexdigest()}
    document = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": config,
        "layers": [{**signed, "annotations": annotation}],
    }
    return pusher.manifest("app", document, fallback(subject) + ending)


def listed(host: str, kind: str, subject: Descriptor) -> list[object]:
    """What a registry says refers to a manifest, asked without us."""
    if kind == "docker-registry":
        name = f"docker://{host}/app:{fallback(subject)}"
        document = json.loads(skopeo("inspect", "--raw", PLAIN, name))
    else:
        import http.client

        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", f"/v2/app/referrers/{subject['digest']}")
        document = json.loads(connection.getresponse().read())
        connection.close()
    return [entry["digest"] for entry in document["manifests"]]


@pytest.mark.parametrize("there_kind", KINDS)
@pytest.mark.parametrize("here_kind", KINDS)
def test_an_image_arrives_with_all_that_refers_to_it(
    mirror: Run, tmp_path: Path, here_kind: str, there_kind: str
) -> None:
    with (
        registry(here_kind, tmp_path / "here") as here,
        registry(there_kind, tmp_path / "there") as there,
    ):
        pusher = Pusher(here)
        blob = pusher.blob("app", layer("app", 3000), f"{OCI}.layer.v1.tar")
        child = pusher.image("app", [blob], "amd64")
        index = pusher.index("app", "1", [child])
        signature, sbom = attach(pusher, index, "signed"), attach(pusher, child, "parts")
        if here_kind == "docker-registry":
            pusher.index("app", fallback(index), [signature])
            pusher.index("app", fallback(child), [sbom])
        cosigned = [cosign(pusher, index, ending) for ending in (".sig", ".att", ".sbom")]
        words = [f"{here}/app:1={there}/app", "--referrers"]

        ran = mirror(*words)
        again = mirror(*words, "--output", "json")
        checked = mirror("verify", "--deep", *words)

        assert ran.code == 0, ran.err
        assert json.loads(again.out)["summary"]["unchanged"] == 1
        assert checked.code == 0, checked.out + checked.err
        assert listed(there, there_kind, index) == [signature["digest"]]
        assert listed(there, there_kind, child) == [sbom["digest"]]
        assert walk(there, "app", "1") == walk(here, "app", "1")
        for ending, made in zip((".sig", ".att", ".sbom"), cosigned, strict=True):
            found = skopeo(
                "inspect", "--raw", PLAIN, f"docker://{there}/app:{fallback(index)}{ending}"
            )
            assert f"sha256:{hashlib.sha256(found.encode()).hexdigest()}" == made["digest"]
        own = {f"{fallback(index)}{ending}" for ending in (".sig", ".att", ".sbom")} | {"1"}
        lists = {fallback(index), fallback(child)} if there_kind == "docker-registry" else set()
        assert set(tags(there, "app")) == own | lists
