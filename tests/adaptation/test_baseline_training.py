"""A baseline is trained by the bank's own loop: its losses move everything, and it goes on where it was killed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.adaptation import AdaptationSettings, Method, train, training
from harness.bank import create_baseline
from harness.data import Domains

SETTINGS = AdaptationSettings(method="standalone", source_iterations=3, adaptation_iterations=4, batch_size=8)


class Killed(Exception):
    """The training process ended here."""


def trained(
    domains: Domains,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    method: Method = "standalone",
) -> dict[str, Tensor]:
    network = create_baseline("shufflenet_v2_x0_5", domains.classes, (1, 16, 16))
    train(
        network,
        domains,
        SETTINGS.model_copy(update={"method": method}),
        capacity=lambda _: 1.0,
        only=network.space.full,
        checkpoint=checkpoint,
        progress=progress,
    )
    return network.state_dict()


def test_resume_ends_in_the_same_weights(domains: Domains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)

    def kill(done: int, total: int) -> None:
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        trained(domains, tmp_path / "checkpoint.safetensors", kill)
    resumed, undisturbed = trained(domains, tmp_path / "checkpoint.safetensors"), trained(domains)
    assert all(torch.equal(value, undisturbed[name]) for name, value in resumed.items())


def test_symnet_s_losses_move_features_and_both_heads(domains: Domains) -> None:
    start = create_baseline("shufflenet_v2_x0_5", domains.classes, (1, 16, 16)).state_dict()
    adapted, without_target = trained(domains), trained(domains, method="source-only")
    for name in ("network.conv1.0.weight", "heads.source.weight", "heads.target.weight"):
        assert not torch.equal(adapted[name], start[name])
        assert not torch.equal(adapted[name], without_target[name])
