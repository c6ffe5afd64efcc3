"""A connected device."""

import math
import tempfile
import time
from pathlib import Path
from types import TracebackType

from devices.errors import AgentLost, ConnectionLost, DeviceError, DeviceUnreachable, PrecisionMissing, RuntimeMissing
from devices.fingerprint import CPU_ENGINES, Fingerprint
from devices.hardware import Precision
from devices.process import AgentProcess, Images
from devices.profile import DeviceProfile
from devices.replies import Description, EngineDescription, HostDescription, LoadedModel
from devices.transports import Transport
from devices.transports.local import LocalTransport
from devices.transports.ssh import SshTransport

_RETRY_S = 2.0


class Device:
    """A device held exclusively, as a context manager; make it with `connect`."""

    def __init__(self, profile: DeviceProfile, transport: Transport, precision: Precision = "fp32") -> None:
        self.profile = profile
        self.precision: Precision = precision
        self._transport = transport
        self._description: Description | None = None
        self._agents: set[AgentProcess] = set()
        self._interrupted = False

    def __enter__(self) -> "Device":
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def reconnect(self) -> None:
        """Connect again after `ConnectionLost`, waiting for a board that is starting; what it is, is asked anew.

        Raises `DeviceError` where it is not back within the profile's `reconnect_s`.
        """
        self._transport.close()
        self._description = None
        deadline = time.monotonic() + self.profile.timeouts.reconnect_s
        while True:
            try:
                return self._open()
            except DeviceUnreachable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_S)

    @property
    def engine(self) -> str:
        """The engine that measurements on this device use: the first of the profile's that runs its precision there."""
        return self.describe().engine

    def description(self) -> Description:
        """Return what the device is and has (asked once); raises `DeviceError` where it is silent."""
        if self._description is None:
            with self.agent() as agent:
                try:
                    self._description = agent.describe(self.profile.engines)
                except ConnectionLost:
                    raise
                except AgentLost as error:  # by a runtime that cannot even be imported, or a Python that cannot run it
                    raise DeviceError(f"{self.profile.name} cannot say what it is: {error}") from error
        return self._description

    def describe(self) -> Fingerprint:
        """Return what measurements are made on; raises `DeviceError` where the device has none of its engines."""
        return _fingerprint(self.profile, self.description(), self.describe_engine())

    def describe_engine(self) -> EngineDescription:
        """Return what that engine is; raises `DeviceError` where the device has none that runs the precision."""
        return _first_able(self.profile, self.description(), self.precision)

    def put(self, path: Path) -> str:
        """Bring a file to the device, once per content; return its name there."""
        return self._transport.put(path)

    def agent(self) -> AgentProcess:
        """Return a fresh agent process; use it as a context manager."""
        if self._interrupted:
            raise self._was_interrupted()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the process object)
        try:
            process = self._transport.start(self.profile.timeouts.silence_s, errors)
        except DeviceError:
            errors.close()
            raise
        agent = AgentProcess(process, errors, self.profile.timeouts, self._transport.fault)
        self._agents = {other for other in self._agents if other.running} | {agent}
        if self._interrupted:  # while it started, when it could not be killed
            agent.close(politely=False)
            raise self._was_interrupted()
        return agent

    def interrupt(self) -> None:
        """End what runs on the device and let nothing more start, from any thread: its user gets a `DeviceError`.

        Connecting and waiting for the device's lock end too.
        """
        self._interrupted = True
        self._transport.interrupt()
        for agent in tuple(self._agents):
            agent.kill()

    def _open(self) -> None:
        """Connect; raises `DeviceError`, which speaks of the interruption where there was one."""
        if self._interrupted:
            raise self._was_interrupted()
        try:
            self._transport.open()
        except DeviceError as error:
            if self._interrupted:
                raise self._was_interrupted() from error
            raise

    def _was_interrupted(self) -> DeviceError:
        return DeviceError(f"{self.profile.name} was interrupted")

    def load(
        self,
        agent: AgentProcess,
        path: Path,
        precision: str | None = None,
        build: int = 0,
        limit_s: float = math.inf,
    ) -> LoadedModel:
        """Bring the network in `path` to the device and load it in `agent`, as the profile says, within `limit_s`.

        `build` tells several builds of one network apart, where the engine compiles networks.
        """
        return agent.load(
            self.put(path),
            engine=self.engine,
            threads=self.profile.threads,
            precision=precision or self.precision,
            build=build,
            limit_s=limit_s,
        )

    def infer(self, path: Path, images: Images) -> Images:
        """Return what the network in `path` answers for `images` [N, ...] on the device, in a fresh agent."""
        with self.agent() as agent:
            return agent.infer(self.load(agent, path), images)


