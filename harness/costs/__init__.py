"""What a subnet costs: multiply-adds and parameters, exactly; latency, predicted or estimated."""

from harness.costs.complexity import ComplexityCounter, count_macs, input_numbers
from harness.costs.latency_model import HeldOutError, LatencyFeatures, LatencyModel, TooFewMeasurements
from harness.costs.roofline import NUMBER_BYTES, Roof, Roofline

__all__ = [
    "NUMBER_BYTES",
    "ComplexityCounter",
    "HeldOutError",
    "LatencyFeatures",
    "LatencyModel",
    "Roof",
    "Roofline",
    "TooFewMeasurements",
    "count_macs",
    "input_numbers",
]
