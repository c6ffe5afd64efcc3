"""What a run keeps of costs gives the same models again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.bank import ModelBank, create_bank
from harness.costs import (
    ComplexityCounter,
    CostModel,
    HeldOutError,
    KeptCosts,
    KeptCostsError,
    LayerTable,
    ModelSize,
    Observations,
    fit_energy,
    fit_memory,
)
from tests.costs.test_cost_model import observations

ERROR = HeldOutError(count=9, mean=0.1, p90=0.2, p99=0.3, rank_correlation=None)


@pytest.fixture(scope="module")
def bank() -> ModelBank:
    return create_bank("resnet8", ["a", "b"], (1, 32, 32))


@pytest.fixture(scope="module")
def seen(bank: ModelBank) -> Observations:
    return observations(LayerTable(bank), 30, noise=0.05)


@pytest.fixture
def kept(bank: ModelBank, seen: Observations, tmp_path: Path) -> KeptCosts:
    """Costs that were written and read again."""
    counter, model = ComplexityCounter(bank), CostModel(LayerTable(bank), seen)
    archs = [arch for arch, _ in seen.networks]
    rng = np.random.default_rng(0)
    written = KeptCosts.of(
        {"board": "a board", "threads": 4},
        "fp32",
        2,
        seen=seen,
        held_out=ERROR,
        macs_only=ERROR,
        params_only=ERROR,
        model_size=ModelSize.of(counter, "int8", 5_000_000),
        memory=fit_memory(counter, archs, list(rng.uniform(1, 2, len(archs))), 2),
        energy=fit_energy(counter, model.predict_ms, archs, list(rng.uniform(1, 2, len(archs))), 2),
    )
    (tmp_path / "costs.json").write_text(written.model_dump_json())
    found = KeptCosts.read(tmp_path / "costs.json")
    assert found == written
    return found


def test_every_model_predicts_exactly_what_it_did(bank: ModelBank, seen: Observations, kept: KeptCosts) -> None:
    counter, table = ComplexityCounter(bank), LayerTable(bank)
    before, again = CostModel(table, seen), kept.latency_model(table)
    archs = [bank.space.sample(np.random.default_rng(seed)) for seed in range(20)]
    assert [again.predict(arch) for arch in archs] == [before.predict(arch) for arch in archs]
    size = ModelSize.of(counter, "int8", 5_000_000)
    assert [kept.size_model(counter).predict(arch) for arch in archs] == [size.predict(arch) for arch in archs]
    memory, energy = kept.memory_model(counter), kept.energy_model(counter, again.predict_ms)
    assert memory
    assert energy
    rng = np.random.default_rng(0)
    seen_archs = [arch for arch, _ in seen.networks]
    first = fit_memory(counter, seen_archs, list(rng.uniform(1, 2, len(seen_archs))), 2)
    second = fit_energy(counter, before.predict_ms, seen_archs, list(rng.uniform(1, 2, len(seen_archs))), 2)
    for fitted, refitted in ((first, memory), (second, energy)):
        assert [refitted.predict(arch) for arch in archs] == [fitted.predict(arch) for arch in archs]
        assert (refitted.median_error, refitted.p90_error) == (fitted.median_error, fitted.p90_error)


def test_what_was_not_limited_has_no_model(bank: ModelBank, kept: KeptCosts) -> None:
    without = kept.model_copy(update={"memory": None, "energy": None})
    counter = ComplexityCounter(bank)
    assert without.memory_model(counter) is None
    assert without.energy_model(counter, lambda arch: 1.0) is None


def test_costs_of_another_bank_are_refused(kept: KeptCosts) -> None:
    other = LayerTable(create_bank("resnet18", ["a", "b"], (3, 64, 64)))
    with pytest.raises(KeptCostsError, match=r"cannot be used with its bank.*--measure"):
        kept.latency_model(other)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(KeptCostsError, match=r"nowhere\.json cannot be read: No such file"):
        KeptCosts.read(tmp_path / "nowhere.json")
