"""What-ifs: limits answered from what a run measured and scored, with no device there, and nothing changed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.bank import load_bank
from harness.costs import ComplexityCounter, KeptCosts, LayerTable
from harness.report import Row, read_csv, write_csv
from harness.search import ScoreBook
from harness.space import arch_id, decode
from tests.runs import Result, Runner, write_profile

#: A host of the loopback network at which no server listens.
OUT_OF_REACH = 'transport = "ssh"\nhost = "nobody@127.255.255.254"'


class WhatIf:
    """Asks a copy of a run whose device is out of reach, and whose budgets are not those it was asked for."""

    def __init__(self, runner: Runner, run: Path, folder: Path) -> None:
        self._runner = runner
        self.run = Path(shutil.copytree(run, folder / "copied"))
        self.rewrite(devices=[str(write_profile(folder, reached=OUT_OF_REACH))], budgets=None)

    def rewrite(self, **arguments: Any) -> None:
        """Change what the run was asked for."""
        record = json.loads((self.run / "run.json").read_text())
        record["arguments"] |= arguments
        (self.run / "run.json").write_text(json.dumps(record))

    def __call__(self, *options: object) -> Result:
        return self._runner("search", "--run", self.run, *options)

    def answers(self, *options: object) -> list[dict[str, Any]]:
        """What `--json` tells of budgets that can all be answered."""
        done = self(*options, "--json")
        assert done.code == 0, done.err
        found: list[dict[str, Any]] = json.loads(done.out)["answers"]
        return found

    @property
    def costs(self) -> Path:
        return self.run / "costs" / "tiny-fp32-b1.json"

    @property
    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.run.rglob("*") if path.is_file()}

    def write_figures(self, column: str, figure: Callable[[Row], float] | None) -> None:
        """Write in place of what was measured: a figure for some rows; None for none."""
        rows = read_csv(self.run / "tradeoff.csv")
        figures: list[dict[str, Any]] = [
            {column: figure(row) if figure and place % 10 == 0 else None} for place, row in enumerate(rows)
        ]
        rows = [dataclasses.replace(row, **own) for row, own in zip(rows, figures, strict=True)]
        write_csv(rows, self.run / "tradeoff.csv")


@pytest.fixture
def what_if(runner: Runner, quick_run: Path, tmp_path: Path) -> WhatIf:
    return WhatIf(runner, quick_run, tmp_path)


def one_sentence(done: Result) -> str:
    assert "Traceback" not in done.err
    assert done.err.count("error:") == 1
    return done.sentence


class TestAnswers:
    def test_come_in_seconds_without_the_device_and_change_nothing(self, what_if: WhatIf) -> None:
        before, begun = what_if.files, time.monotonic()
        done = what_if("--latency-ms", "1000", "--budgets", "1,1/4,1/9")
        assert done.code == 0, done.err
        assert time.monotonic() - begun < 30, "a search alone takes longer on a busy machine"
        assert what_if.files == before

    def test_keep_every_limit_by_prediction(self, what_if: WhatIf) -> None:
        limits = ("--budgets", "1/2,1/8", "--latency-ms", "1000", "--model-mb", "0.3")
        answers = what_if.answers(*limits)
        assert [answer["budget"] for answer in answers] == [f"{share}+1000ms+0.3MB-model" for share in ("1/2", "1/8")]
        counter = ComplexityCounter(load_bank(what_if.run / "bank")[0])
        for answer, share in zip(answers, (0.5, 0.125), strict=True):
            arch = decode(answer["widths"])
            assert answer["arch_id"] == arch_id("resnet8", arch)
            assert answer["macs"] == counter.macs(arch)
            assert counter.compute_fraction(arch) <= share
            assert answer["predicted_ms"] <= 1000
            assert answer["predicted_model_mb"] <= 0.3
            assert (answer["device"], answer["precision"], answer["batch_size"]) == ("tiny", "fp32", 1)
            assert answer["cost_source"] == "predicted"

    def test_are_the_least_upem_of_all_that_was_scored(self, what_if: WhatIf) -> None:
        key = json.loads((what_if.run / "run.json").read_text())["score_key"]
        scores = ScoreBook(what_if.run / "scores.sqlite").all(key)
        counter = ComplexityCounter(load_bank(what_if.run / "bank")[0])
        (answer,) = what_if.answers("--budgets", "1/5")
        assert len(scores) > 40
        assert answer["upem"] == min(upem for arch, upem in scores.items() if counter.compute_fraction(arch) <= 0.2)
        (whole,) = what_if.answers("--budgets", "1")
        assert whole["upem"] == 0

    def test_are_predicted_by_the_very_model_that_profiling_fitted(self, what_if: WhatIf) -> None:
        kept = KeptCosts.read(what_if.costs)
        bank, _ = load_bank(what_if.run / "bank")
        model = kept.latency_model(LayerTable(bank))
        record = json.loads((what_if.run / "run.json").read_text())["cost_models"]["tiny"]
        assert record["unseen"]
        for network in record["unseen"]:
            found = model.predict(decode(network["widths"]))
            assert (found.ms, found.low_ms, found.high_ms) == (
                network["predicted_ms"],
                network["low_ms"],
                network["high_ms"],
            )
        for answer in what_if.answers("--budgets", "1,1/8"):
            found = model.predict(decode(answer["widths"]))
            assert (answer["predicted_ms"], answer["predicted_high_ms"]) == (found.ms, found.high_ms)

    def test_say_at_the_terminal_that_they_are_predicted_within_which_interval_and_how_to_verify(
        self, what_if: WhatIf
    ) -> None:
        (answer,) = what_if.answers("--latency-ms", "1000")
        assert answer["predicted_low_ms"] < answer["predicted_ms"] < answer["predicted_high_ms"]
        assert answer["interval_within"] is (answer["predicted_high_ms"] <= 1000)
        told = what_if("--latency-ms", "1000").err
        for words in ("1000ms", answer["arch_id"], "95% interval", "predicted, not measured", "off on average"):
            assert words in told
        assert f"python benchmark.py search --run {what_if.run} --latency-ms 1000 --measure" in told

    def test_predict_memory_and_energy_from_what_was_measured_of_the_selected_subnets(self, what_if: WhatIf) -> None:
        what_if.write_figures("peak_memory_mb", lambda row: 1 + 4 * row.params / 1e6)
        what_if.write_figures("energy_mj", lambda row: 1 + 1000 * row.macs / 1e9)
        answers = what_if.answers("--memory-mb", "1000,2", "--energy-mj", "2")
        assert [answer["budget"] for answer in answers] == ["1000MB+2mJ", "2MB+2mJ"]
        for answer in answers:
            assert answer["predicted_energy_mj"] == pytest.approx(1 + 1000 * answer["macs"] / 1e9, rel=0.05)
            assert answer["predicted_energy_mj"] <= 2
        assert 1 < answers[1]["predicted_memory_mb"] <= 2
        assert "memory: " in what_if("--memory-mb", "2").err

    def test_predict_memory_by_the_model_of_a_search_that_limited_it(
        self, runner: Runner, what_if: WhatIf, quick_run: Path, tmp_path: Path, tiny: Path
    ) -> None:
        store = Path(shutil.copy(quick_run.parent / "store.sqlite", tmp_path / "store.sqlite"))
        asked = ("--store", store, "--device", tiny, "--memory-mb", "4")
        measured = runner("search", "--run", what_if.run, *asked, "--measure")
        assert measured.code == 0, measured.err
        store.unlink()
        what_if.write_figures("peak_memory_mb", None)
        (answer,) = what_if.answers("--device", write_profile(tmp_path, reached=OUT_OF_REACH), "--memory-mb", "3")
        rates = json.loads((what_if.run / "run.json").read_text())["cost_models"]["tiny"]["memory"]["rates"]
        assert json.loads(what_if.costs.read_text())["memory"]["rates"] == rates
        assert 0 < answer["predicted_memory_mb"] <= 3


class TestWhatCannotBeAnswered:
    def test_a_latency_below_everything_measured_names_the_nearest(self, what_if: WhatIf) -> None:
        done = what_if("--latency-ms", "0.000001")
        assert done.code == 4
        assert one_sentence(done).startswith("budget 0.000001ms cannot be met: the fastest subnet measured on tiny")

    def test_a_budget_that_nothing_scored_meets_names_the_nearest_beside_answers(self, what_if: WhatIf) -> None:
        done = what_if("--model-mb", "0.001,1", "--json")
        assert done.code == 4
        assert "budget 0.001MB-model cannot be met: by prediction for tiny, the nearest of " in one_sentence(done)
        told = json.loads(done.out)
        assert [answer["budget"] for answer in told["answers"]] == ["1MB-model"]
        assert (told["exit_code"], len(told["errors"])) == (4, 1)

    @pytest.mark.parametrize(("option", "column"), [("--memory-mb", "peak_memory_mb"), ("--energy-mj", "energy_mj")])
    def test_what_was_not_measured_names_the_command_that_does(self, what_if: WhatIf, option: str, column: str) -> None:
        what_if.write_figures(column, None)
        done = what_if(option, "5")
        assert done.code == 2
        assert f"{option} cannot be answered for tiny without the device: the run has no model" in one_sentence(done)
        assert done.sentence.endswith(f"python benchmark.py search --run {what_if.run} {option} 5 --measure")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda text: "nonsense", "does not hold a device's costs"),
            (lambda text: text[: len(text) // 2], "does not hold a device's costs"),
            (lambda text: text.replace('"format": 1', '"format": 2'), "format"),
            (lambda text: json.dumps({**json.loads(text), "anchor_ms": -1}), "anchor_ms"),
            (lambda text: json.dumps({**json.loads(text), "layers": []}), "cannot be used with its bank"),
            (lambda text: json.dumps({**json.loads(text), "networks": []}), "cannot be used with its bank"),
            (
                lambda text: json.dumps({**json.loads(text), "networks": [{"widths": "3-4", "ratio": 1}]}),
                "cannot be used with its bank",
            ),
            (
                lambda text: json.dumps(
                    {**json.loads(text), "memory": {"rates": {"luck": 1}, "median_error": 0, "p90_error": 0}}
                ),
                "have rates of luck",
            ),
        ],
    )
    def test_damaged_costs_are_a_sentence(self, what_if: WhatIf, change: Any, words: str) -> None:
        what_if.costs.write_text(change(what_if.costs.read_text()))
        done = what_if("--latency-ms", "1000")
        assert done.code == 2
        assert words in one_sentence(done)
        assert "--measure" in done.sentence

    def test_damaged_scores_are_a_sentence(self, what_if: WhatIf) -> None:
        (what_if.run / "scores.sqlite").write_text("nonsense" * 1000)
        done = what_if("--latency-ms", "1000")
        assert done.code == 2
        assert "scores.sqlite" in one_sentence(done)


class TestTheDeviceIsAsked:
    """Out of reach as it is, that ends with exit code 3."""

    def test_where_measuring_is_asked_for(self, what_if: WhatIf) -> None:
        assert what_if("--latency-ms", "1000", "--measure").code == 3

    def test_where_nothing_is_limited(self, what_if: WhatIf) -> None:
        assert what_if().code == 3

    def test_where_no_costs_are_kept_of_one_of_the_configurations(self, what_if: WhatIf) -> None:
        assert what_if("--latency-ms", "1000", "--batch-size", "1,2").code == 3

    def test_where_nothing_was_scored(self, what_if: WhatIf) -> None:
        (what_if.run / "scores.sqlite").unlink()
        assert what_if("--latency-ms", "1000").code == 3
