"""The shape of the package, held by a test.

Floors are listed from the ground up.  A module may import from its own package
and from packages on lower floors: never sideways, never up, and not under
TYPE_CHECKING either.  Only the modules in MAY_AWAIT meet the outside world.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mirror

FLOORS = [
    {"exit_code", "place"},
    {"errors"},
    {"image"},
    {"shard"},
    {"effort", "options"},
    {"events", "mapping", "wire"},
    {"auth", "configuration", "report", "demo"},
    {"registry"},
    {"engine"},
    {"cluster"},
    {"library"},
    {"blocking", "cli"},
]
MAY_AWAIT = {
    "mirror.auth.keychain",
    "mirror.auth.token",
    "mirror.demo.api",
    "mirror.demo.server",
    "mirror.registry.response_deadlines",
    "mirror.registry.authorizing",
    "mirror.registry.backoff",
    "mirror.registry.retrying",
    "mirror.registry.connector",
    "mirror.registry.parallel_download",
    "mirror.registry.fanout",
    "mirror.registry.transport",
    "mirror.registry.tls",
    "mirror.registry.endpoint",
    "mirror.registry.client",
    "mirror.registry.created_date",
    "mirror.registry.blob_reader",
    "mirror.registry.pagination",
    "mirror.registry.error_context",
    "mirror.registry.folders",
    "mirror.registry.oci_folder",
    "mirror.registry.folder_registry",
    "mirror.registry.oc_folder",
    "mirror.registry.uploads",
    "mirror.registry.clients",
    "mirror.engine.blob_body",
    "mirror.engine.blob_copy",
    "mirror.engine.blob_transfer",
    "mirror.engine.task_groups",
    "mirror.engine.deletion",
    "mirror.engine.dry_run",
    "mirror.engine.expansion",
    "mirror.engine.image_copy",
    "mirror.engine.inspection",
    "mirror.engine.ledger",
    "mirror.engine.listings",
    "mirror.engine.manifest_copy",
    "mirror.engine.pruning",
    "mirror.engine.referrer_copy",
    "mirror.engine.repair",
    "mirror.engine.repository_access",
    "mirror.engine.run",
    "mirror.engine.run_state",
    "mirror.engine.single_flight",
    "mirror.engine.slots",
    "mirror.engine.destination_only_tags",
    "mirror.engine.verification",
    "mirror.engine.pair_processing",
    "mirror.cluster.connection",
    "mirror.cluster.forkserver",
    "mirror.cluster.coordinator",
    "mirror.cluster.catalog_expansion",
    "mirror.cluster.replies",
    "mirror.cluster.worker",
    "mirror.library.engines",
    "mirror.library.copy_and_verify",
    "mirror.library.configured_sync",
    "mirror.cli.credential_options",
    "mirror.cli.copy",
    "mirror.cli.demo",
    "mirror.cli.inspect",
    "mirror.cli.interrupt",
    "mirror.cli.lock",
    "mirror.engine.loop",
    "mirror.cli.output",
    "mirror.cli.serve",
    "mirror.cli.progress_display",
    "mirror.cli.cluster_options",
    "mirror.cli.streams",
    "mirror.cli.reporter",
    "mirror.cli.terminal",
}
OUTSIDE = {"aiohttp", "anyio", "asyncio", "os", "signal", "socket", "ssl", "subprocess",
           "sqlite3", "tempfile", "threading", "time"}  # fmt: skip
# The front door, which is the one exception to the floors; a command; the display of a
# terminal; the cluster, which needs an extra that may not be installed.
LOADERS = {
    ("mirror", "__getattr__"),
    ("mirror.cli.app", "_call"),
    ("mirror.cli.terminal", "_screen"),
    ("mirror.library.engines", "engine_of"),
}
LOADING = re.compile(r"import_module|__import__|'pkgutil'|'runpy'")
LONGEST_MODULE = 350
LONGEST_BODY = 50

ROOT = Path(mirror.__file__).parent
PATHS = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path
    for path in ROOT.rglob("*.py")
    if path not in {ROOT / "__init__.py", ROOT / "__main__.py"}
}
TREES = {module: ast.parse(path.read_text()) for module, path in PATHS.items()}
FLOOR_OF = {package: level for level, floor in enumerate(FLOORS) for package in floor}


def imports(module: str) -> Iterator[str]:
    """Every name this module imports, in full: ``mirror.image.digest.Digest``."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides the floor it reaches"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and node.value in PATHS:
            yield str(node.value)  # it is loaded by this name when it is needed


