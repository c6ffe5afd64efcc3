"""`selfcheck`: whether a device can give honest numbers now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import selfcheck
from harness.measuring import NullTest, guards
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
