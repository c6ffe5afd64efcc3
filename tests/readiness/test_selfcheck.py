"""`selfcheck`: whether a device can give honest numbers now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devices import DeviceError, DeviceUnreachable, EngineFailed, PrecisionMissing
from harness.measuring import NullTest, fences, guards
from harness.readiness import selfcheck
from tests.runs import Runner


def null(ratio: float = 1.0, *, off: int = 0) -> NullTest:
    """A null test of 20 pairs at 1 ms, of which `off` lie beyond the tolerance."""
    ratios = (1.5,) * off + (ratio,) * (20 - off)
    return NullTest(ratios, 1000.0, 0.01, ratio, ratio - 0.001, ratio + 0.001, 0.02)


def test_a_real_device_is_checked_and_described(runner: Runner, tmp_path: Path, tiny: Path) -> None:
    done = runner("selfcheck", "--device", tiny, "--quick", "--store", tmp_path / "store.sqlite", "--json")
    (found,) = json.loads(done.out)["checked"]
    assert done.code == (5 if found["verdict"] else 0)
    assert found["device"] == "tiny"
    assert found["pairs"] == selfcheck.QUICK_PAIRS
    assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"]
    assert "null test" in done.err
    assert "noise" in done.err


def test_an_unreachable_device_is_exit_code_3(runner: Runner) -> None:
    done = runner("selfcheck", "--device", "jetson", "--quick")
    assert done.code == 3
    assert "--host" in done.sentence


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (DeviceUnreachable("the board went up in smoke"), 3),
        (PrecisionMissing("the board runs no such precision"), 0),
        (EngineFailed("the board has no memory for it"), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_a_device_lost_after_the_null_test_is_a_failure_and_what_was_found_before_is_told(
    runner: Runner, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, problem: DeviceError, code: int
) -> None:
    def fails(*_: object) -> None:
        raise problem

    reference = fences.Reference(("",), ("onnxruntime",), "fp32", "resnet18", 9.0, "a table")
    monkeypatch.setattr(fences, "references", lambda board: [reference])
    monkeypatch.setattr(selfcheck, "_held_against", fails)
    monkeypatch.setattr(selfcheck, "PAIRS", selfcheck.QUICK_PAIRS)
    done = runner("selfcheck", "--device", tiny, "--store", tmp_path / "store.sqlite", "--json")
    (found,) = json.loads(done.out)["checked"]
    assert done.code == (code or (5 if found["verdict"] else 0))
    assert str(problem) in done.err
    assert found["fences"] == []


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([], ""),
        ([guards.GovernorSavesPower("ondemand"), guards.OthersAreBusy(0.4)], ""),
        ([guards.SlowedDown(("under-voltage",), now=False)], ""),
        ([guards.SlowedDown(("under-voltage",), now=True)], "under-voltage"),
        ([guards.NearTemperatureLimit(92.0, 95.0)], "hot"),
        ([guards.OtherPowerMode("15W", "MAXN")], "15W, not MAXN"),
    ],
)
def test_only_what_makes_numbers_dishonest_decides(findings: list[guards.Finding], words: str) -> None:
    found = selfcheck._verdict(findings, null())
    assert words in found
    assert bool(found) == bool(words)


def test_a_device_on_which_a_network_differs_from_itself_is_not_believed() -> None:
    assert "differs from itself by 5.0%" in selfcheck._verdict([], null(1.05))
    assert "15% of comparisons" in selfcheck._verdict([], null(off=3))
    assert selfcheck._verdict([], null(off=2)) == ""
