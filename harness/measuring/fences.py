"""Sanity fences: published latencies that a measurement of the same network on the same board should be near to.

For the full-width torchvision networks at 224x224 and batch 1 only. The published runtimes are not always ours, so the
fence is wide; what lies outside of it was measured wrong, or on something else, more often than it is a discovery.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices import Precision

LEAST, MOST = 0.5, 3.0

_TENSORRT = ("tensorrt", "trtexec", "onnxruntime-tensorrt")
_CPU = ("onnxruntime",)


@dataclass(frozen=True)
class Reference:
    """One published latency."""

    boards: tuple[str, ...]
    """Parts of the model name that a board gives of itself."""
    engines: tuple[str, ...]
    """Our engines that it can stand for."""
    precision: Precision
    model: str
    """Name in torchvision."""
    p50_ms: float
    source: str
    threads: int | None = None
    """Of a processor; None where it does not matter."""


@dataclass(frozen=True)
class FenceCheck:
    """A measured latency beside a published one."""

    reference: Reference
    ratio: float
    """Measured over published."""

    @property
    def within(self) -> bool:
        """Whether the ratio is from 0.5 to 3."""
        return LEAST <= self.ratio <= MOST


def _references(
    boards: tuple[str, ...],
    engines: tuple[str, ...],
    precision: Precision,
    source: str,
    latencies: dict[str, float],
    threads: int | None = None,
) -> list[Reference]:
    return [
        Reference(boards, engines, precision, model, p50_ms, source, threads) for model, p50_ms in latencies.items()
    ]


_RESNETS = ("resnet18", "resnet34", "resnet50")
_NCNN = ("mobilenet_v2", "resnet18", "resnet50")

#: MLPerf's closed edge results on Jetson are INT8; torch2trt's are FP16; those on the Raspberry Pi stand for FP32.
REFERENCES: tuple[Reference, ...] = (
    *_references(("AGX Orin",), _TENSORRT, "int8", "MLPerf Inference 3.1", {"resnet50": 0.636}),
    *_references(("Orin NX",), _TENSORRT, "int8", "MLPerf Inference 3.1", {"resnet50": 1.078}),
    *_references(("Orin NX",), _TENSORRT, "int8", "MLPerf Inference 3.1, power-limited", {"resnet50": 1.397}),
    *_references(("Xavier NX",), _TENSORRT, "int8", "MLPerf Inference 2.0", {"resnet50": 2.434}),
    *_references(
        ("AGX Xavier", "Jetson-AGX"),
        _TENSORRT,
        "fp16",
        "torch2trt",
        dict(zip(_RESNETS, (1.64, 2.79, 3.48), strict=True)),
    ),
    *_references(
        ("Jetson Nano",), _TENSORRT, "fp16", "torch2trt", dict(zip(_RESNETS, (11.4, 20.2, 29.8), strict=True))
    ),
    *_references(("Raspberry Pi 4",), _CPU, "fp32", "MLPerf Inference 1.1, TFLite, fan on", {"resnet50": 522.0}),
    *_references(
        ("Raspberry Pi 5",),
        _CPU,
        "fp32",
        "ncnn, 4 threads",
        dict(zip(_NCNN, (10.5, 20.0, 46.2), strict=True)),
        threads=4,
    ),
    *_references(
        ("Raspberry Pi 4",),
        _CPU,
        "fp32",
        "ncnn, 4 threads",
        dict(zip(_NCNN, (61.9, 123.0, 263.0), strict=True)),
        threads=4,
    ),
)


def references(board: str) -> list[Reference]:
    """Return what is published of a board, by the model name that it gives of itself."""
    return [reference for reference in REFERENCES if any(name.lower() in board.lower() for name in reference.boards)]


def check(
    *, board: str, engine: str, precision: str, model: str, p50_ms: float, threads: int | None = None
) -> FenceCheck | None:
    """Hold a measured median against the published one that it is nearest to; None where nothing is published.

    `board` is the model name that the board gives of itself. Only for a full-width torchvision network at 224x224 and
    batch 1.
    """
    checks = [
        FenceCheck(reference, p50_ms / reference.p50_ms)
        for reference in references(board)
        if engine in reference.engines
        and (precision, model) == (reference.precision, reference.model)
        and (threads is None or reference.threads is None or threads == reference.threads)
    ]
    return min(checks, key=lambda found: max(found.ratio, 1 / found.ratio), default=None)
