"""The mapping files that people copy from, and what the README says of the command."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from mirror.cli.app import app
from mirror.configuration.loader import parse as configuration
from mirror.mapping.grammar import Document, parse
from mirror.shard import Shard
from tests.cli.conftest import catalog, empty, unmeasured

__all__ = ["catalog", "empty"]

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "mapping-examples"
PIPELINES = ("tekton.yaml", "Jenkinsfile", "gitlab-ci.yml", "github-actions.yml")
EXAMPLES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_a_mapping_file(path: Path) -> None:
    assert parse(documents=[Document(path.name, path.read_bytes())])


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_an_example_is_explained(path: Path) -> None:
    readme = FOLDER / "README.md"
    assert path == readme or f"[{path.name}]" in readme.read_text()


def _read_example(path: str) -> bytes:
    return (FOLDER / path).read_bytes()


def test_the_whole_catalog_is_a_configuration() -> None:
    sync = configuration(Document("sync.yaml", _read_example("sync.yaml")), {}, _read_example)

    assert {str(rule.origin).partition(":")[0] for rule in sync.rules} == {
        "sync.yaml", "releases.txt",
    }  # fmt: skip


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(_read_example(name)))


@pytest.mark.parametrize("name", ["cronjob.yaml", "indexed-job.yaml"])
@pytest.mark.parametrize("version", ["1.30", "1.33"])
def test_a_job_is_what_kubernetes_takes(version: str, name: str) -> None:
    for document in _documents(name):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_pods_of_the_indexed_job_do_all_shares_with_options_that_there_are() -> None:
    _, job = _documents("indexed-job.yaml")
    spec = job["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}

    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == 3
    assert [
        str(Shard.of_job({**environment, "JOB_COMPLETION_INDEX": str(index)}))
        for index in range(spec["completions"])
    ] == ["1/3", "2/3", "3/3"]
    _, _, *options = container["args"]
    assert {option.partition("=")[0] for option in options} <= _options("sync")
    paths = [option for option in options if "/var/lib/mirror" in option]
    assert all("$(JOB_COMPLETION_INDEX)" in path for path in paths)


def test_the_cron_job_runs_a_configuration_with_options_that_there_are() -> None:
    settings, _, job = _documents("cronjob.yaml")
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    text = settings["data"]["sync.yaml"].encode()

    assert configuration(Document("sync.yaml", text), {}, _read_example).logins
    command, path, *options = container["args"]
    assert (command, path) == ("sync", "/etc/mirror/sync.yaml")
    assert {option.partition("=")[0] for option in options} <= _options("sync")


def _options(command: str) -> set[str]:
    """The options of a command, as its help says."""
    shown = CliRunner().invoke(app, [command, "--help"])
    return set(re.findall(r"--[a-z-]+", shown.output))


@pytest.mark.parametrize("name", ["crontab", "mirror.service"])
def test_a_command_of_a_timer_has_options_that_there_are(name: str) -> None:
    text = _read_example(name).decode()
    commands = re.findall(r"(?:; |\s|bin/)mirror (sync|report|verify) ([^;\n]*)", text)
    assert commands
    for command, words in commands:
        assert {word for word in words.split() if word.startswith("--")} <= _options(command)


def test_the_lines_of_the_crontab_are_lines_of_a_crontab() -> None:
    field = r"(\*|[0-9,*/-]+)"
    for line in _read_example("crontab").decode().splitlines():
        assert re.fullmatch(rf"#.*|[A-Z]+=\S+|({field} ){{5}}\S.*", line)


# Containers mostly have no systemd, and it cannot be installed beside what runs there; the
# commands and options of the units are looked at everywhere, above.
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_finds_nothing_wrong_with_its_units(tmp_path: Path) -> None:
    for name in ("mirror.service", "mirror.timer"):
        text = _read_example(name).decode().replace("/usr/local/bin/mirror", sys.executable)
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "mirror.timer"),
         str(tmp_path / "mirror.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "mirror." not in done.stderr
    assert done.returncode == 0


def _scripts(name: str) -> list[str]:
    """What a pipeline runs, as shell."""
    if name == "Jenkinsfile":
        return re.findall(r"sh '''(.*?)'''", _read_example(name).decode(), re.DOTALL)
    (document,) = _documents(name)
    if name == "tekton.yaml":
        return [step["script"] for step in document["spec"]["steps"]]
    if name == "gitlab-ci.yml":
        return [*document["promote"]["script"], *document["promote"]["after_script"]]
    steps = document["jobs"]["promote"]["steps"]
    return [step["run"] for step in steps if "pipx" not in step["run"]]


@pytest.mark.parametrize(
    "name", ["tekton.yaml", "Jenkinsfile", "gitlab-ci.yml", "github-actions.yml"]
)
def test_a_pipeline_promotes_an_image(name: str, catalog: str, empty: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "mirror"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m mirror "$@"\n')
    command.chmod(0o755)
    given = unmeasured(
        PATH=f"{command.parent}:{os.environ['PATH']}", PYTHONPATH=str(ROOT), HOME=str(tmp_path),
        IMAGE="shop/cart:1.0", SOURCE=catalog, DESTINATION=empty, RESULT=str(tmp_path / "digest"),
    )  # fmt: skip
    for script in _scripts(name):
        done = subprocess.run(
            ["sh", "-euc", script], cwd=tmp_path, env=given, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    digests = {
        host: hashlib.sha256(
            urlopen(f"http://{host}/v2/shop/cart/manifests/1.0").read()
        ).hexdigest()
        for host in (catalog, empty)
    }
    assert digests[catalog] == digests[empty]
    if name == "tekton.yaml":
        assert (tmp_path / "digest").read_text() == f"sha256:{digests[empty]}\n"


def test_the_mappings_of_the_readme_can_be_read() -> None:
    readme = (ROOT / "README.md").read_text()
    table = re.findall(r"^\| `([^`]+=[^`]+)` \|", readme, re.MULTILINE)

    assert len(table) == 10
    for mapping in table:
        parse([mapping.replace("sha256:...", f"sha256:{'0' * 64}")])


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"),
             *FOLDER.glob("*.md")]  # fmt: skip
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
