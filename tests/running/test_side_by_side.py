"""Boards are worked on together, this machine alone and after them, and an exception ends them all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from devices import Device, DeviceError, DeviceProfile, connect, load_profile
from devices.transports.local import LocalTransport
from harness.running.side_by_side import Reached, side_by_side

WAIT_S = 20.0


def board(name: str) -> DeviceProfile:
    return load_profile("ssh-cpu").override(name=name, host=name)


def here(name: str) -> DeviceProfile:
    return load_profile("cpu").override(name=name)


def test_boards_run_at_the_same_time_and_this_machine_alone_afterwards() -> None:
    together = threading.Barrier(2)
    order: list[str] = []

    def work(profile: DeviceProfile) -> None:
        if not profile.is_local:
            together.wait(WAIT_S)  # breaks unless both boards are in it at once
        order.append(profile.name)

    side_by_side([here("first"), board("a"), here("second"), board("b")], work, pytest.fail)
    assert sorted(order[:2]) == ["a", "b"]
    assert order[2:] == ["first", "second"]


def test_an_exception_interrupts_the_others_and_is_raised() -> None:
    interrupted, begun = threading.Event(), threading.Barrier(2)
    ended: list[str] = []

    def work(profile: DeviceProfile) -> None:
        begun.wait(WAIT_S)
        if profile.name == "broken":
            raise RuntimeError("out of ideas")
        assert interrupted.wait(WAIT_S)
        ended.append(profile.name)

    with pytest.raises(RuntimeError, match="out of ideas"):
        side_by_side([board("broken"), board("patient"), here("never")], work, interrupted.set)
    assert ended == ["patient"]


def test_devices_are_interrupted_side_by_side_and_those_that_come_later_at_once() -> None:
    together = threading.Barrier(2)
    interrupted: list[str] = []

    class Slow(Device):
        """A device whose line no longer answers."""

        def interrupt(self) -> None:
            together.wait(WAIT_S)  # breaks unless both are in it at once
            interrupted.append(self.profile.name)

    reached = Reached()
    for name in "ab":
        reached.add(Slow(here(name), LocalTransport()))
    reached.interrupt()
    assert sorted(interrupted) == ["a", "b"]
    late = reached.add(connect(here("c")))
    with pytest.raises(DeviceError, match="c was interrupted"):
        late.agent()


def test_a_jetson_profile_without_a_host_is_this_machine_where_this_is_one(tmp_path: Path) -> None:
    marker = tmp_path / "nv_tegra_release"
    profile = load_profile("jetson").override(here_if=marker)
    assert not profile.is_local
    marker.write_text("# R36 (release), REVISION: 4.3")
    assert profile.is_local
    assert not profile.override(host="nano").is_local
