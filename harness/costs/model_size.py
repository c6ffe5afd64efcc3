"""Bytes of an exported subnet, from its architecture alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.costs.complexity import ComplexityCounter
from harness.space import Architecture

Form = Literal["fp32", "fp16", "int8", "int8 for TensorRT"]

#: Bytes of a weight, and of an output channel: its bias and, quantised, what stands beside it. ONNX Runtime's int8: a
#: bias in int32 with its scale and zero point (12), the weights' scale and zero point (5). TensorRT's: weights and bias
#: in float32, the weights' scale and zero point (5).
BYTES: dict[Form, tuple[int, int]] = {
    "fp32": (4, 4),
    "fp16": (2, 2),
    "int8": (1, 17),
    "int8 for TensorRT": (4, 9),
}


@dataclass(frozen=True)
class ModelSize:
    """Bytes of any subnet's file: its weights, its channels, and a rest for nodes, names and metadata.

    The rest is the full-width subnet's, which has the longest numbers in it: other files are smaller than predicted by
    some dozen bytes (a byte for each length that takes less), and never larger.
    """

    counter: ComplexityCounter
    form: Form
    rest: int

    @classmethod
    def of(cls, counter: ComplexityCounter, form: Form, full_bytes: int) -> ModelSize:
        """Return the sizes of a bank's files in one form, by that of the full-width subnet's."""
        return cls(counter, form, full_bytes - _numbers(counter, form, counter.space.full))

    def predict(self, arch: Architecture) -> int:
        """Return the bytes that an architecture's file has at most."""
        return _numbers(self.counter, self.form, arch) + self.rest


def _numbers(counter: ComplexityCounter, form: Form, arch: Architecture) -> int:
    of_weight, of_channel = BYTES[form]
    channels = counter.channels(arch)
    return of_weight * (counter.params(arch) - channels) + of_channel * channels
