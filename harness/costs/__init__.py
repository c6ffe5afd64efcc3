"""What a subnet costs: multiply-adds and parameters, exactly; latency, predicted from measurements."""

from harness.costs.complexity import ComplexityCounter, count_macs
from harness.costs.latency_model import HeldOutError, LatencyFeatures, LatencyModel, TooFewMeasurements

__all__ = [
    "ComplexityCounter",
    "HeldOutError",
    "LatencyFeatures",
    "LatencyModel",
    "TooFewMeasurements",
    "count_macs",
]