def modules_used(module: str) -> set[str]:
    return {
        other
        for name in imports(module)
        for other in TREES
        if name == other or name.startswith(f"{other}.")
    }


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("module", TREES)
def test_imports_only_go_down(module: str) -> None:
    here = module.split(".")[1]
    packages = {
        name.split(".")[1] for name in imports(module) if re.match(r"mirror\.(?!__version__)", name)
    }
    assert all(FLOOR_OF[package] < FLOOR_OF[here] for package in packages - {here})


def test_the_front_door_tells_of_the_same_floors() -> None:
    told = re.findall(r"^ {3,4}\d+  ([a-z_, ]+?)  ", mirror.__doc__ or "", re.MULTILINE)
    assert [set(floor.split(", ")) for floor in told] == FLOORS


def test_no_two_modules_have_one_name() -> None:
    names = Counter(module.split(".")[-1] for module in TREES)
    assert not [name for name, times in names.items() if times > 1 and name != "__init__"]


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    assert not [name for name, times in names.items() if times > 1]


def test_no_module_is_its_own_ancestor() -> None:
    TopologicalSorter({module: modules_used(module) for module in TREES}).prepare()


@pytest.mark.parametrize("module", sorted(TREES.keys() - MAY_AWAIT))
def test_pure_modules_do_not_meet_the_outside(module: str) -> None:
    assert not OUTSIDE & {name.split(".")[0] for name in imports(module)}
    assert not [n for n in ast.walk(TREES[module]) if isinstance(n, ast.AsyncFunctionDef)]


def test_the_list_of_modules_that_may_await_has_no_strangers() -> None:
    assert TREES.keys() >= MAY_AWAIT


@pytest.mark.parametrize("module", TREES)
def test_nothing_is_imported_later_to_dodge_the_floors(module: str) -> None:
    top = {id(node) for node in TREES[module].body}
    inner = [
        node
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in top
    ]
    assert not inner


def test_what_is_loaded_when_it_is_needed_is_loaded_at_four_places() -> None:
    trees = {**TREES, "mirror": ast.parse((ROOT / "__init__.py").read_text())}
    loading = {
        (module, function.name)
        for module, tree in trees.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(isinstance(n, ast.Attribute | ast.Name) and LOADING.search(ast.dump(n))
                for n in ast.walk(function))
    }  # fmt: skip
    assert loading == LOADERS
    assert [m for m, tree in trees.items() if "TYPE_CHECKING" in ast.dump(tree)] == ["mirror"]


def test_the_front_door_shows_the_public_names_and_nothing_else() -> None:
    assert sorted(dir(mirror)) == sorted(mirror.__all__)
    assert all(getattr(mirror, name) is not None for name in mirror.__all__)


def test_the_http_library_is_known_to_the_transport_and_the_embedded_server() -> None:
    users = {module for module in TREES if "aiohttp" in {n.split(".")[0] for n in imports(module)}}
    client = {"mirror.registry.transport", "mirror.registry.connector"}
    assert users == client | {"mirror.demo.server", "mirror.demo.api"}


@pytest.mark.parametrize("module", [m for m in TREES if m.startswith("mirror.demo.")])
def test_the_embedded_registry_shares_only_the_nouns_with_the_client(module: str) -> None:
    used = {name.split(".")[1] for name in imports(module) if name.startswith("mirror.")}
    assert used <= {"demo", "image"} | ({"errors"} if module == "mirror.demo.store" else set())


@pytest.mark.parametrize("module", TREES)
def test_modules_and_functions_stay_small(module: str) -> None:
    assert len(PATHS[module].read_text().splitlines()) <= LONGEST_MODULE
    for function in functions(module):
        first = function.body[1 if ast.get_docstring(function) else 0 :] or function.body
        assert (function.end_lineno or 0) - first[0].lineno < LONGEST_BODY, function.name


@pytest.mark.parametrize("module", TREES)
def test_every_public_name_has_a_docstring(module: str) -> None:
    assert ast.get_docstring(TREES[module])
    for node in TREES[module].body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.name.startswith("_") or ast.get_docstring(node), node.name


def test_every_task_has_an_owner() -> None:
    for module, path in PATHS.items():
        assert not re.search(r"create_task\(|ensure_future|\bgather\(", path.read_text()), module
