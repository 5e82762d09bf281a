"""The mapping files that people copy from, and what the README says of the command."""

import re
from pathlib import Path

import pytest

from mirror.mapping.grammar import Document, parse

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "mapping-examples").glob("*.txt"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_a_mapping_file_and_is_explained(path: Path) -> None:
    assert parse(documents=[Document(path.name, path.read_bytes())])
    assert f"[{path.name}]" in (ROOT / "mapping-examples/README.md").read_text()


def test_the_mappings_of_the_readme_can_be_read() -> None:
    readme = (ROOT / "README.md").read_text()
    table = re.findall(r"^\| `([^`]+=[^`]+)` \|", readme, re.MULTILINE)

    assert len(table) == 10
    for mapping in table:
        parse([mapping.replace("sha256:...", f"sha256:{'0' * 64}")])


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"),
             *ROOT.glob("mapping-examples/*.md")]  # fmt: skip
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
