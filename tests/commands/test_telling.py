"""What a run tells: on standard output one line of JSON at most, the rest at the terminal."""

from __future__ import annotations

import json
from pathlib import Path

from tests.runs import Result, Runner, selected


class TestTalking:
    def test_json_is_the_only_line_on_standard_output(self, quick_run: Path) -> None:
        (line,) = (quick_run.parent / "out.txt").read_text().splitlines()
        told = json.loads(line)
        assert told["run"] == str(quick_run)
        assert told["exit_code"] == 0
        assert told["errors"] == []
        assert len(told["selected"]) == len(selected(quick_run))
        assert all(answer["host_p50_ms"] > 0 for answer in told["selected"])
        assert {"adapt", "report"} <= set(told["seconds"])

    def test_the_terminal_shows_stages_and_a_closing_table(self, quick_run: Path) -> None:
        told = (quick_run.parent / "err.txt").read_text()
        for words in ("reading the images", "adapting (slimda)", "measuring finalists on tiny", str(quick_run)):
            assert words in told
        assert "1258 target images to adapt to" in " ".join(told.split())
        assert " ".join(told.split()).endswith(f"each with a card, are in {quick_run / 'subnets'}")
        closing = told[told.rindex("onnxruntime") :]
        assert all(row.arch_id in closing for row in selected(quick_run))

    def test_a_stage_alone_ends_with_the_command_of_the_next(self, runner: Runner, copied: Path, store: Path) -> None:
        done = runner("search", "--run", copied, "--store", store)
        assert done.code == 0, done.err
        assert done.err.rstrip().endswith(f"next: python benchmark.py report --run {copied} --store {store}")

    def test_quiet_says_nothing_where_nothing_is_wrong(self, runner: Runner, copied: Path) -> None:
        assert runner("report", "--run", copied, "--quiet") == Result(0, "", "")

    def test_errors_are_told_in_json_too(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--device", "nosuch", "--json", "--quiet")
        told = json.loads(done.out)
        assert told["exit_code"] == done.code == 2
        assert told["errors"] == [done.sentence]
