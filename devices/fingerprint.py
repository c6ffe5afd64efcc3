"""What a measurement was made on."""

from pydantic import BaseModel, ConfigDict


class Fingerprint(BaseModel):
    """The device, its system and its runtime, as the agent found them; None where it could not know."""

    model_config = ConfigDict(frozen=True)

    device: str
    """Name of the profile."""
    board: str
    """Model of the board; a machine without one is known by its processor and number of logical cores."""
    cpu: str
    machine: str
    os_release: str
    """Distribution and kernel."""
    python: str
    engine: str
    engine_version: str
    engine_options: str
    power_mode: str
    """Empty where the device has none."""
    threads: int
    governor: str | None
    physical_cores: int | None
    logical_cores: int
    boot_id: str | None
