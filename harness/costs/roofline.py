"""Latency by roofline: the least that published hardware figures allow, without the hardware.

A layer cannot be faster than its multiply-adds at the peak rate, nor than its bytes at the memory's bandwidth, nor than
a kernel can be (Williams, Waterman, Patterson: Roofline, an insightful visual performance model for multicore
architectures, Communications of the ACM 52(4), 2009):

    layer = max(multiply-adds / peak, (weights + inputs + outputs) * bytes per number / bandwidth, floor)

and a network takes the sum of its layers, which run one after another. Convolutions and linear layers count, as
everywhere (DESIGN section 3): batch-norm, activations and residual sums are fused into them by every runtime here, and
ResNets' two poolings are small. How far it can be trusted is measured in docs/estimating.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.costs.complexity import ComplexityCounter
from harness.space import Architecture

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Bytes of one number.
NUMBER_BYTES = {"fp32": 4, "fp16": 2, "int8": 1}


@dataclass(frozen=True)
class Roof:
    """What limits a layer on one device, in one precision."""

    macs_per_ms: float
    bytes_per_ms: float
    floor_ms: float
    number_bytes: int

    def __post_init__(self) -> None:
        rates = (self.macs_per_ms, self.bytes_per_ms, self.number_bytes)
        if not all(math.isfinite(rate) and rate > 0 for rate in rates):
            raise ValueError(f"a roof needs positive rates, not {rates}")
        if not (math.isfinite(self.floor_ms) and self.floor_ms >= 0):
            raise ValueError(f"a kernel's floor is a time, not {self.floor_ms} ms")

    def layer_ms(self, macs: Counts, weights: Counts, activations: Counts) -> Floats:
        """Return the least milliseconds of every layer [layers], from what it does for one batch.

        `weights` are read once for the batch; `activations` are the numbers read and written for all its images.
        """
        traffic = (weights + activations) * self.number_bytes
        compute: Floats = np.maximum(macs / self.macs_per_ms, traffic / self.bytes_per_ms)
        return np.maximum(compute, self.floor_ms)


@dataclass(frozen=True)
class Roofline:
    """Estimates the latency of any architecture of a bank under a roof."""

    counter: ComplexityCounter
    roof: Roof
    batch_size: int = 1

    def predict_ms(self, arch: Architecture) -> float:
        """Return the estimated milliseconds of one batch; it never falls when a width grows."""
        counter, images = self.counter, self.batch_size
        activations = counter.layer_inputs(arch) + counter.layer_activations(arch)
        layers = self.roof.layer_ms(counter.layer_macs(arch) * images, counter.layer_params(arch), activations * images)
        return float(layers.sum())
