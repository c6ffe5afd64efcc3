"""What one line of ``tradeoff.csv`` is: one subnet on one device in one configuration."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from harness.clauses import one_line

YesNo = Literal["yes", "no"]
Precision = Literal["fp32", "fp16", "int8"]
CostSource = Literal["measured", "predicted", "estimated"]
ChosenBy = Literal["greedy", "evolution", "random", "uniform"]
WithinBudget = Literal["yes", "borderline", "no"]
Status = Literal["ok", "noisy", "throttled", "failed"]


def _one_line(text: str) -> str:
    """Fold any text into one printable line, as a cell of a table needs it."""
    line = one_line(text)
    if not line:
        raise ValueError("must not be blank (unknown is None)")
    return line


Text = Annotated[str, AfterValidator(_one_line)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

PERCENTILE_FLOORS = {"host_p90_ms": 64, "host_p99_ms": 662}
"""Fewest samples that carry a percentile with 99% confidence (MLPerf LoadGen's floors, MEASURING section 2)."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the trade-off; the fields are the CSV's columns, in its order, and ``None`` is an empty cell.

    Latencies are in milliseconds, memory in MB, energy in mJ per inference, ``throughput_ips`` in images per second,
    shares and accuracies in 0 to 1. An impossible row raises ``pydantic.ValidationError`` (a ``ValueError``): among
    others a zero or negative latency, a measured latency on a failed row, a failure without its reason.
    """

    device: Text
    engine: Text | None = None
    engine_version: Text | None = None
    power_mode: Text | None = None
    threads: Count | None = None
    precision: Precision
    batch_size: Count
    arch_id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    widths: Annotated[str, Field(pattern=r"^[1-9][0-9]*(-[1-9][0-9]*)*$")]
    compute_fraction: Positive
    """Above 1 only of a baseline, which may compute more than the full-width subnet."""
    macs: Count
    flops: Count
    params: Count
    model_bytes: Count | None = None
    host_p50_ms: Positive | None = None
    host_ci_low_ms: Positive | None = None
    host_ci_high_ms: Positive | None = None
    host_p90_ms: Positive | None = None
    host_p99_ms: Positive | None = None
    sustained_p50_ms: Positive | None = None
    compute_p50_ms: Positive | None = None
    first_ms: Positive | None = None
    samples: Count | None = None
    rounds: Count | None = None
    processes: Count | None = None
    throughput_ips: Positive | None = None
    peak_memory_mb: NonNegative | None = None
    energy_mj: Positive | None = None
    predicted_ms: Positive | None = None
    cost_source: CostSource | None = None
    upem: NonNegative | None = None
    agreement: Share | None = None
    target_accuracy: Share | None = None
    accuracy_ci_low: Share | None = None
    accuracy_ci_high: Share | None = None
    budget: Text | None = None
    chosen_by: ChosenBy | None = None
    within_budget: WithinBudget | None = None
    on_front: YesNo = "no"
    selected: YesNo = "no"
    status: Status = "ok"
    reason: Text | None = None

    @property
    def series(self) -> str:
        """What the row is drawn with: one device in one precision, at one batch size."""
        return series_name(self.device, self.precision, self.batch_size)

    @property
    def budgets(self) -> tuple[str, ...]:
        """Every constraint that this row was selected for: ``"1/64;10ms"`` is ``("1/64", "10ms")``."""
        return tuple(self.budget.split(";")) if self.budget else ()

    @property
    def key(self) -> tuple[str | int | None, ...]:
        """What names a row; a table holds each key once."""
        return (
            *(self.device, self.engine, self.engine_version, self.power_mode),
            *(self.threads, self.precision, self.batch_size, self.arch_id),
        )

    @model_validator(mode="after")
    def _is_possible(self) -> Row:
        measured = self.host_p50_ms is not None
        latencies = [getattr(self, name) for name in columns() if name.startswith("host_")]
        for broken, sentence in (
            (self.flops != 2 * self.macs, "flops must be twice macs"),
            (measured != (self.cost_source == "measured"), "host_p50_ms and cost_source 'measured' go together"),
            (
                self.cost_source in ("predicted", "estimated") and self.predicted_ms is None,
                f"cost_source {self.cost_source!r} needs predicted_ms",
            ),
            (not measured and any(latencies), "host latencies need host_p50_ms"),
            (self.status == "failed" and measured, "a failed row has no host latency"),
            (self.status != "ok" and self.reason is None, f"status {self.status!r} needs a reason"),
            (
                not _encloses(self.host_ci_low_ms, self.host_p50_ms, self.host_ci_high_ms),
                "host_ci_low_ms and host_ci_high_ms must both be given and enclose host_p50_ms",
            ),
            (
                not _encloses(self.accuracy_ci_low, self.target_accuracy, self.accuracy_ci_high),
                "accuracy_ci_low and accuracy_ci_high must both be given and enclose target_accuracy",
            ),
            (
                not _ascending(self.host_p50_ms, self.host_p90_ms, self.host_p99_ms),
                "host percentiles must ascend from p50 over p90 to p99",
            ),
            (
                self.compute_fraction > 1 and self.upem is not None,
                "compute_fraction above 1 needs an empty upem",
            ),
            ((self.selected == "yes") != bool(self.budget), "selected and budget go together"),
            (not all(self.budgets) or len(set(self.budgets)) < len(self.budgets), "budgets must be named once each"),
            (self.within_budget is not None and self.budget is None, "within_budget needs a budget"),
            (self.on_front == "yes" and (self.status == "failed" or self.upem is None), "on_front needs a scored row"),
        ):
            if broken:
                raise ValueError(sentence)
        for name, floor in PERCENTILE_FLOORS.items():
            if getattr(self, name) is not None and self.samples is not None and self.samples < floor:
                raise ValueError(f"{name} needs at least {floor} samples, not {self.samples}")
        return self


def series_name(device: str, precision: str, batch_size: int = 1) -> str:
    """Return what a device in a precision, at a batch size, is called; float32 and one image go without saying."""
    own = [precision] if precision != "fp32" else []
    own += [f"batch {batch_size}"] if batch_size > 1 else []
    return " ".join([device, *own])


def columns() -> tuple[str, ...]:
    """Return the columns of ``tradeoff.csv``, in order."""
    return tuple(field.name for field in dataclasses.fields(Row))


def _encloses(low: float | None, value: float | None, high: float | None) -> bool:
    if low is None and high is None:
        return True
    return low is not None and value is not None and high is not None and low <= value <= high


def _ascending(*values: float | None) -> bool:
    known = [value for value in values if value is not None]
    return known == sorted(known)
