"""Several devices at once: boards side by side; what runs on this machine, alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock

from devices import Device, DeviceProfile

#: Boards that are worked on at the same time, at most.
BOARDS = 16
#: How often the main thread wakes to hear of Ctrl-C.
_POLL_S = 0.5


class Reached:
    """The devices of all threads, those that are being connected included, to be interrupted together."""

    def __init__(self) -> None:
        self.interrupted = False
        self._devices: list[Device] = []
        self._lock = Lock()

    def add(self, device: Device) -> Device:
        """Return the device, to be entered now; after `interrupt`, entering it raises `DeviceError`."""
        with self._lock:
            self._devices.append(device)
            interrupted = self.interrupted
        if interrupted:
            device.interrupt()
        return device

    def interrupt(self) -> None:
        """End what runs on the devices, and the connecting of those that are not connected yet.

        Side by side, because each may have to wait for a line that no longer answers.
        """
        with self._lock:
            self.interrupted = True
            devices = tuple(self._devices)
        with ThreadPoolExecutor(max(1, len(devices)), thread_name_prefix="interrupt") as threads:
            for ended in [threads.submit(device.interrupt) for device in devices]:
                ended.result()


def side_by_side(
    profiles: Sequence[DeviceProfile], work: Callable[[DeviceProfile], None], interrupt: Callable[[], None]
) -> None:
    """Do `work` for every device; the first exception that it lets through ends the others and is raised.

    Boards are worked on at the same time. Devices that are this machine come after them, one by one, because what this
    machine computes for the others would disturb their measurements. `interrupt` makes work in other threads end soon.
    """
    boards = [profile for profile in profiles if not profile.is_local]
    if len(boards) > 1:
        with ThreadPoolExecutor(min(len(boards), BOARDS), thread_name_prefix="board") as threads:
            pending: set[Future[None]] = {threads.submit(work, profile) for profile in boards}
            try:
                while pending:
                    done, pending = wait(pending, _POLL_S, FIRST_COMPLETED)
                    for future in done:
                        future.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                interrupt()
                raise
    else:
        for profile in boards:
            work(profile)
    for profile in profiles:
        if profile.is_local:
            work(profile)
