"""The agent's sensors on a made-up board."""

from __future__ import annotations

from collections.abc import Callable

from devices import Reading
from devices.agent.files import Files
from devices.agent.telemetry import Telemetry
from tests.boards.sysfs import FakeBoard

Make = Callable[[str], FakeBoard]


def sensors(board: FakeBoard) -> Telemetry:
    return Telemetry(Files(str(board.root)))


def read(board: FakeBoard) -> Reading:
    return Reading.model_validate(sensors(board).reading())
