"""Boards whose measured latencies are public, with their published hardware figures, of shipped profiles where any."""

from __future__ import annotations

from dataclasses import dataclass

from devices import Hardware, load_profile
from devices.hardware import PeakGmacs, Precision
from harness.costs import Roof
from harness.planning import roof_of

#: Of the shipped profiles, whose sources say why.
GPU_FLOOR_US, CPU_FLOOR_US = 3.4, 1.5

#: Rows and columns of the results that Arm's Compute Library holds in registers while it multiplies matrices: 64-bit
#: code has 32 vector registers (its kernel a64_sgemm_8x12), 32-bit code 16 (a32_sgemm_8x6).
TILE_64_BIT, TILE_32_BIT = (8, 12), (8, 6)


@dataclass(frozen=True)
class Board:
    """A board as it was measured: what ran on it, in which precision, with how many threads."""

    name: str
    hardware: Hardware
    precision: Precision
    threads: int = 1
    listed: str = ""
    """What the published measurements call it."""

    @property
    def is_gpu(self) -> bool:
        """Whether its graphics processor was measured."""
        return self.hardware.cores is None

    @property
    def roof(self) -> Roof:
        """What limits a layer on it."""
        roof = roof_of(self.hardware, self.precision, self.threads)
        if roof is None:
            raise ValueError(f"no peak of {self.name} is published for {self.precision}")
        return roof


def gpu(bandwidth_gb_s: float, source: str, *, fp32: float, fp16: float, int8: float | None = None) -> Hardware:
    """Return the figures of a graphics processor; peaks in 10^9 multiply-adds per second (TFLOPS x 500)."""
    return Hardware(
        peak_gmacs=PeakGmacs(fp32=fp32, fp16=fp16, int8=int8),
        bandwidth_gb_s=bandwidth_gb_s,
        kernel_floor_us=GPU_FLOOR_US,
        source=source,
    )


def in_order_rate(tile: tuple[int, int]) -> float:
    """Return the fp32 multiply-adds per cycle of an in-order Cortex-A53, by its rules of issue and not measured.

    One 128-bit FMLA (four multiply-adds) issues per cycle. The path from the first-level cache is 64 bits wide (Arm DDI
    0500, "About the L1 memory system"), so that a 128-bit load takes two cycles, and no FMLA issues beside it (ncnn,
    docs/developer-guide/arm-a53-a55-dual-issue.md; timed in daniestevez/qsdr, qsdr-benchmarks/tests). For every step
    along the summed axis a tile of rows x columns takes rows x columns / 4 FMLA and (rows + columns) / 4 such loads. An
    out-of-order core has another pipeline for loads, and loses nothing.
    """
    rows, columns = tile
    cycles = rows * columns / 4 + 2 * (rows + columns) / 4
    return rows * columns / cycles


def arm(core: str, cores: int, ghz: float, per_cycle: float, bandwidth_gb_s: float, *, half: bool = False) -> Hardware:
    """Return the figures of Arm cores: fp32 multiply-adds per cycle by Arm's guides, twice as many in fp16 (`half`)."""
    fp32 = cores * per_cycle * ghz
    return Hardware(
        peak_gmacs=PeakGmacs(fp32=fp32, fp16=2 * fp32 if half else None),
        bandwidth_gb_s=bandwidth_gb_s,
        kernel_floor_us=CPU_FLOOR_US,
        cores=cores,
        source=f"{cores} x {core} at {ghz} GHz, {per_cycle:.3g} fp32 multiply-adds per cycle; the board's memory",
    )


def shipped(name: str) -> Hardware:
    """Return the figures of a shipped profile."""
    hardware = load_profile(name).hardware
    if hardware is None:
        raise ValueError(f"the profile {name} has no hardware figures")
    return hardware


AGX_XAVIER = gpu(136.5, "NVIDIA: 11 FP16 TFLOPS, 22 INT8 TOPS, Tensor cores", fp32=700, fp16=5500, int8=11000)
XAVIER_NX = gpu(59.7, "NVIDIA, 48 Tensor cores at 1.1 GHz, 64 FP16 or 128 INT8 each", fp32=422, fp16=3380, int8=6760)
TX2_NX = gpu(51.2, "NVIDIA: 1.33 FP16 TFLOPS, 256 Pascal cores at 1.3 GHz", fp32=333, fp16=665)
TX2 = gpu(59.7, "NVIDIA: 1.33 FP16 TFLOPS, 256 Pascal cores at 1.3 GHz", fp32=333, fp16=665)
NANO = gpu(25.6, "NVIDIA: 472 FP16 GFLOPS, 128 Maxwell cores at 921 MHz", fp32=118, fp16=236)

AGX_ORIN_CPU = arm("Cortex-A78AE", 12, 2.2, 8, 204.8, half=True)
AGX_XAVIER_CPU = arm("Carmel", 8, 2.26, 8, 136.5, half=True)
ORIN_NANO_CPU = arm("Cortex-A78AE", 6, 1.5, 8, 68, half=True)
NANO_CPU = arm("Cortex-A57", 4, 1.43, 4, 25.6)
#: TopHub's ran 32-bit code: its rows are for the target armv7l-linux-gnueabihf.
PI_3 = arm("Cortex-A53", 4, 1.2, in_order_rate(TILE_32_BIT), 3.6)
PI_3_PLUS = arm("Cortex-A53", 4, 1.4, in_order_rate(TILE_64_BIT), 3.6)
PI_ZERO_2 = arm("Cortex-A53", 4, 1.0, in_order_rate(TILE_64_BIT), 3.6)
RK3399_BIG = arm("Cortex-A72", 2, 1.8, 4, 12.8)

