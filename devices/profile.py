"""Device profiles: what a device is called, how it is reached, and how it is measured."""

import difflib
import re
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from devices.errors import ProfileError, one_line
from devices.hardware import Hardware, PeakGmacs, Precision

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
_PYTHON = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_.+-]+)*")
_HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.+-]*@)?[A-Za-z0-9_:][A-Za-z0-9_.:%-]*")
_NEAREST = 8  # keys that are named in place of an unknown one
Share = Annotated[float, Field(gt=0, lt=1)]

Engine = Literal["onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt", "tensorrt", "trtexec", "torch"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Protocol(_Strict):
    """The parameters of measuring (the rules are in `harness.measuring.protocol`)."""

    warmup_runs: int = Field(default=10, ge=10, le=1000)
    """Runs of each network, at least, before anything is timed."""
    warmup_seconds: float = Field(default=1.0, ge=0, le=600)
    """Seconds of running, at least, per process and over all its networks, before anything is timed."""
    rounds: int = Field(default=5, ge=5, le=1000)
    """Rounds of a process, at least."""
    most_rounds: int = Field(default=20, ge=5, le=1000)
    """Rounds of a process, at most."""
    process_seconds: Seconds = 1.0
    """Rounds beyond the least are added up to this much timed running in a process: short rounds spread over time."""
    visit_ms: float = Field(default=100.0, gt=0, le=60000)
    """Timed running of one visit, about."""
    visit_untimed: int = Field(default=2, ge=0, le=100)
    """Untimed runs at the start of a visit, at least, because a neighbour has just filled the caches."""
    visit_settle_ms: float = Field(default=1.0, ge=0, le=1000)
    """Untimed running at the start of a visit, at least: for that long a network is slower than it is in a loop."""
    least_samples: int = Field(default=5, ge=1, le=1000)
    """Timed runs of one visit, at least."""
    most_samples: int = Field(default=30, ge=1, le=1000)
    """Timed runs of one visit, at most."""
    processes: int = Field(default=6, ge=6, le=100)
    """Fresh processes for a finalist, at least."""
    most_processes: int = Field(default=10, ge=6, le=100)
    """Fresh processes for a finalist, at most."""
    half_width: Share = 0.01
    """Relative half-width of the 95% interval at which a finalist is known well enough."""
    noisy_above: Share = 0.10
    """Relative half-width above which a finalist is called noisy."""
    throttled_below: Share = 0.75
    """Share of the clock after warm-up below which a process is called throttled."""
    throttle_retries: int = Field(default=3, ge=0, le=10)
    """How often, in one call to explore or to measure finalists, a throttled process is run again."""
    cool_down_s: float = Field(default=60.0, ge=0, le=3600)
    """Time, at most, for the device to cool down before that."""
    memory_runs: int = Field(default=10, ge=1, le=1000)
    """Inferences of the memory pass."""
    energy_idle_s: float = Field(default=3.0, ge=0.5, le=600)
    """Window of the energy pass in which nothing runs."""
    energy_warmup_s: float = Field(default=1.0, ge=0, le=600)
    """Running before the steady window of the energy pass."""
    energy_steady_s: float = Field(default=10.0, ge=0.5, le=600)
    """Window of the energy pass in which one network runs without pause."""
    sustained_window_s: float = Field(default=60.0, gt=0, le=3600)
    """Time under load over which the slope of the temperature is looked at."""
    sustained_slope_c_per_min: float = Field(default=1.0, gt=0, le=60)
    """Slope below which, either way, the temperature has settled."""
    sustained_limit_s: Seconds = 600.0
    """Time under load, at most, for one network's temperature to settle."""
    block_subjects: int = Field(default=64, ge=1, le=1000)
    """Networks held in memory together, at most."""
    block_mb: float = Field(default=1024.0, gt=0, allow_inf_nan=False)
    """Megabytes of network files held in memory together, at most."""
    time_limit_s: Seconds = 300.0
    """Time for one call to explore or to measure finalists."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "Protocol":
        for least, most in (
            ("rounds", "most_rounds"),
            ("least_samples", "most_samples"),
            ("processes", "most_processes"),
            ("sustained_window_s", "sustained_limit_s"),
        ):
            if getattr(self, least) > getattr(self, most):
                raise ValueError(f"{least} must not be above {most}")
        return self


class TimeOuts(_Strict):
    """Seconds after which the workstation stops waiting."""

    start_s: Seconds = 60.0
    """For a fresh agent to answer its first request (the runtime is imported in it)."""
    load_s: Seconds = 120.0
    """For a network to be loaded and run once."""
    run_s: Seconds = 60.0
    """For a round or an inference, beyond the time it is expected to take."""
    silence_s: Seconds = 600.0
    """For the agent: without a request for so long, it ends itself."""
    connect_s: Seconds = 20.0
    """For a board to accept a connection; and again, for its login to be through."""
    line_s: Seconds = 60.0
    """For a board: without a sign of life from the workstation for so long, it gives up what it does for it."""
    reconnect_s: Seconds = 180.0
    """For a board whose line was lost, and which may be starting again, to be back."""


class DeviceProfile(_Strict):
    """One device, as its TOML file describes it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    description: str = ""
    transport: Literal["local", "ssh"]
    host: str | None = None
    """For ssh: `HOST` or `USER@HOST`, where HOST may be a name of the OpenSSH configuration."""
    ssh_config: Path | None = None
    """For ssh: a configuration file of OpenSSH to use in place of the user's own."""
    python: str | None = None
    """The Python on the device that runs the agent: a command, or the absolute path of one, as in a virtual
    environment. By default python3 of the board's login shell, and on this machine the interpreter that runs this."""
    here_if: Path | None = None
    """A file that every such device has: where this machine has it and no host is named, this machine is the device."""
    engines: tuple[Engine, ...] = Field(min_length=1)
    """In order of preference: the first that the device has is used."""
    precisions: tuple[Precision, ...] = Field(min_length=1)
    """What the device can be asked for."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Threads within one operator of the runtime."""
    board: str | None = Field(default=None, min_length=1)
    """A part of the model name that the board must give of itself."""
    memory_mb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Memory of the board: networks that are measured together take up a quarter of it at most."""
    power_mode: str | None = Field(default=None, min_length=1)
    """The power mode, by name, in which measurements are wanted."""
    temperature_limit_c: float | None = Field(default=None, gt=0, le=150)
    """Above this no measurement is believed."""
    sustained: bool = False
    """Whether finalists are measured at their steady temperature too."""
    protocol: Protocol = Protocol()
    timeouts: TimeOuts = TimeOuts()
    hardware: Hardware | None = None
    """Published figures, for planning without the device."""

    @field_validator("host")
    @classmethod
    def _no_option_nor_shell_word(cls, host: str | None) -> str | None:
        if host is not None and not _HOST.fullmatch(host):
            raise ValueError("must be HOST or USER@HOST, of letters, digits and ._-:% and without a dash in front")
        return host

    @field_validator("python")
    @classmethod
    def _a_command(cls, python: str | None) -> str | None:
        if python is not None and not (_PYTHON.fullmatch(python) and (python[0] == "/" or "/" not in python)):
            raise ValueError("must be a command, or the absolute path of one, of letters, digits and ._+-")
        return python

    @property
    def is_local(self) -> bool:
        """Whether the device is the machine this runs on."""
        if self.transport == "local":
            return True
        return self.host is None and self.here_if is not None and self.here_if.exists()

    def override(self, **values: object) -> "DeviceProfile":
        """Return the profile with `values` (from the command line) in place of its own; raises `ProfileError`."""
        return _validated({**self.model_dump(), **values}, f"the options for device {self.name}")


def user_profiles_folder() -> Path:
    """Return where a user's own profiles lie."""
    return Path(platformdirs.user_config_dir("slimda-edge")) / "profiles"


def known_profiles() -> dict[str, Path]:
    """Return the shipped profiles and the user's own, which go first: name to TOML file."""
    with resources.as_file(resources.files("profiles")) as folder:
        return {path.stem: path for place in (folder, user_profiles_folder()) for path in sorted(place.glob("*.toml"))}


def load_profile(name_or_path: str | Path) -> DeviceProfile:
    """Return the known profile of that name, or the one in that TOML file; raises `ProfileError`."""
    known = known_profiles()
    path = known.get(str(name_or_path), Path(name_or_path))
    if path.suffix != ".toml":
        raise ProfileError(
            f"there is no device profile {str(name_or_path)!r}; there is {', '.join(known)}, or name a .toml file"
        )
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ProfileError(f"the device profile {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not of TOML alone: of text and of numbers without end too
        raise ProfileError(f"the device profile {path} is not valid TOML: {one_line(str(error))}") from error
    return _validated(content, str(path))


def _validated(content: dict[str, object], origin: str) -> DeviceProfile:
    try:
        return DeviceProfile.model_validate(content)
    except ValidationError as error:
        raise ProfileError(f"{origin}: {_explain(error)}") from error


def _explain(error: ValidationError) -> str:
    """Return one clause on the first complaint: the key, what is wrong with it, what is allowed."""
    first = error.errors()[0]
    location = first["loc"]
    key = one_line(".".join(str(part) for part in location), 60)
    if first["type"] == "extra_forbidden":
        allowed = list(_section(location[:-1]).model_fields)
        nearest = difflib.get_close_matches(str(location[-1])[:60], allowed, n=_NEAREST, cutoff=0.0)
        which = "nearest of what is allowed" if len(allowed) > _NEAREST else "allowed"
        return f"unknown key {key!r}; {which} here: {', '.join(name for name in allowed if name in nearest)}"
    if first["type"] == "missing":
        return f"the key {key!r} is missing"
    found = _found(first["input"]) if location else ""
    return f"{key or 'the profile'}: {first['msg']}{found}".replace("Value error, ", "")


def _found(value: object) -> str:
    try:
        return f" (found {one_line(repr(value), 60)})"
    except ValueError:  # a whole number of more digits than Python writes
        return ""


def _section(location: tuple[int | str, ...]) -> type[BaseModel]:
    sections: dict[tuple[int | str, ...], type[BaseModel]] = {
        ("protocol",): Protocol,
        ("timeouts",): TimeOuts,
        ("hardware",): Hardware,
        ("hardware", "peak_gmacs"): PeakGmacs,
    }
    return sections.get(location, DeviceProfile)
