"""Same seed, same weights - interrupted or not."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.adaptation import (
    AdaptationDiverged,
    AdaptationSettings,
    CheckpointError,
    TrainingError,
    train_apart,
    training,
)
from harness.adaptation.batches import model_batch
from harness.adaptation.training import train
from harness.bank import Architecture, ModelBank, StandaloneBank, create_bank, create_standalone_bank
from harness.data import Domains
from tests.bank.factory import stem_of
from tests.hostile import refusal


def capacity(arch: Architecture) -> float:
    return float(sum(arch))


SETTINGS = AdaptationSettings(source_iterations=3, adaptation_iterations=5, batch_size=8, model_batch=3, seed=11)


def weights(domains: Domains, settings: AdaptationSettings = SETTINGS, **options: object) -> dict[str, Tensor]:
    bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=settings.seed)
    train(bank, domains, settings, capacity=capacity, **options)  # type: ignore[arg-type]
    return bank.state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_same_seed_same_weights_and_another_seed_others(domains: Domains) -> None:
    first = weights(domains)
    assert same(first, weights(domains))
    assert not same(first, weights(domains, SETTINGS.model_copy(update={"seed": 12})))


class Killed(BaseException):
    """Stands for the kill: nothing in training may catch it."""


@pytest.mark.parametrize("kill_after", range(1, SETTINGS.iterations))
def test_resume_after_an_interruption_at_any_step_ends_in_the_same_weights_and_losses(
    domains: Domains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_after: int
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)

    def kill(done: int, total: int) -> None:
        if done == kill_after:
            raise Killed

    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        weights(domains, checkpoint=checkpoint, progress=kill)
    resumed, undisturbed = (create_bank("resnet8", domains.classes, (1, 16, 16), seed=SETTINGS.seed) for _ in range(2))
    losses = train(resumed, domains, SETTINGS, capacity=capacity, checkpoint=checkpoint)
    assert losses == train(undisturbed, domains, SETTINGS, capacity=capacity)
    assert same(resumed.state_dict(), undisturbed.state_dict())


def test_resume_after_sigkill_of_the_process_ends_in_the_same_weights(domains: Domains, tmp_path: Path) -> None:
    """A real kill -9 in the middle of training; the child saves after every step."""
    checkpoint = tmp_path / "checkpoint.safetensors"
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from harness.adaptation import AdaptationSettings, training
        from harness.bank import create_bank
        from harness.data import load_digits
        training.CHECKPOINT_EVERY = 1
        settings = AdaptationSettings.model_validate_json(sys.argv[2])
        domains, _ = load_digits(0, source_count=200, check_count=50)
        bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=0)
        training.train(bank, domains, settings, capacity=lambda a: float(sum(a)), checkpoint=Path(sys.argv[1]))
        from safetensors.torch import save_file
        save_file(bank.state_dict(), sys.argv[3])
        """
    )
    long = SETTINGS.model_copy(update={"adaptation_iterations": 12})

    def start(path: Path, result: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", script, str(path), long.model_dump_json(), str(result)])

    victim = start(checkpoint, tmp_path / "never.safetensors")
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert checkpoint.exists()
    assert not (tmp_path / "never.safetensors").exists()
    for path, result in ((checkpoint, "resumed"), (tmp_path / "fresh.safetensors", "undisturbed")):
        assert start(path, tmp_path / result).wait() == 0
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "undisturbed").read_bytes()


