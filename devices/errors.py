"""What can go wrong between the workstation and a device."""


class ProfileError(Exception):
    """A device profile that does not exist or says something impossible."""


class DeviceError(Exception):
    """A device cannot be reached, or cannot do what is asked of it."""


class DeviceBusy(DeviceError):
    """Another run is measuring on the device."""


class RuntimeMissing(DeviceError):
    """The device has none of the engines that its profile names."""


class AgentLost(DeviceError):
    """The agent died, fell silent, or said what cannot be understood."""


class EngineFailed(DeviceError):
    """The agent is well, but the engine could not load or run the network."""
