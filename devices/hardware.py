"""The published hardware figures of a device, from which `--estimate` computes costs without it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Precision = Literal["fp32", "fp16", "int8"]


class PeakGmacs(BaseModel):
    """Billions of multiply-adds per second at most, dense, by precision; None where nothing is published.

    Data sheets count a multiply-add as two: 85 TOPS (or 85 TFLOPS) are 42,500 here, and half of what is called sparse.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fp32: Positive | None = None
    fp16: Positive | None = None
    int8: Positive | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "PeakGmacs":
        if (self.fp32, self.fp16, self.int8) == (None, None, None):
            raise ValueError("the peak of at least one precision is needed: fp32, fp16 or int8")
        return self


class Hardware(BaseModel):
    """What limits a layer on a device, as published: properties of the hardware, never fitted to measurements."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    peak_gmacs: PeakGmacs
    bandwidth_gb_s: Positive
    """Of the memory, in 10^9 bytes per second."""
    kernel_floor_us: float = Field(ge=0, le=1000, allow_inf_nan=False)
    """Microseconds that no kernel, and so no layer, goes below: what starting one costs."""
    cores: int | None = Field(default=None, ge=1, le=1024)
    """Processor cores that the peak counts together, of which fewer threads have their share; None for a GPU."""
    source: str = Field(min_length=1)
    """Where the figures are published, and which of them are derived, how."""

    def peak(self, precision: Precision, threads: int) -> float | None:
        """Return the peak in 10^9 multiply-adds per second with so many threads; None where none is published."""
        peak: float | None = getattr(self.peak_gmacs, precision)
        if peak is None or self.cores is None:
            return peak
        return peak * min(threads, self.cores) / self.cores