def test_a_finished_training_is_not_repeated(domains: Domains, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    first = weights(domains, checkpoint=checkpoint)
    steps: list[int] = []
    again = weights(domains, checkpoint=checkpoint, progress=lambda done, total: steps.append(done))
    assert same(first, again)
    assert steps == []


def test_a_checkpoint_of_other_settings_is_refused(domains: Domains, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    weights(domains, checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match="other settings"):
        weights(domains, SETTINGS.model_copy(update={"temperature": 1.0}), checkpoint=checkpoint)


def test_a_checkpoint_of_other_initial_weights_is_refused(domains: Domains, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    weights(domains, checkpoint=checkpoint)
    other = create_bank("resnet8", domains.classes, (1, 16, 16), seed=SETTINGS.seed + 1)
    with pytest.raises(CheckpointError, match="other settings, data or initial weights"):
        train(other, domains, SETTINGS, capacity=capacity, checkpoint=checkpoint)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x10\0\0\0\0\0\0\0{}"])
def test_a_broken_checkpoint_is_named_in_one_sentence(domains: Domains, tmp_path: Path, content: bytes) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
        weights(domains, checkpoint=checkpoint)


@pytest.mark.parametrize(("old", "new"), [("losses", "lossex"), ("optimiser.0.", "optimiser.x.")])
def test_a_checkpoint_of_nonsense_is_named_in_one_sentence(
    domains: Domains, tmp_path: Path, old: str, new: str
) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    weights(domains, checkpoint=checkpoint)
    content = checkpoint.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(old.encode(), new.encode())
    assert header != content[8 : 8 + length]
    checkpoint.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    assert "cannot be resumed from" in refusal(lambda: weights(domains, checkpoint=checkpoint), CheckpointError)


@pytest.mark.parametrize("method", ["source-only", "symnet", "distill", "seed", "slimda"])
def test_every_method_trains_the_weights_of_all_it_uses(domains: Domains, bank: ModelBank, method: str) -> None:
    settings = AdaptationSettings.model_validate({**SETTINGS.model_dump(), "method": method})
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    history = train(bank, domains, settings, capacity=capacity)
    assert len(history) == settings.iterations
    assert not torch.equal(before["backbone.conv1.weight"], bank.state_dict()["backbone.conv1.weight"])


def test_standalone_leaves_weights_outside_its_one_subnet_alone(domains: Domains) -> None:
    settings = AdaptationSettings.model_validate({**SETTINGS.model_dump(), "method": "symnet", "weight_decay": 0.0})
    bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=1)
    before = stem_of(bank).weight.detach().clone()
    train(bank, domains, settings, capacity=capacity, only=bank.space.smallest)
    width = bank.space.smallest[0]
    assert torch.equal(before[width:], stem_of(bank).weight[width:])
    assert not torch.equal(before[:width], stem_of(bank).weight[:width])


def test_networks_trained_apart_are_those_trained_alone_and_resume_where_they_were(
    domains: Domains, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"method": "standalone"})
    start = create_bank("resnet8", domains.classes, (1, 16, 16), seed=settings.seed)

    def trained(kill_after: int | None = None) -> StandaloneBank:
        def kill(done: int, total: int) -> None:
            assert total == 2 * settings.iterations
            if done == kill_after:
                raise Killed

        bank = create_standalone_bank(start, [start.space.smallest])
        train_apart(bank, domains, settings, capacity=capacity, checkpoints=tmp_path, progress=kill)
        return bank

    with pytest.raises(Killed):
        trained(kill_after=settings.iterations + 2)
    bank = trained()
    for arch in bank.archs:
        alone = create_bank("resnet8", domains.classes, (1, 16, 16), seed=settings.seed)
        train(alone, domains, settings, capacity=capacity, only=arch)
        assert same(bank.weights_of(arch).state_dict(), alone.state_dict())


def test_the_model_batch_always_holds_the_largest_and_the_smallest(bank: ModelBank) -> None:
    import numpy as np

    for seed in range(5):
        batch = model_batch(bank, 4, np.random.default_rng(seed))
        assert batch[:2] == [bank.space.full, bank.space.smallest]
        assert len(batch) == 4
        assert all(arch in bank.space for arch in batch)


def test_a_diverging_training_stops_and_says_so(domains: Domains) -> None:
    bank = create_bank("resnet8", domains.classes, (1, 16, 16), seed=1)
    bank.heads.source.weight.data.fill_(float("nan"))
    with pytest.raises(AdaptationDiverged, match="diverged: the loss is nan at step 1"):
        train(bank, domains, SETTINGS, capacity=capacity)


def test_a_gpu_s_memory_that_does_not_suffice_is_one_sentence(
    domains: Domains, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(self: ModelBank, *arguments: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.53 GiB.")

    monkeypatch.setattr(ModelBank, "features", exhausted)
    assert "give --one-at-a-time" in refusal(lambda: weights(domains), TrainingError)
