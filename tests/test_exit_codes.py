"""How commands end: the exit code of what went wrong, and real failures on a device that can be reached."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from devices import (
    AgentLost,
    ConnectionLost,
    Device,
    DeviceBusy,
    DeviceError,
    DeviceProfile,
    DeviceUnreachable,
    EngineFailed,
    ProfileError,
    RuntimeMissing,
)
from harness.exit_codes import code_of
from harness.measuring import MeasurementError
from harness.search import COMPUTE, InfeasibleBudget, parse_budgets
from tests.devices.faults import faulty_device
from tests.runs import Runner

INFEASIBLE = InfeasibleBudget(parse_budgets({COMPUTE: "1/64"})[0], "none")


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (ProfileError(), 2),
        (DeviceError(), 3),
        (DeviceUnreachable(), 3),
        (DeviceBusy(), 3),
        (RuntimeMissing(), 3),
        (ConnectionLost(), 3),
        (AgentLost(), 5),
        (EngineFailed("no memory"), 5),
        (MeasurementError(), 5),
        (INFEASIBLE, 4),
        (PermissionError(errno.EACCES, "Permission denied", "/root/images"), 2),
        (OSError(errno.EIO, "Input/output error", "/root/images"), 1),
        (ZeroDivisionError(), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_device_out_of_reach_is_told_from_a_measurement_that_failed_on_it(problem: Exception, code: int) -> None:
    assert code_of([problem]) == code


@pytest.mark.parametrize(
    ("problems", "code"),
    [
        ([], 0),
        ([INFEASIBLE, EngineFailed("no memory")], 5),
        ([EngineFailed("no memory"), DeviceUnreachable()], 3),
        ([ZeroDivisionError(), INFEASIBLE], 4),
    ],
    ids=str,
)
def test_of_several_the_first_of_3_5_4_counts(problems: Sequence[Exception], code: int) -> None:
    assert code_of(problems) == code


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (
            "def failing(*a): raise agent.server.EngineError('out of memory')\nagent.server.Server._round = failing",
            5,
            "out of memory",
        ),
        ("agent.server.Server._round = lambda *a: os.abort()", 5, "the agent ended during 'round' (signal 6)"),
        ("agent.server.Server._describe = lambda *a: os.abort()", 3, "tiny cannot say what it is"),
        (
            "if os.path.exists('described'): sys.modules['onnxruntime'] = None\nopen('described', 'w').close()",
            3,
            "the runtime of onnxruntime cannot be imported",
        ),
    ],
    ids=["engine fails", "agent dies", "agent dies at once", "runtime gone since"],
)
def test_what_fails_on_a_device_that_is_there_is_a_failed_measurement_but_for_a_missing_runtime(
    runner: Runner, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, code: int, words: str
) -> None:
    def connect(profile: DeviceProfile) -> Device:
        return faulty_device(profile, tmp_path / "state", fault)

    monkeypatch.setattr("harness.readiness.selfcheck.connect", connect)
    done = runner("selfcheck", "--device", tiny, "--quick", "--store", tmp_path / "store.sqlite")
    assert done.code == code, done.err
    assert words in done.sentence
