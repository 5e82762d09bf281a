"""Hints that know the registry."""

import pytest

from mirror.errors import Denied, NetworkError, NotFound, RegistryError, Unsupported
from mirror.image.reference import Registry, Repository
from mirror.place import Side
from mirror.wire.hints import advise, advise_catalog

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("repository", "error", "word"),
    [(f"{ECR}/team/app", NotFound("404"), "--region eu-west-1 --repository-name team/app"),
     ("europe-docker.pkg.dev/proj/repo/app", NotFound("404"), "create repo "),
     ("europe-docker.pkg.dev/proj/repo/app", Denied("403"), "--project=proj"),
     ("harbor.io/proj/app", Denied("401: project proj not found"), "project 'proj'"),
     ("default-route-openshift-image-registry.apps.io/ns/app", NotFound("404"), "new-project ns"),
     ("image-registry.openshift-image-registry.svc:5000/ns/app", Denied("403"), "new-project ns"),
     ("docker.io/a/b/c", Denied("401"), "two parts")],
)  # fmt: skip
def test_what_has_to_be_made_first_is_said(
    repository: str, error: RegistryError, word: str
) -> None:
    assert word in advise(error, Repository.parse(repository), Side.DESTINATION).hint


@pytest.mark.parametrize(
    ("repository", "side"),
    [
        ("quay.io/a/b", Side.DESTINATION),
        (f"{ECR}/app", Side.SOURCE),
        ("docker.io/a/b", Side.DESTINATION),
    ],
)
def test_elsewhere_the_hint_stays(repository: str, side: Side) -> None:
    assert advise(Denied("403"), Repository.parse(repository), side).hint == Denied.hint


def test_a_broken_connection_is_no_matter_of_the_registrys_kind() -> None:
    error = NetworkError("gone")
    assert advise(error, Repository.parse(f"{ECR}/app"), Side.DESTINATION).hint == error.hint


@pytest.mark.parametrize("where", ["oci:folder", "file://team/app"])
@pytest.mark.parametrize("side", list(Side))
def test_what_is_not_in_a_folder_is_no_matter_of_logins(where: str, side: Side) -> None:
    error = advise(NotFound("404 Not Found"), Repository.parse(where), side)
    assert "404" not in error.message
    assert "--tags" in error.hint


@pytest.mark.parametrize("error", [Denied("401"), NotFound("404"), Unsupported("405")])
@pytest.mark.parametrize(
    ("host", "words"),
    [("docker.io", "docker.io does not list its repositories"),
     ("ghcr.io", "ghcr.io does not list its repositories"),
     ("registry.example.com", "to administrators only")],
)  # fmt: skip
def test_who_lists_no_repositories_is_named_with_what_to_write(
    host: str, words: str, error: RegistryError
) -> None:
    hint = advise_catalog(error, Registry(host)).hint

    assert words in hint
    assert f"{host}/PATH=DESTINATION" in hint


def test_a_catalog_that_breaks_off_is_no_matter_of_logins() -> None:
    error = NetworkError("gone")
    assert advise_catalog(error, Registry("docker.io")).hint == NetworkError.hint
