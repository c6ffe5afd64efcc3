"""What the README shows runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import onnx

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_library_example_runs_as_printed(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "agreement=1.0" in done.stdout
    (model,) = tmp_path.glob("subnets/*.onnx")
    onnx.checker.check_model(onnx.load(model))


def test_every_option_the_readme_names_exists() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    pages = [[], ["search"], ["ablation"], ["devices"], ["selfcheck"], ["pretrain"], ["compare"]]
    helps = "".join(
        subprocess.run(
            [sys.executable, "benchmark.py", *page, "--help"], cwd=ROOT, capture_output=True, text=True
        ).stdout
        for page in pages
    )
    assert named - {option for option in named if option in helps} == set()


def test_every_file_the_readme_links_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert (ROOT / target).exists(), target
