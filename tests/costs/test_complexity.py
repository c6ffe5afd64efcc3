"""Multiply-adds and parameters: fvcore's, a closed form's and the deployed graph's are one number."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, numpy_helper, shape_inference

from harness.bank import MODELS, create_bank
from harness.bank.resnet import CONFIGS
from harness.costs import ComplexityCounter, count_macs
from harness.export import Template
from harness.space import Architecture
from tests.bank.factory import SHAPES, lived_in_bank

CLASSES = 5


@cache
def counter_of(model: str) -> ComplexityCounter:
    return ComplexityCounter(create_bank(model, [str(i) for i in range(CLASSES)], SHAPES[model]))


def closed_form(model: str, arch: Architecture) -> tuple[int, int]:
    """Return (multiply-adds, parameters) written from the definition of the network, convolution by convolution."""
    return mobilenet_closed_form(arch) if model == "mobilenet_v2" else resnet_closed_form(model, arch)


def mobilenet_closed_form(arch: Architecture) -> tuple[int, int]:
    channels, size, _ = SHAPES["mobilenet_v2"]
    stem, *outputs = arch[:8]
    last, inner = arch[8], list(arch[9:])
    size //= 2
    macs = stem * channels * 9 * size**2
    params = stem * channels * 9 + stem
    c_in = stem
    for stage, (out, blocks, stride) in enumerate(
        zip(outputs, (1, 2, 3, 4, 3, 3, 1), (1, 2, 2, 2, 1, 2, 1), strict=True)
    ):
        for block in range(blocks):
            wide = inner.pop(0) if stage else c_in
            if stage:
                macs += c_in * wide * size**2
                params += c_in * wide + wide
            size //= stride if block == 0 else 1
            macs += (wide * 9 + wide * out) * size**2
            params += wide * 9 + wide + wide * out + out
            c_in = out
    assert not inner
    macs += c_in * last * size**2 + last * CLASSES
    return macs, params + c_in * last + last + last * CLASSES + CLASSES


def resnet_closed_form(model: str, arch: Architecture) -> tuple[int, int]:
    config = CONFIGS[model]
    stages = len(config.planes)
    channels, height, _ = SHAPES[model]
    stem, outputs, inner = arch[0], arch[1 : 1 + stages], list(arch[1 + stages :])
    macs = params = 0

    def convolution(c_in: int, c_out: int, kernel: int, size: int) -> None:
        nonlocal macs, params
        macs += c_in * c_out * kernel**2 * size**2
        params += c_in * c_out * kernel**2 + c_out

    if config.small_images:
        size = height
        convolution(channels, stem, 3, size)
    else:
        size = height // 2
        convolution(channels, stem, 7, size)
    size //= 2
    c_in = stem
    for stage, (out, blocks) in enumerate(zip(outputs, config.blocks, strict=True)):
        for block in range(blocks):
            before, size = size, size // 2 if stage and not block else size
            if config.bottleneck:
                first, second = inner.pop(0), inner.pop(0)
                convolution(c_in, first, 1, before)
                convolution(first, second, 3, size)
                convolution(second, out, 1, size)
            else:
                first = inner.pop(0)
                convolution(c_in, first, 3, size)
                convolution(first, out, 3, size)
            if not block and not (stage == 0 and config.stem_is_tied):
                convolution(c_in, out, 1, size)
            c_in = out
    assert not inner
    return macs + c_in * CLASSES, params + c_in * CLASSES + CLASSES


@pytest.mark.parametrize("model", MODELS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_counts_equal_the_closed_form(model: str, seed: int) -> None:
    counter = counter_of(model)
    arch = counter.space.sample(np.random.default_rng(seed))
    assert (counter.macs(arch), counter.params(arch)) == closed_form(model, arch)


@pytest.mark.parametrize("model", MODELS)
def test_counts_equal_fvcore_s_on_the_cut_subnet_layer_by_layer(model: str) -> None:
    bank, counter = lived_in_bank(model, CLASSES), counter_of(model)
    rng = np.random.default_rng(0)
    for arch in [bank.space.smallest, bank.space.full, bank.space.sample(rng)]:
        counted = count_macs(bank.cut(arch, bank.neutral_statistics(arch)), SHAPES[model])
        assert counter.macs(arch) == counted[""]
        assert counter.layer_macs(arch).tolist() == [counted[name] for name in counter.layer_names]


@pytest.mark.parametrize("model", ["resnet50", "mobilenet_v2"])
def test_parameters_and_activations_are_those_of_the_exported_graph(model: str) -> None:
    bank, counter = lived_in_bank(model, CLASSES), counter_of(model)
    arch = bank.space.sample(np.random.default_rng(3))
    exported = ModelProto.FromString(Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch)))
    assert counter.params(arch) == sum(numpy_helper.to_array(tensor).size for tensor in exported.graph.initializer)
    graph = shape_inference.infer_shapes(exported, strict_mode=True).graph
    sizes = {
        value.name: int(np.prod([d.dim_value for d in value.type.tensor_type.shape.dim]))
        for value in [*graph.value_info, *graph.output]
    }
    written = [sizes[node.output[0]] for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert counter.layer_activations(arch).tolist() == written


def test_the_full_resnet50_costs_what_is_known_of_it() -> None:
    bank = create_bank("resnet50", [str(i) for i in range(1000)], (3, 224, 224))
    counter = ComplexityCounter(bank)
    assert counter.macs(bank.space.full) == 4_089_184_256
    # torchvision's 25,557,032 less batch-norm's weight and bias per channel plus one folded bias.
    assert counter.params(bank.space.full) == 25_557_032 - 26_560


def test_the_full_mobilenet_v2_costs_what_is_known_of_it() -> None:
    bank = create_bank("mobilenet_v2", [str(i) for i in range(1000)], (3, 224, 224))
    counter = ComplexityCounter(bank)
    assert counter.macs(bank.space.full) == 300_774_272
    # torchvision's 3,504,872 less batch-norm's weight and bias per channel plus one folded bias.
    assert counter.params(bank.space.full) == 3_504_872 - 17_056


@pytest.mark.parametrize("model", MODELS)
def test_the_smallest_subnet_is_within_a_64th(model: str) -> None:
    counter = counter_of(model)
    assert counter.compute_fraction(counter.space.full) == 1.0
    assert counter.compute_fraction(counter.space.smallest) <= 1 / 64


@pytest.mark.parametrize(
    "counting",
    [
        "from harness.bank import create_bank; from harness.costs import ComplexityCounter; "
        "ComplexityCounter(create_bank('resnet8', ['a', 'b'], (1, 16, 16)))",
        "from torchvision.models import shufflenet_v2_x0_5; from harness.costs import count_macs; "
        "count_macs(shufflenet_v2_x0_5().eval(), (3, 64, 64))",  # it has modules that are never called
    ],
)
def test_counting_says_nothing(counting: str) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "default", "-c", counting], capture_output=True, text=True, check=True
    )
    assert result.stdout + result.stderr == ""
