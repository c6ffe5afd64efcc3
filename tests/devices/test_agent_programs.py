"""What boards tell by programs of their own: power mode and throttling by the firmware."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from devices.agent.telemetry import programs
from tests.devices.sensors import Make, sensors


class TestPowerMode:
    @pytest.mark.parametrize(
        ("board", "mode"),
        [("jetson-orin-nano", "15W"), ("jetson-agx-orin", "MAXN"), ("jetson-agx-xavier", "MODE_30W_ALL")],
    )
    def test_it_is_known_by_name_whatever_else_is_printed(self, make: Make, board: str, mode: str) -> None:
        facts = sensors(make(board)).facts()
        assert facts["power_mode"] == mode
        assert "power mode" not in facts["missing"]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ("hang", "did not answer within 0.2 s"),
            ("NVPM ERROR: no permission", "failed (1): NVPM ERROR: no permission"),
            ("NVPM VERB: nothing to say", "names no power mode: NVPM VERB"),
            ("", "it prints nothing"),
        ],
    )
    def test_what_cannot_be_known_has_a_reason(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, answer: str, words: str
    ) -> None:
        board = make("jetson-orin-nano")
        board.answer("nvpmodel", answer)
        monkeypatch.setattr(programs, "_MODE_S", 0.2)
        facts = sensors(board).facts()
        assert facts["power_mode"] is None
        assert words in facts["missing"]["power mode"]

    def test_a_missing_program_is_named(self, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        board = make("jetson-orin-nano")
        (board.root / "usr/sbin/nvpmodel").unlink()
        monkeypatch.setenv("PATH", str(tmp_path))
        assert sensors(board).facts()["missing"]["power mode"] == "the program nvpmodel is missing"

    def test_it_is_found_on_the_path_too(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        board = make("jetson-orin-nano")
        elsewhere = board.root / "elsewhere"
        (board.root / "usr/sbin").rename(elsewhere)
        monkeypatch.setenv("PATH", f"{elsewhere}:/usr/bin:/bin")
        assert sensors(board).facts()["power_mode"] == "15W"

    def test_what_is_no_jetson_has_none_and_needs_no_reason(self, make: Make) -> None:
        facts = sensors(make("x86")).facts()
        assert facts["power_mode"] is None
        assert "power mode" not in facts["missing"]


class TestFirmwareThrottling:
    def test_what_holds_now_and_what_has_happened_before_are_told_apart(self, make: Make) -> None:
        board = make("raspberrypi5")
        board.answer("vcgencmd", "throttled=0x50005")
        found = sensors(board)
        assert found.facts()["throttled_before"] == ["under-voltage", "throttled"]
        assert found.reading()["throttling"] == ["under-voltage", "throttled"]
        board.answer("vcgencmd", "throttled=0x50000")
        assert sensors(board).reading()["throttling"] == []

    def test_what_happened_between_two_looks_is_noticed(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        board = make("raspberrypi4")
        found = sensors(board)
        assert found.reading()["throttling"] == []
        board.answer("vcgencmd", "throttled=0x80000")
        assert found.reading()["throttling"] == [], "the program is started once a second at most"
        later = time.monotonic() + 2
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert found.reading()["throttling"] == ["soft temperature limit"]

    @pytest.mark.parametrize("answer", ["VCHI initialization failed", "hang", "ERROR"])
    def test_a_program_that_fails_is_not_asked_again_at_once_and_the_reason_kept(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, answer: str
    ) -> None:
        board = make("raspberrypi4")
        board.answer("vcgencmd", answer)
        monkeypatch.setattr(programs, "_THROTTLED_S", 0.2)
        found = sensors(board)
        reason = found.facts()["missing"]["firmware throttling"]
        assert "vcgencmd" in reason
        start = time.monotonic()
        assert found.reading()["throttling"] == []
        assert time.monotonic() - start < 0.1

    def test_a_program_that_failed_once_is_heard_again(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        board = make("raspberrypi4")
        found, now = sensors(board), time.monotonic()
        for later, answer, reasons in (
            (10, "throttled=0x4", ["throttled"]),
            (20, "ERROR", ["throttled"]),
            (40, "throttled=0x80000", ["soft temperature limit"]),
        ):
            board.answer("vcgencmd", answer)
            monkeypatch.setattr(time, "monotonic", lambda moment=now + later: moment)
            assert found.reading()["throttling"] == reasons
        assert "firmware throttling" not in found.facts()["missing"]

    def test_what_happened_before_it_was_first_heard_is_not_put_down_to_the_run(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        board = make("raspberrypi4")
        board.answer("vcgencmd", "ERROR")
        found, later = sensors(board), time.monotonic() + 20
        board.answer("vcgencmd", "throttled=0x50000")
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert found.reading()["throttling"] == []
        assert found.facts()["throttled_before"] == ["under-voltage", "throttled"]
