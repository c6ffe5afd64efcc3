"""What the README and the pages of docs/ show runs, and what they name exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from tests.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def the_example_of(page: Path) -> str:
    """Return the last Python example of a page: one before it may need images of the reader's."""
    found: list[str] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return found[-1]


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_library_example_runs_as_printed(page: str, own_cache: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", the_example_of(ROOT / page)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "agreement=1.0" in done.stdout
    (model,) = tmp_path.rglob("subnets/*.onnx")
    onnx.checker.check_model(onnx.load(model))


def test_every_option_that_is_shown_exists() -> None:
    shown = re.findall(r"python benchmark\.py[^\n`|]*", "".join(page.read_text(encoding="utf-8") for page in PAGES))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README + " ".join(shown)))
    pages = [[], ["search"], ["ablation"], ["devices"], ["selfcheck"], ["pretrain"], ["compare"]]
    helps = "".join(
        subprocess.run(
            [sys.executable, "benchmark.py", *page, "--help"], cwd=ROOT, capture_output=True, text=True
        ).stdout
        for page in pages
    )
    assert len(named) > 30
    assert named - {option for option in named if re.search(rf"{option}\b", helps)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_and_heading_that_is_linked_exists(page: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    for target, _, heading in (link.partition("#") for link in links if not link.startswith("http")):
        file = page.parent / target if target else page
        assert file.exists(), target
        if heading:
            assert heading in anchors(file), f"{target}#{heading}"


def anchors(page: Path) -> set[str]:
    """Return what GitHub lets links name of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
