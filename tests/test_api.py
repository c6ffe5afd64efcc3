"""The library: what `import harness` offers, what its import costs, and that the examples run."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import harness
from harness.api import AdaptOptions
from harness.report import read_csv
from tests.runs import run_here, write_profile
from tests.sources import ROOT

SURFACE = {"CostModel", "ModelBank", "adapt", "cut", "profile", "report_run", "search_run"}


def test_the_surface_is_small_documented_and_loaded_on_use() -> None:
    assert set(harness.__all__) == SURFACE <= set(dir(harness))
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    for name in SURFACE:
        assert getattr(harness, name).__doc__
        assert f"`harness.{name}" in page
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = harness.absent  # type: ignore[attr-defined]
    looking = "import sys, harness; assert not {'torch', 'numpy', 'harness.api'} & set(sys.modules); harness.adapt"
    done = subprocess.run([sys.executable, "-c", looking], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_options_are_those_of_the_command_line() -> None:
    shown = run_here("adapt", "--help").out
    names = {"adaptation_iterations": "iterations"}
    for name in (*AdaptOptions.__annotations__,):
        assert re.search(rf"--{names.get(name, name).replace('_', '-')}\b", shown), name


def test_an_option_that_there_is_not_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="adapt has no option iterations"):
        harness.adapt(tmp_path / "run", iterations=3)  # type: ignore[call-arg]
    assert list(tmp_path.iterdir()) == []


def test_what_a_command_tells_as_an_error_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no run in"):
        harness.report_run(tmp_path / "absent")


def test_the_examples_run_one_after_the_other(
    own_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, store = tmp_path / "run", tmp_path / "store.sqlite"

    def printed(example: str, *arguments: object, **options: object) -> str:
        runpy.run_path(str(ROOT / "examples" / f"{example}.py"))["main"](run, *arguments, **options)
        return capsys.readouterr().out

    tiny = {"quick": True, "source_iterations": 5, "adaptation_iterations": 8, "profile_seconds": 1.0}
    said = printed("adapt_and_cut", **tiny, device=str(write_profile(tmp_path)))
    assert "10 classes" in said
    bank_files = {path.name for path in (run / "bank").iterdir()}
    assert "weights.safetensors" in bank_files

    said = printed("measure_and_predict", store=store)
    latencies = [float(ms) for ms in re.findall(r"([0-9.]+) ms", said)]
    assert len(latencies) == 2
    assert min(latencies) > 0

    said = printed("search_for_a_budget", "1/8", store=store)
    rows = read_csv(run / "tradeoff.csv")
    (answer,) = [row for row in rows if row.selected == "yes"]
    assert answer.budget == "1/8"
    assert f"subnets/{answer.arch_id}-fp32-b1.onnx" in said
    assert f"{len(rows)} rows" in said
    assert answer.target_accuracy is not None, "the report has been written"

    subnet = harness.cut(run, tuple(int(width) for width in answer.widths.split("-")))
    assert isinstance(subnet, torch.nn.Sequential)
    assert not subnet.training
