"""The size of an exported file by its formula, against real files in every form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.bank import ModelBank, create_bank
from harness.costs import ComplexityCounter, Form, ModelSize
from harness.export import Template, in_precision

#: Bytes by which a file may be smaller than predicted: one for each number in its frame that is a digit shorter.
MOST_SLACK = 200


def file_bytes(bank: ModelBank, arch: tuple[int, ...], form: Form) -> int:
    model = Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch), {"preprocessing": "{}"})
    images = torch.rand(4, *bank.spec.input_shape, generator=torch.Generator().manual_seed(0))
    if form == "int8 for TensorRT":
        return len(in_precision(model, "int8", images, for_tensorrt=True))
    return len(in_precision(model, form, images))


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8", "int8 for TensorRT"])
def test_every_file_is_as_large_as_predicted_or_some_bytes_smaller(form: Form) -> None:
    bank = create_bank("resnet8", [str(digit) for digit in range(10)], (1, 16, 16))
    counter, rng = ComplexityCounter(bank), np.random.default_rng(0)
    sizes = ModelSize.of(counter, form, file_bytes(bank, bank.space.full, form))
    assert sizes.predict(bank.space.full) == file_bytes(bank, bank.space.full, form)
    for arch in [bank.space.smallest, *(bank.space.sample(rng) for _ in range(3))]:
        slack = sizes.predict(arch) - file_bytes(bank, arch, form)
        assert 0 <= slack <= MOST_SLACK


def test_a_deep_network_with_bottlenecks_follows_the_same_formula() -> None:
    bank = create_bank("resnet50", ["a", "b"], (3, 32, 32))
    counter = ComplexityCounter(bank)
    sizes = ModelSize.of(counter, "fp32", file_bytes(bank, bank.space.full, "fp32"))
    slack = sizes.predict(bank.space.smallest) - file_bytes(bank, bank.space.smallest, "fp32")
    assert 0 <= slack <= 5 * MOST_SLACK
