"""What the program loads: each module costs every run, the shortest most of all."""

import subprocess
import sys

from tests.cli.conftest import unmeasured

# Third-party packages that a copy needs, and those that they need themselves.
NEEDED = {
    "aiohappyeyeballs", "aiohttp", "aiosignal", "annotated_doc", "anyio", "attr", "cython_runtime",
    "frozenlist",
    "idna", "mirror", "msgspec", "multidict", "propcache", "semver", "shellingham", "typer",
    "typing_extensions", "uvloop", "yarl",
}  # fmt: skip
# Of the standard library, what is slow to load and what a copy without logins does without.
SPARED = {"importlib.metadata", "multiprocessing", "zoneinfo"}
# Of ourselves, what other commands are for.
OTHER_COMMANDS = ("mirror.cluster", "mirror.configuration", "mirror.demo", "mirror.report.page")


def modules_of(*words: str) -> set[str]:
    """Run a command, and return every module that it has loaded at its end."""
    program = (
        f"import sys; sys.argv = ['mirror', *{words!r}]\n"
        "before = set(sys.modules)\n"
        "from mirror.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=unmeasured(),
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


def test_a_copy_loads_what_it_needs_and_no_more(catalog: str, empty: str) -> None:
    loaded = modules_of(f"{catalog}/shop/cart:1.0={empty}/a:1", "--quiet")

    packages = {module.partition(".")[0] for module in loaded}
    assert {one for one in packages - sys.stdlib_module_names if not one.startswith("_")} <= NEEDED
    assert not loaded & SPARED
    assert not [module for module in loaded if module.startswith(OTHER_COMMANDS)]


def test_help_loads_no_library_that_only_a_run_needs() -> None:
    loaded = modules_of("--help")

    assert not loaded & {"aiohttp", "anyio", "asyncio", "jinja2", "pydantic", "rich", "ssl", "yaml"}
