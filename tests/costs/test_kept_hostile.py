"""Kept costs from strangers: read and fitted again, or refused in one sentence, whatever the file claims."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bank import ModelBank, create_bank
from harness.costs import ComplexityCounter, KeptCosts, KeptCostsError, LayerTable, ModelSize
from tests.costs.test_cost_model import observations
from tests.costs.test_kept import ERROR
from tests.hostile import damaged, mutated, read_or_refused


@pytest.fixture(scope="module")
def bank() -> ModelBank:
    return create_bank("resnet8", ["a", "b"], (1, 16, 16))


@pytest.fixture(scope="module")
def document(bank: ModelBank) -> dict[str, object]:
    counter, table = ComplexityCounter(bank), LayerTable(bank)
    kept = KeptCosts.of(
        {"board": "a board", "threads": 4},
        "fp32",
        1,
        seen=observations(table, 20, noise=0.05),
        held_out=ERROR,
        macs_only=ERROR,
        params_only=ERROR,
        model_size=ModelSize.of(counter, "fp32", 5_000_000),
    )
    found: dict[str, object] = json.loads(kept.model_dump_json())
    return found


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_file_predicts_or_is_refused_in_one_sentence(
    bank: ModelBank, document: dict[str, object], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "costs.json"
    path.write_bytes(data.draw(mutated(document) | damaged(json.dumps(document).encode())))

    def predict() -> None:
        kept = KeptCosts.read(path)
        assert kept.latency_model(LayerTable(bank)).predict_ms(bank.space.smallest) > 0
        kept.size_model(ComplexityCounter(bank)).predict(bank.space.full)

    read_or_refused(predict, KeptCostsError)
