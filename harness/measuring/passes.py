"""What the passes after latency have in common: a record for each, with a figure or the reason why there is none."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from devices import Device, DeviceError, Fingerprint, Protocol
from harness.measuring.lost_line import with_one_reconnection
from harness.measuring.results import Subject

if TYPE_CHECKING:
    from harness.measuring.store import Store

#: Engines that run a network in a process of their own, started for every visit: the agent sees nothing of it.
OWN_PROCESS = ("trtexec",)


@dataclass(frozen=True, kw_only=True)
class PassRecord:
    """One pass over one subject on one device."""

    kind: ClassVar[str]
    """What the store files it under."""

    uid: str
    topology: str
    precision: str
    batch_size: int
    fingerprint: Fingerprint
    protocol: Protocol
    recorded_at: str
    """When the pass ended, ISO 8601, UTC."""
    reason: str = ""
    """Why there is no figure, or why it is to be taken with care, in one clause."""

    @property
    def figure(self) -> float | None:
        """What the pass is made for; None where it could not be found out."""
        raise NotImplementedError

    def serves(self, protocol: Protocol) -> bool:
        """Return whether this pass was made as thoroughly as `protocol` asks."""
        raise NotImplementedError


Record = TypeVar("Record", bound=PassRecord)


def find_or_make(
    kind: type[Record],
    device: Device,
    subject: Subject,
    store: Store,
    protocol: Protocol,
    measure: Callable[[], dict[str, Any]],
) -> Record:
    """Return the store's record of a subject where it has a figure, else that of a pass made now, which is then kept.

    `measure` returns the record's own fields. A device that fails or is lost meanwhile is a record with that reason.
    """
    earlier = store.latest(device.describe(), subject, kind)
    if earlier is not None and earlier.figure is not None and earlier.serves(protocol):
        return earlier
    try:
        found = with_one_reconnection(device, measure)
    except DeviceError as error:
        found = {"reason": str(error)}
    record = kind(
        uid=uuid.uuid4().hex,
        topology=subject.topology,
        precision=subject.precision,
        batch_size=subject.batch_size,
        fingerprint=device.describe(),
        protocol=protocol,
        recorded_at=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        **found,
    )
    store.add_pass(record)
    return record
