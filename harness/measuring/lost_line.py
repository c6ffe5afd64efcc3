"""A line to a device that breaks is mended once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from devices import ConnectionLost, Device, DeviceError
from harness.measuring.results import device_key

Result = TypeVar("Result")


def with_one_reconnection(device: Device, work: Callable[[], Result]) -> Result:
    """Return what `work` returns; where the line to the device breaks in it, connect again and do it once more.

    A board may have been restarted meanwhile. Raises `DeviceError` where what answers then is not what was measured so
    far, or where the line breaks again.
    """
    before = device_key(device.describe())
    try:
        return work()
    except ConnectionLost:
        device.reconnect()
    after = device_key(device.describe())
    changes = [f"{name} was {before[name]!r} and is {after[name]!r}" for name in before if before[name] != after[name]]
    if changes:
        raise DeviceError(
            f"{device.profile.name} came back from a lost connection as another device: {', '.join(changes)}; "
            "put it right, or start a new run"
        )
    return work()
