"""What a subnet costs: multiply-adds, parameters, size, exactly; latency, memory, energy, predicted or estimated."""

from harness.costs.complexity import ComplexityCounter, count_macs, input_numbers
from harness.costs.cost_model import CostModel, Observations, Prediction, TooFewMeasurements
from harness.costs.energy_model import fit_energy
from harness.costs.held_out import HeldOutError, held_out_error
from harness.costs.kept import KeptCosts, KeptCostsError
from harness.costs.layer_costs import MeasuredLayer
from harness.costs.layer_kinds import LayerKind, LayerTable, Widths
from harness.costs.levelling import levelled_layers
from harness.costs.linear import LinearModel, TooFewFigures, fit_rate
from harness.costs.memory_model import fit_memory
from harness.costs.model_size import Form, ModelSize
from harness.costs.roofline import NUMBER_BYTES, Roof, Roofline
from harness.costs.steps import find_steps, reference

__all__ = [
    "NUMBER_BYTES",
    "ComplexityCounter",
    "CostModel",
    "Form",
    "HeldOutError",
    "KeptCosts",
    "KeptCostsError",
    "LayerKind",
    "LayerTable",
    "LinearModel",
    "MeasuredLayer",
    "ModelSize",
    "Observations",
    "Prediction",
    "Roof",
    "Roofline",
    "TooFewFigures",
    "TooFewMeasurements",
    "Widths",
    "count_macs",
    "find_steps",
    "fit_energy",
    "fit_memory",
    "fit_rate",
    "held_out_error",
    "input_numbers",
    "levelled_layers",
    "reference",
]
