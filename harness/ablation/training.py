"""Banks of the ablation: each is trained once, without target labels, and kept.

Everything of one task and seed starts from the same source iterations, made with the settings that variants share.
What is trained on the source alone is one bank for all tasks of that source.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.ablation.budgets import budget_architectures
from harness.ablation.errors import AblationError
from harness.ablation.experiments import TRACED
from harness.ablation.network import Network
from harness.ablation.plan import Plan
from harness.ablation.variants import Variant, variant
from harness.adaptation import DEPLOYED_HEAD, AdaptationSettings, Method, train, train_apart
from harness.bank import ModelBank, create_bank, create_standalone_bank, load_bank, save_bank, start_from
from harness.costs import ComplexityCounter
from harness.data import Domains

CHECKPOINT = "checkpoint.safetensors"


def adapted_bank(plan: Plan, task: str, seed: int, variant: Variant, domains: Domains) -> tuple[ModelBank, list[float]]:
    """Return a variant's bank and the loss of every iteration of its method; trained where it is not kept."""
    settings = variant.settings(plan.settings, seed)
    shared = variant.method == "source-only"
    images, digest = (_source(domains), domains.source_digest) if shared else (task, domains.digest)
    folder = plan.bank_path(images, seed, variant)
    with _one_at_a_time(folder):
        if (folder / "bank.json").exists():
            bank, about = _kept(plan, folder, settings, digest)
            return bank, about["losses"]
        bank = _new_bank(plan, domains, seed, variant.method)
        if variant.method == "standalone":
            bank, losses = _trained_apart(plan, bank, domains, settings, folder), []
        else:
            bank.load_state_dict(source_bank(plan, seed, domains).state_dict())
            traced = variant.training(plan.settings) in TRACED
            losses = _trained(plan, bank, domains, settings, folder, traced)
        bank.eval()
        _save(bank, folder, _about(plan, settings, digest, losses=losses))
        return bank, losses


def source_bank(plan: Plan, seed: int, domains: Domains) -> ModelBank:
    """Return the bank after the source iterations, which are the same for every variant; trained once and kept."""
    folder = plan.source_path(_source(domains), seed)
    settings = variant("source-only", "source-only").settings(plan.settings, seed)
    settings = settings.model_copy(update={"adaptation_iterations": 0})
    with _one_at_a_time(folder):
        if (folder / "bank.json").exists():
            return _kept(plan, folder, settings, domains.source_digest)[0]
        bank = _new_bank(plan, domains, seed, "source-only")
        capacity = ComplexityCounter(bank).macs
        train(bank, domains, settings, capacity=capacity, hardware=plan.hardware, checkpoint=folder / CHECKPOINT)
        _save(bank, folder, _about(plan, settings, domains.source_digest))
        return bank


def _source(domains: Domains) -> str:
    """Return the name of the source's images, by which tasks that have them in common find its banks."""
    return f"source-{domains.source_digest[:16]}"


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold back other processes that want the same bank, until it is there or this process has ended."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def bank_at(plan: Plan, task: str, seed: int, variant: Variant, domains: Domains, step: int) -> ModelBank:
    """Return a traced variant's bank as it was after so many iterations of its method, with the head it deploys."""
    if step == plan.settings.adaptation_iterations:
        bank, _ = adapted_bank(plan, task, seed, variant, domains)
        return bank
    bank = _new_bank(plan, domains, seed, variant.method)
    if step == 0:
        bank.load_state_dict(source_bank(plan, seed, domains).state_dict())
    else:
        folder = _on_the_way(plan.bank_path(task, seed, variant), step)
        kept, _ = _kept(plan, folder, variant.settings(plan.settings, seed), domains.digest)
        bank.load_state_dict(kept.state_dict())
    bank.eval()
    return bank


def _trained(
    plan: Plan, bank: ModelBank, domains: Domains, settings: AdaptationSettings, folder: Path, traced: bool
) -> list[float]:
    """Run the method's iterations; where `traced`, keep the bank at the plan's checkpoints below the folder."""
    checkpoints = set(plan.checkpoints()) - {0, settings.adaptation_iterations}

    def progress(done: int, total: int) -> None:
        if traced and done in checkpoints:
            save_bank(bank, _on_the_way(folder, done), _about(plan, settings, domains.digest))

    rest = settings.model_copy(update={"source_iterations": 0})
    return train(
        bank,
        domains,
        rest,
        capacity=ComplexityCounter(bank).macs,
        hardware=plan.hardware,
        checkpoint=folder / CHECKPOINT,
        progress=progress,
    )


def _trained_apart(
    plan: Plan, bank: ModelBank, domains: Domains, settings: AdaptationSettings, folder: Path
) -> ModelBank:
    apart = create_standalone_bank(bank, budget_architectures(bank).values())
    capacity = ComplexityCounter(bank).macs
    train_apart(apart, domains, settings, capacity=capacity, hardware=plan.hardware, checkpoints=folder)
    return apart


def _save(bank: ModelBank, folder: Path, about: dict[str, Any]) -> None:
    """Save a finished bank, and remove what its training would have been resumed from."""
    save_bank(bank, folder, about)
    for checkpoint in folder.glob("checkpoint*.safetensors"):
        checkpoint.unlink()


def _new_bank(plan: Plan, domains: Domains, seed: int, method: Method) -> ModelBank:
    network, preprocessing = plan.network, domains.preprocessing
    shape = (preprocessing.channels, *preprocessing.size)
    bank = create_bank(network.model, domains.classes, shape, seed=seed, head=DEPLOYED_HEAD[method])
    if network.weights is not None and start_from(bank, network.weights).sha256 != network.sha256:
        raise AblationError(f"{network.weights} has changed since the ablation began; choose another --run")
    return bank


def _kept(plan: Plan, folder: Path, settings: AdaptationSettings, digest: str) -> tuple[ModelBank, dict[str, Any]]:
    bank, about = load_bank(folder)
    if AdaptationSettings.model_validate(about["settings"]) != settings or about["digest"] != digest:
        raise AblationError(f"{folder} was made with other settings or data; choose another --run")
    if Network(**about.get("network", {})) != plan.network:
        raise AblationError(f"{folder} was made with another --model, --image-size or --weights; choose another --run")
    bank.eval()
    return bank, about


def _about(plan: Plan, settings: AdaptationSettings, digest: str, **more: object) -> dict[str, Any]:
    return {"settings": settings.model_dump(), "digest": digest, "network": asdict(plan.network), **more}


def _on_the_way(folder: Path, step: int) -> Path:
    return folder / f"after-{step}"
