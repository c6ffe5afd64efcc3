"""A connected device."""

import tempfile
from pathlib import Path
from types import TracebackType

from devices.errors import DeviceError, RuntimeMissing
from devices.fingerprint import Fingerprint
from devices.process import AgentProcess, Description, EngineDescription, Images, LoadedModel
from devices.profile import DeviceProfile
from devices.transports import Transport
from devices.transports.local import LocalTransport


class Device:
    """A device held exclusively, as a context manager; make it with `connect`."""

    def __init__(self, profile: DeviceProfile, transport: Transport) -> None:
        self.profile = profile
        self._transport = transport
        self._description: Description | None = None

    def __enter__(self) -> "Device":
        self._transport.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    @property
    def engine(self) -> str:
        """The engine that measurements on this device use: the first of the profile's that it has."""
        return self.describe().engine

    def description(self) -> Description:
        """Return what the device is and has (asked once); raises `DeviceError` where it is silent."""
        if self._description is None:
            with self.agent() as agent:
                self._description = agent.describe(self.profile.engines)
        return self._description

    def describe(self) -> Fingerprint:
        """Return what measurements are made on; raises `DeviceError` where the device has none of its engines."""
        return _fingerprint(self.profile, self.description())

    def put(self, path: Path) -> str:
        """Bring a file to the device, once per content; return its name there."""
        return self._transport.put(path)

    def agent(self) -> AgentProcess:
        """Return a fresh agent process; use it as a context manager."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the process object)
        try:
            process = self._transport.start(self.profile.timeouts.silence_s, errors)
        except DeviceError:
            errors.close()
            raise
        return AgentProcess(process, errors, self.profile.timeouts)

    def load(self, agent: AgentProcess, path: Path, precision: str = "fp32") -> LoadedModel:
        """Bring the network in `path` to the device and load it in `agent`, as the profile says."""
        return agent.load(self.put(path), engine=self.engine, threads=self.profile.threads, precision=precision)

    def infer(self, path: Path, images: Images, precision: str = "fp32") -> Images:
        """Return what the network in `path` answers for `images` [N, ...] on the device."""
        with self.agent() as agent:
            return agent.infer(self.load(agent, path, precision), images)


def connect(profile: DeviceProfile, *, state: Path | None = None, lock_wait_s: float = 30.0) -> Device:
    """Return the device of `profile`, to be entered as a context manager.

    `state` is the folder for locks and work folders (default: the user's cache directory); `lock_wait_s` is how long to
    wait for another run to end before `DeviceBusy` is raised. Raises `DeviceError` for a transport that is not there.
    """
    if profile.transport != "local":
        raise DeviceError(
            f"{profile.name} cannot be reached: measuring over {profile.transport} is not there yet; "
            f"--estimate plans without the device"
        )
    return Device(profile, LocalTransport(state, lock_wait_s))


def _fingerprint(profile: DeviceProfile, found: Description) -> Fingerprint:
    host, engine = found.host, _first_present(profile, found)
    return Fingerprint(
        device=profile.name,
        board=host.model or f"{host.cpu}, {host.logical_cores} logical cores",
        cpu=host.cpu,
        machine=host.machine,
        os_release=f"{host.system}, kernel {host.kernel}",
        python=host.python,
        engine=engine.engine,
        engine_version=engine.version,
        engine_options=engine.options,
        power_mode="",
        threads=profile.threads,
        governor=host.governor,
        physical_cores=host.physical_cores,
        logical_cores=host.logical_cores,
        boot_id=host.boot_id,
    )


def _first_present(profile: DeviceProfile, found: Description) -> EngineDescription:
    for engine in found.engines:
        if engine.missing is None:
            return engine
    reasons = "; ".join(f"{engine.engine}: {engine.missing}" for engine in found.engines)
    raise RuntimeMissing(f"{profile.name} has no runtime that its profile names ({reasons})")
