"""What inspect shows of a real registry, which has no lists of referrers."""

import json

from tests.cli.conftest import Run
from tests.real.conftest import RealRegistry
from tests.real.pusher import OCI, Pusher, layer


def test_layers_annotations_referrers_and_signatures_are_shown(
    mirror: Run, origin: RealRegistry
) -> None:
    pusher = Pusher(origin.host)
    blob = pusher.blob("app", layer("x", 3000), f"{OCI}.layer.v1.tar")
    image = pusher.image("app", [blob], "arm64")
    index = pusher.index("app", "1", [image], annotations={"org.example.team": "b"})
    empty = pusher.blob("app", b"{}", "application/vnd.oci.empty.v1+json")
    about = {
        "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": empty,
        "layers": [], "artifactType": "application/vnd.example.sbom", "subject": index,
    }  # fmt: skip
    sbom = {**pusher.manifest("app", about), "artifactType": "application/vnd.example.sbom"}
    fallback = str(index["digest"]).replace(":", "-")
    pusher.index("app", fallback, [sbom])
    signature = str(image["digest"]).replace(":", "-") + ".sig"
    pusher.manifest("app", {**about, "layers": [blob]}, signature)

    ran = mirror("inspect", f"{origin.host}/app:1")
    found = json.loads(mirror("inspect", "-o", "json", f"{origin.host}/app:1").out)

    assert ran.code == 0, ran.err
    for words in (
        "annotation  org.example.team=b",
        f"layer        2.9 KiB  {blob['digest']}",
        "referrer    application/vnd.example.sbom  ",
        f"signature   {signature}",
    ):
        assert words in ran.out
    assert found["annotations"] == {"org.example.team": "b"}
    assert [one["digest"] for one in found["manifests"][0]["layers"]] == [blob["digest"]]
    assert [one["digest"] for one in found["referrers"]] == [sbom["digest"]]
    assert found["signatures"] == [signature]
