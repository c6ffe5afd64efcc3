"""What can go wrong between the workstation and a device."""

_MOST = 200


def one_line(text: str, most: int = _MOST) -> str:
    """Fold what a board or a file says into one printable line of at most so many characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


class ProfileError(Exception):
    """A device profile that does not exist or says something impossible."""


class DeviceError(Exception):
    """A device cannot be reached, or cannot do what is asked of it."""


class DeviceUnreachable(DeviceError):
    """No connection can be made: what a board that is being restarted looks like."""


class DeviceBusy(DeviceError):
    """Another run is measuring on the device."""


class RuntimeMissing(DeviceError):
    """The device has none of the engines that its profile names, or no longer the one that was found there."""


class PrecisionMissing(DeviceError):
    """None of the engines on the device runs the precision."""


class AgentLost(DeviceError):
    """The agent died, fell silent, or said what cannot be understood."""


class AgentSilent(AgentLost):
    """The agent did not answer in time, and has been ended."""


class ConnectionLost(AgentLost):
    """The line to the device broke, and with it whatever ran there; `Device.reconnect` may mend it."""


class EngineFailed(DeviceError):
    """The agent is well, but the engine could not load or run the network."""

    def __init__(self, message: str, handle: int | None = None) -> None:
        """Say what is wrong with the network of `handle`, where it was loaded."""
        super().__init__(message)
        self.handle = handle


class EngineTimedOut(EngineFailed):
    """What the engine started was not done within the time that it had."""
