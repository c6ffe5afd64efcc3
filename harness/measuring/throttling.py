"""Whether a device slowed itself down while it measured, and waiting for it to cool."""

from __future__ import annotations

import time

from devices import Device, Protocol
from harness.measuring.results import ProcessRecord

#: A device has cooled down when it is so much colder than when it throttled, in degrees Celsius.
COOLER_BY_C = 10.0
_POLL_S = 1.0


def throttled(record: ProcessRecord, protocol: Protocol, limit_c: float | None) -> str:
    """Return why a process is called throttled, in one clause; nothing where it is not.

    Told from the clock of what computes (`throttled_below` of the clock after warm-up), from a temperature above
    `limit_c`, and from what firmware and driver say of themselves.
    """
    reasons = []
    conditions = record.conditions
    if record.clock_mhz:
        start, lowest = record.clock_mhz
        if lowest < protocol.throttled_below * start:
            whose = "GPU's " if record.fingerprint.on_gpu else ""
            reasons.append(f"the {whose}clock fell to {lowest / start:.0%} of what it was after warm-up")
    if conditions and conditions.hottest_c and limit_c is not None and conditions.hottest_c.highest > limit_c:
        reasons.append(f"it was {conditions.hottest_c.highest:.0f} °C hot, and the limit is {limit_c:g} °C")
    if conditions:
        told = conditions.throttling + (conditions.gpu_throttling if record.fingerprint.on_gpu else ())
        if told:
            reasons.append(f"the device itself reports {', '.join(told)}")
    return "; ".join(reasons)


def cool_down(device: Device, hot_c: float | None, most_s: float) -> float:
    """Wait until the device is `COOLER_BY_C` below `hot_c`, `most_s` at most; return the seconds that took.

    A device without a thermometer is given all the time. Raises `DeviceError` where the device is lost.
    """
    start = time.monotonic()
    with device.agent() as agent:
        while (left_s := start + most_s - time.monotonic()) > 0:
            time.sleep(min(_POLL_S, left_s))
            now_c = agent.read_telemetry().reading.hottest_c
            if hot_c is not None and now_c is not None and now_c <= hot_c - COOLER_BY_C:
                break
    return time.monotonic() - start
