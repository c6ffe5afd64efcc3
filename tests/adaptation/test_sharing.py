"""Several processes train what one does: the same losses, from any number of processes to any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.adaptation import AdaptationSettings, TrainingError, training
from harness.adaptation.sharing import Team
from harness.adaptation.training import train
from harness.bank import create_bank
from harness.data import Domains, TargetLabels, load_digits, load_pair, pairs
from tests.data.made import classes
from tests.torchrun import torchrun

#: Nine images: the shares of two processes differ.
SETTINGS = AdaptationSettings(source_iterations=2, adaptation_iterations=4, batch_size=9, model_batch=3, seed=5)
BETWEEN = 3

SCRIPT = """
import json, sys, shutil
from pathlib import Path
from harness import processes
from harness.adaptation import AdaptationDiverged, AdaptationSettings
from tests.adaptation.test_sharing import trained

folder = Path(sys.argv[1])
with processes.joined() as commanding:
    if commanding:
        variants = json.loads(sys.argv[2])
        losses = {name: trained(folder / f"two-{name}", **values) for name, values in variants.items()}
        losses["resumed"] = trained(folder / "from-one")
        try:
            trained(folder / "diverged", learning_rate=1e30)
        except AdaptationDiverged as error:
            losses["diverged"] = str(error)
        losses["after"] = trained(folder / "after")
        (folder / "losses.json").write_text(json.dumps(losses))
"""

VARIANTS: dict[str, dict[str, Any]] = {
    "slimda": {},
    "files": {},
    "one-at-a-time": {"keep_graphs": False},
    "entropy": {"confidence": "entropy", "method": "seed"},
}


def capacity(arch: tuple[int, ...]) -> float:
    return float(sum(arch))


def files(folder: Path) -> tuple[Domains, TargetLabels | None]:
    """Image files that are decoded when they are needed."""
    source, target = classes(folder / "source", "abc"), classes(folder / "target", "abc", start=1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "IN_MEMORY_BYTES", 0)
        return load_pair(str(source), str(target), size=(16, 16))


def trained(folder: Path, **values: Any) -> list[float]:
    """Train on digits with checkpoints in the folder, that of step `BETWEEN` kept; return the losses."""
    domains, _ = files(folder) if folder.name.endswith("files") else load_digits(0, source_count=120, check_count=20)
    settings = SETTINGS.model_copy(update=values)
    training.CHECKPOINT_EVERY = BETWEEN

    def keep(done: int, _: int) -> None:
        if done == BETWEEN + 1:
            shutil.copy(folder / "checkpoint", folder / "between")

    channels, height, width = domains.target.shape[1:]
    bank = create_bank("resnet8", domains.classes, (channels, height, width), seed=settings.seed)
    return train(bank, domains, settings, capacity=capacity, checkpoint=folder / "checkpoint", progress=keep)


def go_on(folder: Path, between: Path) -> Path:
    """Make a folder whose training stands where the one that was kept stood."""
    folder.mkdir()
    shutil.copy(between, folder / "checkpoint")
    return folder


def test_two_processes_have_the_losses_of_one_and_resume_each_others_training(tmp_path: Path) -> None:
    alone = {name: trained(tmp_path / f"one-{name}", **values) for name, values in VARIANTS.items()}
    go_on(tmp_path / "from-one", tmp_path / "one-slimda" / "between")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = torchrun(2, script, tmp_path, json.dumps(VARIANTS))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "losses.json").read_text())
    for name, losses in alone.items():
        assert len(found[name]) == SETTINGS.iterations
        # The made-up files are noise, on which rounding grows faster.
        assert found[name] == pytest.approx(losses, rel=2e-3 if name == "files" else 2e-4), name

    assert found["resumed"] == pytest.approx(alone["slimda"], rel=2e-4)
    back = trained(go_on(tmp_path / "from-two", tmp_path / "two-slimda" / "between"))
    assert back == pytest.approx(alone["slimda"], rel=2e-4)
    one, two = (load_file(tmp_path / f"{count}-slimda" / "checkpoint") for count in ("one", "two"))
    assert set(one) == set(two)

    assert "diverged: the loss is" in found["diverged"]  # all processes noticed, and were there for the next training
    assert found["after"] == found["slimda"]


def test_the_comparison_notices_a_change_of_the_batch(tmp_path: Path) -> None:
    """What the test above holds equal differs where anything that counts does."""
    one, other = trained(tmp_path / "nine"), trained(tmp_path / "eight", batch_size=8)
    assert one != pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize(("count", "size"), [(9, 2), (8, 3), (2, 2), (64, 5)])
def test_shares_are_all_rows_once_and_none_is_empty(count: int, size: int) -> None:
    shares = [list(range(count))[Team(rank, size, None).rows(count)] for rank in range(size)]
    assert [row for share in shares for row in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_processes_than_images_are_refused(domains: Domains, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.processes.count", lambda: 10)
    bank = create_bank("resnet8", domains.classes, (1, 16, 16))
    with pytest.raises(TrainingError, match="10 processes cannot share batches of 9 images; start at most 9"):
        train(bank, domains, SETTINGS, capacity=capacity)


def test_bfloat16_trains_about_the_same_and_leaves_float32_weights(domains: Domains) -> None:
    from harness.adaptation import Hardware

    losses = {}
    for bf16 in (False, True):
        bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=1)
        losses[bf16] = train(bank, domains, SETTINGS, capacity=capacity, hardware=Hardware("cpu", bf16))
        assert {value.dtype for value in bank.parameters()} == {torch.float32}
    assert losses[True] != losses[False]
    assert losses[True] == pytest.approx(losses[False], rel=0.1)
