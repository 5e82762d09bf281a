"""What to try next, where the registry's kind makes it known.

Many registries want something made before a repository can be pushed to, and
say so in words that help only those who know.
"""

import re

from mirror.errors import Denied, MirrorError, NotFound, RegistryError, Unsupported
from mirror.image.reference import DOCKER_HUB, Registry, Repository
from mirror.place import Side

_ECR = re.compile(r".*\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_GAR = re.compile(r"(.*)-docker\.pkg\.dev")
_NO_CATALOG = {DOCKER_HUB, "ghcr.io", "registry.gitlab.com"}
_NO_FOLDER = (
    "Check the folder and the name: mirror inspect --tags lists the names in it. For several "
    "layouts below one folder, write oci:FOLDER/*."
)
_HARBOR_PROJECT = re.compile(r"project .*not found", re.IGNORECASE)


def advise(error: MirrorError, repository: Repository, side: Side) -> MirrorError:
    """Return the error with a better hint, if there is one for this registry and repository."""
    if repository.registry.is_local and isinstance(error, NotFound):
        return error.but(message="it is not there", hint=_NO_FOLDER)
    if side is Side.DESTINATION and isinstance(error, RegistryError):
        hint = _hint(error, repository)
        return error.but(hint=hint) if hint else error
    return error


def advise_catalog(error: MirrorError, registry: Registry) -> MirrorError:
    """Return an error of listing a registry's repositories, with a better hint if refused."""
    if not isinstance(error, (Denied, NotFound, Unsupported)):
        return error
    host = registry.host
    instead = f"name each repository instead, {host}/PATH=DESTINATION, one in a line"
    if host in _NO_CATALOG:
        return error.but(hint=f"{host} does not list its repositories: {instead}.")
    return error.but(
        hint="Some registries list their repositories to administrators only; Docker Hub, GHCR and "
        f"GitLab.com do not list them at all: log in as an administrator, or {instead}."
    )


def _hint(error: RegistryError, repository: Repository) -> str:
    host, path = repository.registry.host, repository.path
    absent = isinstance(error, (NotFound, Denied))
    project = path.partition("/")[0]
    if absent and (ecr := _ECR.fullmatch(host)):
        return (
            "Create the Amazon ECR repository first: aws ecr create-repository "
            f"--region {ecr[2]} --repository-name {path}"
        )
    if absent and (gar := _GAR.fullmatch(host)):
        return (
            "Create the Artifact Registry repository first: gcloud artifacts repositories "
            f"create {path.split('/')[1] if '/' in path else path} --repository-format=docker "
            f"--location={gar[1]} --project={project}"
        )
    if absent and _HARBOR_PROJECT.search(error.message):
        return f"Create the Harbor project {project!r} first; that needs an account that may."
    if absent and _is_openshift(host):
        return f"Create the OpenShift namespace first: oc new-project {project}"
    if isinstance(error, Denied) and host == DOCKER_HUB and path.count("/") != 1:
        return "Docker Hub repositories have exactly two parts: NAMESPACE/NAME."
    return ""


def _is_openshift(host: str) -> bool:
    return "openshift-image-registry" in host or host.startswith("default-route-openshift")