_AGX_ORIN = "NVIDIA Jetson AGX Orin (Cortex-A78AE 2.2 GHz x 12 + Ampere@1.3 GHz Tensor Cores 64)"
_AGX_XAVIER = "NVIDIA Jetson AGX Xavier (Carmel 2.2 GHz x 8 + Volta Tensor Cores 64)"
_TX2_NX = "NVIDIA Jetson TX2 NX(NV-Denver2 2.0Ghz x 2 +  Cortex-A57 2.0Ghz x 4 + 256-core NVIDIA Pascal iGPU)"
_PI_3_PLUS = "Raspberry Pi 3 Model B+ Broadcom BCM2837B0, Cortex-A53 (ARMv8) (1.4GHz x 4)"
_PI_4 = "Raspberry Pi 4 Model B Broadcom BCM2711B0, Cortex-A72 (ARMv8) (1.8GHz x 4)"
_PI_5 = "Raspberry Pi 5 Broadcom BCM2712, Cortex-A76 (ARMv8) (2.4GHz x 4)"
_PI_ZERO_2 = "Raspberry Pi Zero 2 W Broadcom BCM2710A1, Cortex-A53 (ARMv8) (1.0GHz x 4)"

#: ncnn's boards. It computes in fp16 wherever the hardware can (benchncnn's options), on graphics processors by Vulkan.
NCNN = (
    Board("AGX Orin GPU", shipped("jetson-agx-orin"), "fp16", listed=_AGX_ORIN),
    Board("Orin Nano GPU", shipped("jetson-orin-nano"), "fp16", listed="NVIDIA Jetson Orin Nano"),
    Board("AGX Xavier GPU", AGX_XAVIER, "fp16", listed=_AGX_XAVIER),
    Board("TX2 NX GPU", TX2_NX, "fp16", listed=_TX2_NX),
    Board("Nano GPU", NANO, "fp16", listed="NVIDIA Jetson Nano"),
    *(Board("AGX Orin CPU", AGX_ORIN_CPU, "fp16", n, _AGX_ORIN) for n in (12, 4, 1)),
    *(Board("AGX Xavier CPU", AGX_XAVIER_CPU, "fp16", n, _AGX_XAVIER) for n in (8, 4, 1)),
    *(Board("Orin Nano CPU", ORIN_NANO_CPU, "fp16", n, "NVIDIA Jetson Orin Nano") for n in (6, 1)),
    *(Board("Nano CPU", NANO_CPU, "fp32", n, "NVIDIA Jetson Nano") for n in (4, 1)),
    *(Board("Pi 5", shipped("raspberrypi5"), "fp16", n, _PI_5) for n in (4, 1)),
    *(Board("Pi 4", shipped("raspberrypi4"), "fp32", n, _PI_4) for n in (4, 1)),
    *(Board("Pi 3B+", PI_3_PLUS, "fp32", n, _PI_3_PLUS) for n in (4, 1)),
    *(Board("Pi Zero 2 W", PI_ZERO_2, "fp32", n, _PI_ZERO_2) for n in (4, 1)),
)

#: TopHub's boards, all in fp32; the RK3399 is taken to run on its two big cores, as TVM's thread pool does.
TOPHUB = (
    Board("Pi 3B CPU", PI_3, "fp32", 4, "bcm2837"),
    Board("RK3399 CPU", RK3399_BIG, "fp32", 2, "rk3399"),
    Board("Nano GPU", NANO, "fp32", listed="jetson-nano"),
    Board("TX2 GPU", TX2, "fp32", listed="tx2"),
)


@dataclass(frozen=True)
class Published:
    """A published median latency of a network at batch 1 and 224 pixels."""

    board: Board
    runtime: str
    network: str
    p50_ms: float


#: The sanity fences of MEASURING section 4, less ncnn's rows (which `NCNN` has) and the power-limited one.
FENCES = (
    Published(Board("AGX Orin", shipped("jetson-agx-orin"), "int8"), "TensorRT, MLPerf 3.1", "resnet50", 0.636),
    Published(Board("Orin NX", shipped("jetson-orin-nx"), "int8"), "TensorRT, MLPerf 3.1", "resnet50", 1.078),
    Published(Board("Xavier NX", XAVIER_NX, "int8"), "TensorRT, MLPerf 2.0", "resnet50", 2.434),
    *(
        Published(Board("AGX Xavier", AGX_XAVIER, "fp16"), "TensorRT, torch2trt", network, ms)
        for network, ms in (("resnet18", 1.64), ("resnet34", 2.79), ("resnet50", 3.48))
    ),
    *(
        Published(Board("Nano", NANO, "fp16"), "TensorRT, torch2trt", network, ms)
        for network, ms in (("resnet18", 11.4), ("resnet34", 20.2), ("resnet50", 29.8))
    ),
    Published(Board("Pi 4", shipped("raspberrypi4"), "fp32", 4), "TFLite, MLPerf 1.1", "resnet50", 522),
)
