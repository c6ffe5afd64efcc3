"""What a subnet costs: multiply-adds, parameters, size, exactly; latency, memory, energy, predicted or estimated."""

from harness.costs.complexity import ComplexityCounter, count_macs, input_numbers
from harness.costs.energy_model import fit_energy
from harness.costs.latency_model import HeldOutError, LatencyFeatures, LatencyModel, TooFewMeasurements
from harness.costs.linear import LinearModel, TooFewFigures
from harness.costs.memory_model import fit_memory
from harness.costs.model_size import Form, ModelSize
from harness.costs.roofline import NUMBER_BYTES, Roof, Roofline

__all__ = [
    "NUMBER_BYTES",
    "ComplexityCounter",
    "Form",
    "HeldOutError",
    "LatencyFeatures",
    "LatencyModel",
    "LinearModel",
    "ModelSize",
    "Roof",
    "Roofline",
    "TooFewFigures",
    "TooFewMeasurements",
    "count_macs",
    "fit_energy",
    "fit_memory",
    "input_numbers",
]
