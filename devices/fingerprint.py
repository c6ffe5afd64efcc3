"""What a measurement was made on."""

from pydantic import BaseModel, ConfigDict

CPU_ENGINES = ("onnxruntime",)
TENSORRT_ENGINES = ("tensorrt", "trtexec", "onnxruntime-tensorrt")


class Fingerprint(BaseModel):
    """The device, its system and its runtime, as the agent found them; None where it could not know."""

    model_config = ConfigDict(frozen=True)

    device: str
    """Name of the profile."""
    board: str
    """Model of the board; a machine without one is known by its processor and number of logical cores, and by its GPU
    where the engine runs on that."""
    cpu: str
    machine: str
    os_release: str
    """Distribution and kernel, and the release of Jetson Linux where it is one."""
    python: str
    engine: str
    engine_version: str
    engine_options: str
    power_mode: str
    """By name; empty where the device has none or does not tell it."""
    threads: int
    governor: str | None
    physical_cores: int | None
    logical_cores: int
    boot_id: str | None
    gpu: str | None = None
    gpu_driver: str | None = None
    memory_mb: float | None = None
    """Memory of the machine, in megabytes of a million bytes."""

    @property
    def on_gpu(self) -> bool:
        """Whether the engine computes on a GPU."""
        return self.engine not in CPU_ENGINES

    @property
    def by_tensorrt(self) -> bool:
        """Whether it is TensorRT that reads networks, whichever way it is reached."""
        return self.engine in TENSORRT_ENGINES
