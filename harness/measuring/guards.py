"""What keeps a device from giving honest numbers now: each finding a type of its own, with advice. Nothing is set."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

from devices import Device
from devices.replies import HostDescription
from devices.telemetry import Reading

#: Share of the machine's cores that others may use.
BUSY_ABOVE = 0.1
#: Degrees Celsius below the limit from which on the device is called hot.
NEAR_C = 10.0
_LOOK_S = 1.0


class Finding(ABC):
    """Something about a device that measurements would suffer from."""

    @property
    @abstractmethod
    def problem(self) -> str:
        """What is found, in one clause."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What the user can do about it, in one sentence."""


@dataclass(frozen=True)
class GovernorSavesPower(Finding):
    """The processor's clock follows the load."""

    governor: str

    @property
    def problem(self) -> str:
        """Which governor is set."""
        return f"the frequency governor is {self.governor}, not performance"

    @property
    def advice(self) -> str:
        """Set another one."""
        return "On the device: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor."


@dataclass(frozen=True)
class OtherPowerMode(Finding):
    """The board is not in the power mode that the profile asks for."""

    found: str | None
    wanted: str
    why_unknown: str = ""

    @property
    def problem(self) -> str:
        """Which mode it is in."""
        if self.found is None:
            return f"the power mode should be {self.wanted} and is not known ({self.why_unknown})"
        return f"the power mode is {self.found}, not {self.wanted}"

    @property
    def advice(self) -> str:
        """Change the mode, or what is asked for."""
        return (
            f"Choose {self.wanted} with nvpmodel on the device (sudo nvpmodel -m NUMBER, as in /etc/nvpmodel.conf), "
            "or set power_mode in the profile to the mode that you mean."
        )


@dataclass(frozen=True)
class OthersAreBusy(Finding):
    """Other programs compute."""

    share: float
    """Of all cores."""

    @property
    def problem(self) -> str:
        """How busy the machine is."""
        return f"other programs use {self.share:.0%} of the machine"

    @property
    def advice(self) -> str:
        """Stop them."""
        return "Stop them (top shows which they are), or expect wider intervals."


@dataclass(frozen=True)
class NearTemperatureLimit(Finding):
    """The device is hot before anything is measured."""

    temperature_c: float
    limit_c: float

    @property
    def problem(self) -> str:
        """How hot it is."""
        return f"the device is {self.temperature_c:.0f} °C hot, and the limit is {self.limit_c:g} °C"

    @property
    def advice(self) -> str:
        """Cool it."""
        return "Let it cool down and give it air: a fan, or a larger heat sink."


@dataclass(frozen=True)
class NoThermometer(Finding):
    """The profile limits a temperature that cannot be read."""

    limit_c: float

    @property
    def problem(self) -> str:
        """What cannot be held."""
        return f"the limit of {self.limit_c:g} °C cannot be watched over: no temperature can be read"

    @property
    def advice(self) -> str:
        """Go by the clocks."""
        return "Heat will only be noticed by what it does to the clocks; look for it in the sustained latency."


@dataclass(frozen=True)
class ClocksNotLocked(Finding):
    """A Jetson's clock may move with the load."""

    what: str
    low_mhz: float
    high_mhz: float

    @property
    def problem(self) -> str:
        """Between what it may move."""
        return f"the clock of the {self.what} may move between {self.low_mhz:.0f} and {self.high_mhz:.0f} MHz"

    @property
    def advice(self) -> str:
        """Lock it."""
        return "On the device: sudo jetson_clocks, after the power mode is chosen; it lasts until the next start."


@dataclass(frozen=True)
class SlowedDown(Finding):
    """Firmware or driver report that they slow the device down."""

    reasons: tuple[str, ...]
    now: bool
    """Whether they do so at this moment, or did since the device was started."""

    @property
    def problem(self) -> str:
        """What they report."""
        when = "reports" if self.now else "has reported since it was started"
        return f"the device {when}: {', '.join(self.reasons)}"

    @property
    def advice(self) -> str:
        """Better supply, better cooling."""
        if "under-voltage" in self.reasons:
            return "Use the board's own power supply and a short cable: this one cannot keep the voltage up."
        return "Give it air, and a power supply that is strong enough."


def check(device: Device, *, look_s: float = _LOOK_S) -> list[Finding]:
    """Return what speaks against measuring on a device now, after watching it for `look_s` seconds.

    Raises `DeviceError` where the device cannot be asked.
    """
    with device.agent() as agent:
        host = agent.describe(device.profile.engines).host
        before = agent.read_telemetry()
        time.sleep(look_s)
        after = agent.read_telemetry()
    found = [
        *_settings(device, host),
        *_heat(device.profile.temperature_limit_c, after.reading),
        *_slowed_down(host, after.reading, on_gpu=device.describe().on_gpu),
    ]
    share = before.state.others_load(after.state, host.logical_cores)
    if share is not None and share > BUSY_ABOVE:
        found.append(OthersAreBusy(share))
    return found


def _settings(device: Device, host: HostDescription) -> list[Finding]:
    found: list[Finding] = []
    if host.governor is not None and host.governor != "performance":
        found.append(GovernorSavesPower(host.governor))
    wanted = device.profile.power_mode
    if wanted is not None and host.power_mode != wanted:
        why = host.missing.get("power mode", "the board has none")
        found.append(OtherPowerMode(host.power_mode, wanted, why))
    if host.l4t is not None:
        limits = {"processor": host.cpu_limits_mhz, "GPU": host.gpu_limits_mhz}
        found += [ClocksNotLocked(what, *pair) for what, pair in limits.items() if pair and pair[0] < pair[1]]
    return found


def _heat(limit_c: float | None, reading: Reading) -> list[Finding]:
    if limit_c is None:
        return []
    if reading.hottest_c is None:
        return [NoThermometer(limit_c)]
    return [NearTemperatureLimit(reading.hottest_c, limit_c)] if reading.hottest_c > limit_c - NEAR_C else []


def _slowed_down(host: HostDescription, reading: Reading, *, on_gpu: bool) -> list[Finding]:
    now = reading.throttling + (reading.gpu_throttling if on_gpu else ())
    if now:
        return [SlowedDown(now, now=True)]
    return [SlowedDown(host.throttled_before, now=False)] if host.throttled_before else []
