"""References: what is one, and which registry, path and tag it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.image.digest import Digest
from mirror.image.reference import Reference, Registry, Repository

HEX = "a" * 64

REFERENCES = [
    ("busybox", "docker.io/library/busybox"),
    ("busybox:1.36", "docker.io/library/busybox:1.36"),
    ("team/app", "docker.io/team/app"),
    ("docker.io/busybox", "docker.io/library/busybox"),
    ("index.docker.io/library/busybox:1", "docker.io/library/busybox:1"),
    ("registry-1.docker.io/team/app", "docker.io/team/app"),
    ("docker://quay.io/team/app:1", "quay.io/team/app:1"),
    ("quay.io/team/app", "quay.io/team/app"),
    ("Quay.IO/team/app", "quay.io/team/app"),
    ("localhost/app", "localhost/app"),
    ("localhost:5000/app:1", "localhost:5000/app:1"),
    ("127.0.0.1:5000/a/b/c:1", "127.0.0.1:5000/a/b/c:1"),
    ("[::1]:5000/app:1", "[::1]:5000/app:1"),
    ("host:5000/app", "host:5000/app"),
    (f"quay.io/a@sha256:{HEX}", f"quay.io/a@sha256:{HEX}"),
    (f"quay.io/a:1@sha256:{HEX}", f"quay.io/a:1@sha256:{HEX}"),
    ("quay.io/a__b/c-d.e--f", "quay.io/a__b/c-d.e--f"),
    ("quay.io/a:_under.score-1", "quay.io/a:_under.score-1"),
    ("oci:folder", "oci:folder"),
    ("oci:folder:1", "oci:folder:1"),
    ("oci:/srv/Ärger/x", "oci:/srv/Ärger/x"),
    ("oci:./a/../b/:1", "oci:b:1"),
    (f"oci:/srv/x:1@sha256:{HEX}", f"oci:/srv/x:1@sha256:{HEX}"),
    ("oci:5000/app", "oci:5000/app"),
    ("oci:/5000/app", "oci:/5000/app"),
    ("file://team/app:1", "file://team/app:1"),
    ("file://app", "file://app"),
]  # fmt: skip
NOT_REFERENCES = [
    "", ":", "@", "/", "a:", "a@", "a//b", "/a", "a/", "A", "team/App", "a:b:c", "a:-b",
    "a:" + "x" * 129, "oci:", "oci::1", "oci:a:b:c", "oci:a b", "oci:a?b", "oci:a#b", "oci:a%20",
    "file://", "file:///srv/x", "file://Team",
    "quay.io/", "quay.io/a..b", "quay.io/a_-b", "quay.io/-a", "quay.io:0/a", "quay.io:65536/a",
    "quay.io:port/a", "-host.io/a", "[::zz]/a", "[1.2.3.4]/a", "a@sha256:xyz", "a b", "a\tb", "a\n",
    "a" * 64 + ".io/a", HEX, "quay.io/" + "a" * 256,
    "quay.io/a:1@md5:" + "0" * 32, "a\x00", "кот/app", "oci.io/a:тэг",
]  # fmt: skip


@pytest.mark.parametrize(("text", "canonical"), REFERENCES)
def test_a_reference_is_canonical_at_construction(text: str, canonical: str) -> None:
    assert str(Reference.parse(text)) == canonical
    assert Reference.parse(canonical) == Reference.parse(text)


@pytest.mark.parametrize("text", NOT_REFERENCES)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each part has a message of its own
        Reference.parse(text)


@given(st.text())
def test_no_text_fails_otherwise_than_with_a_value_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ValueError:
        return
    assert Reference.parse(str(reference)) == reference


components = st.from_regex(r"[a-z0-9]+((\.|_|__|-)[a-z0-9]+)?", fullmatch=True)


@given(
    st.sampled_from(["quay.io", "localhost:5000", "127.0.0.1", "[::1]:443", "docker.io"]),
    st.lists(components, min_size=2, max_size=4),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True),
    st.none() | st.binary().map(Digest.of),
)
def test_parse_and_print_are_inverse(
    host: str, path: list[str], tag: str | None, digest: Digest | None
) -> None:
    repository = Repository(Registry(host), "/".join(path))
    reference = Reference(repository, tag, digest)

    assert Reference.parse(str(reference)) == reference


def test_docker_hub_serves_its_api_elsewhere() -> None:
    assert Registry("docker.io").authority == "registry-1.docker.io"
    assert Registry("quay.io").authority == "quay.io"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("localhost:5000", True), ("a.localhost", True), ("127.0.0.1:1", True),
     ("127.8.9.1", True), ("[::1]:5000", True), ("[::2]", False), ("10.0.0.1", False),
     ("localhost.example.com", False), ("quay.io", False)],
)  # fmt: skip
def test_only_this_machine_is_loopback(host: str, loopback: bool) -> None:
    assert Registry.parse(host).is_loopback is loopback


@pytest.mark.parametrize(
    ("text", "target"),
    [("q.io/a", "latest"), ("q.io/a:1", "1"), (f"q.io/a:1@sha256:{HEX}", f"sha256:{HEX}")],
)
def test_the_digest_says_which_content_is_meant(text: str, target: str) -> None:
    assert Reference.parse(text).target == target


def test_latest_stands_in_only_where_nothing_was_said() -> None:
    assert str(Reference.parse("q.io/a").or_latest()) == "q.io/a:latest"
    assert str(Reference.parse("q.io/a:1").or_latest()) == "q.io/a:1"
