"""What the agent answers, validated: nothing that a board says is believed as it comes."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from devices.agent.wire import MAX_BLOB
from devices.errors import DeviceError, one_line
from devices.telemetry import Bytes, Reading

Nanoseconds = Annotated[int, Field(ge=0, le=24 * 3600 * 10**9)]
Shape = Annotated[tuple[Annotated[int, Field(gt=0, le=MAX_BLOB)], ...], Field(min_length=1, max_length=16)]
Cores = Annotated[int, Field(gt=0, le=2**20)]
Reply = TypeVar("Reply", bound=BaseModel)


class HostDescription(BaseModel):
    """The machine; see `devices.agent.host.describe` and `devices.agent.telemetry`."""

    model: str | None
    cpu: str
    machine: str
    system: str
    l4t: str | None
    """The release of Jetson Linux."""
    kernel: str
    python: str
    physical_cores: Cores | None
    logical_cores: Cores
    governor: str | None
    boot_id: str | None
    power_mode: str | None
    gpu: str | None
    gpu_driver: str | None
    memory_total: Bytes | None
    """In bytes."""
    temperatures_c: dict[str, FiniteFloat]
    """By thermal zone, at the time of asking."""
    cpu_limits_mhz: tuple[FiniteFloat, FiniteFloat] | None
    """Between what the governor may choose."""
    gpu_limits_mhz: tuple[FiniteFloat, FiniteFloat] | None
    throttled_before: tuple[str, ...]
    """Why the firmware has throttled since the machine was started."""
    missing: dict[str, str]
    """Why something is unknown, by what it is."""


class EngineDescription(BaseModel):
    """An engine on the machine; where it is `missing`, that says why."""

    engine: str
    missing: str | None
    version: str = ""
    options: str = ""
    precisions: tuple[str, ...] = ()
    refused: dict[str, str] = {}
    """Why it does not run other precisions, by precision."""
    builds: bool = False
    """Whether it compiles networks on the device, so that two builds of one may differ."""


class Description(BaseModel):
    """What `describe` answers."""

    host: HostDescription
    engines: tuple[EngineDescription, ...]


class LoadedModel(BaseModel):
    """A network in the agent, after its first inference."""

    handle: int
    load_ns: Nanoseconds
    first_ns: Nanoseconds
    input_shape: Shape
    output_shape: Shape
    finite: bool
    """Whether every output of the first inference was a finite number."""
    visit_s: float = Field(default=0.0, ge=0, le=24 * 3600, allow_inf_nan=False)
    """Seconds that a visit to it may take beyond its runs."""


class State(BaseModel):
    """Clocks that tell how busy the machine is; see `devices.agent.host.state`."""

    wall_s: FiniteFloat
    busy_s: FiniteFloat | None
    own_s: FiniteFloat

    def others_load(self, later: "State", cores: int) -> float | None:
        """Return the share of all cores that other processes used until a later state; None where it is unknown."""
        if self.busy_s is None or later.busy_s is None or later.wall_s <= self.wall_s:
            return None
        others = (later.busy_s - self.busy_s) - (later.own_s - self.own_s)
        return max(0.0, others / (later.wall_s - self.wall_s) / cores)


class Momentary(BaseModel):
    """What `telemetry` answers."""

    reading: Reading
    state: State


class RoundSamples(BaseModel):
    """What a round brought: nanoseconds of every timed run of every visit, in the order of the visits."""

    samples: tuple[tuple[Nanoseconds, ...], ...]
    compute: tuple[tuple[Nanoseconds, ...], ...]
    """The same runs by the device's own events; empty for networks whose engine has none."""
    before: State
    after: State
    readings: tuple[Reading, ...]
    """What the sensors said between visits; none where the last reading was not yet a period old."""


class OutputShape(BaseModel):
    """What `infer` answers; the numbers follow as bytes."""

    shape: Shape


def parse(kind: type[Reply], reply: dict[str, Any]) -> Reply:
    """Return what the agent answered as a `kind`; raises `DeviceError` where it makes no sense."""
    try:
        return kind.model_validate(reply)
    except ValidationError as error:
        first = error.errors()[0]
        key = one_line(".".join(str(part) for part in first["loc"]), 100)
        raise DeviceError(f"the agent's answer makes no sense: {key}: {first['msg']}") from error