def connect(
    profile: DeviceProfile, *, precision: Precision = "fp32", state: Path | None = None, lock_wait_s: float = 30.0
) -> Device:
    """Return the device of `profile`, to be measured in `precision`, to be entered as a context manager.

    `state` is the folder for this machine's lock and work folders (default: the user's cache directory); `lock_wait_s`
    is how long to wait for another run to end before `DeviceBusy` is raised. Raises `DeviceError` where a host is
    needed and none is named.
    """
    if profile.is_local:
        return Device(profile, LocalTransport(state, lock_wait_s, profile.python), precision)
    if profile.host is None:
        raise DeviceError(
            f"the device {profile.name} is reached over SSH and has no host: name one with --host USER@HOST, "
            'or in the profile as host = "USER@HOST"'
        )
    transport = SshTransport(profile.host, profile.ssh_config, profile.timeouts, lock_wait_s, profile.python)
    return Device(profile, transport, precision)


def _fingerprint(profile: DeviceProfile, found: Description, engine: EngineDescription) -> Fingerprint:
    host = found.host
    if profile.board and profile.board not in (host.model or ""):
        said = f"a {host.model}" if host.model else f"not a board but a machine with {host.cpu}"
        raise DeviceError(f"{profile.name} is for a {profile.board}, and this is {said}; choose another profile")
    return Fingerprint(
        device=profile.name,
        board=host.model or _nameless(host, engine),
        cpu=host.cpu,
        machine=host.machine,
        os_release=f"{host.system}, kernel {host.kernel}" + (f", L4T {host.l4t}" if host.l4t else ""),
        python=host.python,
        engine=engine.engine,
        engine_version=engine.version,
        engine_options=engine.options,
        power_mode=host.power_mode or "",
        threads=profile.threads,
        governor=host.governor,
        physical_cores=host.physical_cores,
        logical_cores=host.logical_cores,
        boot_id=host.boot_id,
        gpu=host.gpu,
        gpu_driver=host.gpu_driver,
        memory_mb=host.memory_total / 1e6 if host.memory_total else None,
    )


def _nameless(host: HostDescription, engine: EngineDescription) -> str:
    """Return what a machine is known by that has no name of its own."""
    parts = [f"{host.cpu}, {host.logical_cores} logical cores"]
    if host.gpu and engine.engine not in CPU_ENGINES:
        parts.append(host.gpu)
    return ", ".join(parts)


def _first_able(profile: DeviceProfile, found: Description, precision: Precision) -> EngineDescription:
    present = [engine for engine in found.engines if engine.missing is None]
    if not present:
        reasons = "; ".join(f"{engine.engine}: {engine.missing}" for engine in found.engines)
        raise RuntimeMissing(f"{profile.name} has no runtime that its profile names ({reasons})")
    for engine in present:
        if precision in engine.precisions:
            return engine
    able = "; ".join(f"{engine.engine} runs {', '.join(engine.precisions)}" for engine in present)
    why = "".join(f" ({engine.refused[precision]})" for engine in present if precision in engine.refused)
    raise PrecisionMissing(f"{profile.name} cannot run {precision}: {able}{why}")
