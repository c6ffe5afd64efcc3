"""What a run says where no bar can move, as in a log."""

from __future__ import annotations

import pytest

from harness import console
from harness.console import Console


def test_a_long_stage_says_in_a_log_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(console, "monotonic", lambda: now[0])
    with Console().stage("adapting") as advance:
        for step in range(1, 7):
            now[0] += 20.0
            advance(step, 6)
    said = [line for line in capsys.readouterr().err.splitlines() if "min left" in line]
    assert said == ["adapting: 2 of 6, about 1.3 min left", "adapting: 4 of 6, about 0.7 min left"]


def test_a_short_stage_says_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().stage("adapting") as advance:
        advance(1, 2)
    assert "min left" not in capsys.readouterr().err


def test_a_quiet_one_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "PULSE_S", 0.0)
    with Console(quiet=True).stage("adapting") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""
