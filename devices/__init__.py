"""How a measurement reaches a device: profiles, transports, and the agent that runs there."""

from devices.device import Device, connect
from devices.errors import (
    AgentLost,
    AgentSilent,
    ConnectionLost,
    DeviceBusy,
    DeviceError,
    DeviceUnreachable,
    EngineFailed,
    EngineTimedOut,
    PrecisionMissing,
    ProfileError,
    RuntimeMissing,
)
from devices.fingerprint import Fingerprint
from devices.hardware import Hardware, Precision
from devices.process import AgentProcess, Visit
from devices.profile import DeviceProfile, Protocol, known_profiles, load_profile
from devices.replies import LoadedModel
from devices.telemetry import Reading

__all__ = [
    "AgentLost",
    "AgentProcess",
    "AgentSilent",
    "ConnectionLost",
    "Device",
    "DeviceBusy",
    "DeviceError",
    "DeviceProfile",
    "DeviceUnreachable",
    "EngineFailed",
    "EngineTimedOut",
    "Fingerprint",
    "Hardware",
    "LoadedModel",
    "Precision",
    "PrecisionMissing",
    "ProfileError",
    "Protocol",
    "Reading",
    "RuntimeMissing",
    "Visit",
    "connect",
    "known_profiles",
    "load_profile",
]
