"""What an ablation leaves to read: CSV, Markdown and picture of every experiment, and how to make it again."""

import csv
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from harness.ablation import Plan, chosen_experiments, write_experiment
from harness.ablation.machine import machine
from harness.ablation.reporting import command, warnings
from harness.adaptation import Hardware, find_hardware
from tests.ablation.conftest import MEASURED
from tests.ablation.plans import TINY, plan
from tests.runs import Runner

FILES = {
    "ladder": ("ablation.csv", "upem.csv", "ablation.md", "ablation.png"),
    "upem": ("upem-options.csv", "upem-options-correlations.csv", "upem-options.md", "upem-options.png"),
    "search": ("search.csv", "search.md", "search.png"),
    "convergence": ("convergence.csv", "convergence-losses.csv", "convergence.md", "convergence.png"),
}


@pytest.fixture
def read_only(finished: Path, tmp_path: Path) -> Plan:
    """The finished plan, whose tables go elsewhere."""
    (tmp_path / "cells").symlink_to(finished / "cells")
    return plan(tmp_path, *MEASURED, methods=("source-only", "symnet", "slimda"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", MEASURED)
def test_every_experiment_leaves_its_files_with_command_and_machine(read_only: Plan, name: str) -> None:
    (experiment,) = [one for one in read_only.experiments if one.name == name]
    text = write_experiment(read_only, experiment)
    left = {path.name for path in read_only.folder.iterdir() if path.is_file()}
    assert left == set(FILES[name])
    (markdown,) = [file for file in FILES[name] if file.endswith(".md")]
    assert (read_only.folder / markdown).read_text(encoding="utf-8") == text
    assert f"- machine: {machine(Hardware())}\n" in text
    assert f"python benchmark.py ablation --experiments {name} --tasks digits --seeds 1" in text
    assert "nan" not in text
    for file in left:
        content = (read_only.folder / file).read_bytes()
        assert content.startswith(b"\x89PNG") if file.endswith(".png") else content.strip()


def test_tables_hold_every_line_and_csv_every_number(read_only: Plan) -> None:
    texts = {one.name: write_experiment(read_only, one) for one in read_only.experiments}
    for line in ("| greedy |", "| random |", "| evolution |", "| greedy - uniform |"):
        assert line in texts["search"]
    for line in ("| symnet, 1/64 |", "| slimda, 1 |", "| variant, budget | 0 | 1 | 2 | 3 | 4 |"):
        assert line in texts["convergence"]
    for line in ("| l1-T0.25-ensemble |", "Spearman", "partialled out", "6 at 1/8"):
        assert line in texts["upem"]
    assert len(rows(read_only.folder / "convergence.csv")) == 2 * 5 * 3
    assert len(rows(read_only.folder / "convergence-losses.csv")) == 2 * TINY.adaptation_iterations
    told = rows(read_only.folder / "upem-options-correlations.csv")
    assert len(told) == 12 * 8
    assert {row["architectures"] for row in told} == {"6", "42"}


def test_warnings_name_task_seed_and_variant_once(read_only: Plan) -> None:
    told = list(warnings(read_only))
    assert told
    assert len(told) == len(set(told))
    assert all(one.startswith("digits, seed 0, ") for one in told)


def test_the_command_names_every_setting_that_is_not_the_default(tmp_path: Path) -> None:
    asked = plan(tmp_path, methods=("symnet",), data_root=Path("/somewhere"), seeds=(0, 1))
    words = shlex.split(command(asked, asked.experiments[0]))
    expected = "--experiments ladder --tasks digits --seeds 2 --methods symnet --data-root DATA --source-iterations 2"
    assert words[3:] == [*expected.split(), "--iterations", "4", "--train-batch-size", "16", "--model-batch", "3"]


def test_command_and_machine_tell_a_hardware_that_would_not_be_taken_anyway(tmp_path: Path) -> None:
    asked = plan(tmp_path, hardware=Hardware("cpu", bf16=True))
    assert "--train-device cpu --train-precision bf16 " in command(asked, asked.experiments[0])
    asked = plan(tmp_path, hardware=find_hardware())
    assert "--train-device" not in command(asked, asked.experiments[0])
    assert machine(Hardware("cpu", bf16=True)).endswith("; trained on the processor, convolutions in bfloat16")


def test_a_ladder_without_correlation_leaves_no_scores_and_its_command_says_so(read_only: Plan) -> None:
    (ladder,) = chosen_experiments(["ladder"], ["source-only", "symnet", "slimda"], correlation=False)
    assert "Correlation of UPEM" not in write_experiment(read_only, ladder)
    assert not (read_only.folder / "upem.csv").exists()
    assert "--no-correlation" in command(read_only, ladder)
    assert "--no-correlation" not in command(read_only, read_only.experiments[0])


def test_the_command_of_a_quick_ablation_says_quick(tmp_path: Path) -> None:
    text = command(plan(tmp_path, quick=True), chosen_experiments(["search"])[0])
    assert "--quick" in text
    assert "--source-iterations 2" in text


def test_a_lone_variant_is_written_without_a_difference(finished: Path, read_only: Plan) -> None:
    heads = chosen_experiments(["heads"])[0]
    some = replace(heads, variants=tuple(v for v in heads.variants if v.label in ("slimda", "symnet")))
    text = write_experiment(replace(read_only, experiments=(some,)), some)
    assert "Paired gain over slimda" in text
    assert "| symnet |" in text
    assert {row["variant"] for row in rows(read_only.folder / "heads.csv")} == {"symnet", "slimda"}


def test_the_command_line_runs_experiments_and_resumes(runner: Runner, tmp_path: Path) -> None:
    text = "--seeds 1 --experiments search --source-iterations 1 --iterations 2 --train-batch-size 8"
    asked = ("ablation", "--run", tmp_path, *text.split(), "--model-batch", "2")
    first = runner(*asked, "--quick")
    assert first.code == 0, first.err
    assert (tmp_path / "search.md").exists()
    banks = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert runner(*asked, "--quick").code == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == banks
    refused = runner(*asked)
    assert refused.code == 2
    assert "other settings" in refused.sentence


def test_what_diverged_is_told_once_with_exit_code_5(runner: Runner, tmp_path: Path) -> None:
    torn = ("--seeds", 1, "--methods", "slimda", "--source-iterations", 2, "--iterations", 4, "--learning-rate", 1e30)
    done = runner("ablation", "--run", tmp_path, "--quick", *torn)
    assert done.code == 5
    assert done.err.count("digits, seed 0, slimda: adaptation diverged") == 1
    assert "The ablation ladder: nothing was left to report" in done.err


def test_an_unknown_experiment_is_told_with_exit_code_2(runner: Runner, tmp_path: Path) -> None:
    refused = runner("ablation", "--run", tmp_path, "--experiments", "nonsense")
    assert refused.code == 2
    assert refused.sentence.startswith("unknown experiment nonsense; known: ladder")
