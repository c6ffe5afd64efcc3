"""What run.json keeps of the models that predict costs on one device, and what the report reads of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Errors(_Plain):
    """Relative errors of predicted latencies, and whether their order is right; all are shares of 1."""

    count: int
    mean: float
    p90: float
    p99: float
    rank_correlation: float | None
    coverage: float | None
    """Share of the measurements within their predicted 95% intervals; None where no interval is predicted."""


class Unseen(_Plain):
    """One network that was measured after the fit."""

    widths: str
    predicted_ms: float
    low_ms: float
    high_ms: float
    measured_ms: float


class Blocks(_Plain):
    """Channels are computed `size` at a time, if inputs are a multiple of `align`."""

    size: int
    align: int


class LinearErrors(_Plain):
    """Relative errors of leaving one out."""

    median: float
    p90: float


class LinearRecord(_Plain):
    """A cost as a sum of rates, by what each is of."""

    rates: dict[str, float]
    held_out: LinearErrors


class CostModelRecord(_Plain):
    """The model of one device's latency; memory and energy beside it where they were limited."""

    anchor_ms: float
    """Latency of the full width: what all others are kept as shares of."""
    blocks: Blocks
    layers: int
    """Single layers that were measured."""
    networks: int
    """Whole networks that the model is fitted to."""
    spread: float
    """Standard deviation of a measurement about a perfect prediction, relative."""
    held_out: Errors
    macs_only: Errors
    params_only: Errors
    unseen: list[Unseen]
    steps: dict[str, list[tuple[int, int]]]
    """By slot, the (narrowest, widest) of widths that cost nothing extra."""
    steps_beside: str
    """The other slots' widths when one was varied for that."""
    memory: LinearRecord | None = None
    energy: LinearRecord | None = None
