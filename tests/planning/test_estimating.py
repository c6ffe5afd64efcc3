"""`--estimate`: planning without a device, through the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from devices import DeviceProfile, load_profile
from harness.bank import create_bank, load_bank
from harness.costs import ComplexityCounter, Roofline
from harness.export import ExportMismatch, subnet_filename
from harness.planning.estimating import profile_roof
from harness.report import Row, columns, read_csv
from harness.results.device_results import DeviceResults
from harness.search import COMPUTE, LATENCY, parse_budgets
from harness.space import decode
from tests.export.quantised import integers_read
from tests.runs import TINY_ADAPTATION, Runner

JETSON, PI = "jetson-orin-nano", "raspberrypi5"


def integers_in(run: Path) -> set[int]:
    """Return the types of the integers in a run's files that TensorRT does not read."""
    return set().union(*(integers_read(onnx.load(path)) for path in (run / "subnets").glob("*-int8-b1.onnx")))


def no_device(profile: DeviceProfile) -> None:
    raise AssertionError(f"{profile.name} must not be connected")


@pytest.fixture(scope="module")
def estimated(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole estimated run for two boards; what was printed lies beside it. Not to be written to."""
    folder = tmp_path_factory.mktemp("estimated")
    limits = ("--latency-ms", "0.04,1000")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.running.run.connect", no_device)
        place = ("--run", folder / "run", "--store", folder / "store.sqlite")
        asked = ("--device", f"{JETSON},{PI}", "--estimate", "--json", "--baseline", "mobilenet_v2")
        done = runner(*place, *asked, *TINY_ADAPTATION, *limits)
    assert done.code == 0, done.err
    (folder / "out.json").write_text(done.out)
    (folder / "err.txt").write_text(done.err)
    return folder / "run"


@pytest.fixture
def copied(estimated: Path, tmp_path: Path) -> Path:
    """A copy of `estimated` to be written to."""
    return Path(shutil.copytree(estimated, tmp_path / "copied"))


def rows_of(run: Path, device: str = "") -> list[Row]:
    return [row for row in read_csv(run / "tradeoff.csv") if device in row.device]


def selected(run: Path) -> list[Row]:
    return [row for row in rows_of(run) if row.selected == "yes"]


class TestRows:
    def test_are_called_estimated_and_have_no_other_latency(self, estimated: Path) -> None:
        measured = [name for name in columns() if name.startswith(("host_", "sustained_", "compute_p50", "first_"))]
        measured += ["samples", "rounds", "processes", "throughput_ips", "peak_memory_mb", "energy_mj", "agreement"]
        assert {row.device for row in rows_of(estimated)} == {JETSON, PI}
        for row in rows_of(estimated):
            assert row.cost_source == "estimated"
            assert row.predicted_ms is not None
            assert {name: getattr(row, name) for name in measured} == dict.fromkeys(measured)
            assert (row.status, row.engine, row.engine_version, row.power_mode) == ("ok", None, None, None)
            assert row.threads == (4 if row.device == PI else None)
            assert row.arch_id == hashlib.sha256(f"resnet8:{row.widths}".encode()).hexdigest()[:12]

    def test_have_the_latency_of_the_formula(self, estimated: Path) -> None:
        bank, _ = load_bank(estimated / "bank")
        counter = ComplexityCounter(bank)
        for device in (JETSON, PI):
            roofline = Roofline(counter, profile_roof(load_profile(device), "fp32"))
            for row in rows_of(estimated, device):
                assert row.predicted_ms == pytest.approx(roofline.predict_ms(decode(row.widths)))

    def test_never_say_that_a_latency_budget_is_surely_kept(self, estimated: Path) -> None:
        answers = selected(estimated)
        found = sorted((row.device, budget) for row in answers for budget in row.budgets)
        budgets = [f"{share}+{limit}" for share in ("1", "1/64", "1/8") for limit in ("0.04ms", "1000ms")]
        assert found == sorted((device, budget) for device in (JETSON, PI) for budget in budgets)
        assert {row.within_budget for row in answers} == {"borderline"}
        for row in answers:
            limits = [limit for budget in row.budgets for limit in budget.split("+")]
            assert "0.04ms" not in limits or (row.predicted_ms or 1) <= 0.04

    def test_of_selected_subnets_have_the_accuracy_that_labels_give(self, estimated: Path) -> None:
        assert all((row.target_accuracy is not None) == (row.selected == "yes") for row in rows_of(estimated))

    def test_narrower_subnets_are_estimated_no_slower(self, estimated: Path) -> None:
        for one, other in combinations(rows_of(estimated, PI), 2):
            narrower, wider = sorted((one, other), key=lambda row: row.macs)
            if all(a <= b for a, b in zip(decode(narrower.widths), decode(wider.widths), strict=True)):
                assert (narrower.predicted_ms or 0) <= (wider.predicted_ms or 0)


class TestRunFolder:
    def test_says_that_it_is_an_estimate_and_from_which_figures(self, estimated: Path) -> None:
        record = json.loads((estimated / "run.json").read_text())
        assert record["arguments"]["estimate"] is True
        assert set(record["devices"]) == {JETSON, PI}
        for name, about in record["devices"].items():
            profile = load_profile(name)
            assert profile.hardware
            assert about["cost_source"] == "estimated"
            assert about["hardware"] == profile.hardware.model_dump()
        assert record["cost_models"] == {}

    def test_holds_no_measurement(self, estimated: Path) -> None:
        assert not (estimated / "measurements.sqlite").exists()

    def test_says_that_it_has_no_baselines(self, estimated: Path) -> None:
        assert not (estimated / "baselines").exists()
        words = "mobilenet_v2: baselines are measured, not estimated, and are left out"
        assert words in (estimated.parent / "err.txt").read_text()
        assert words in (estimated / "report.html").read_text(encoding="utf-8")

    def test_holds_the_selected_subnets_verified(self, estimated: Path) -> None:
        files = {path.name: path.stat().st_size for path in (estimated / "subnets").glob("*.onnx")}
        assert files == {subnet_filename(row.arch_id, "fp32", 1): row.model_bytes for row in selected(estimated)}
        for name in files:
            onnxruntime.InferenceSession(str(estimated / "subnets" / name), providers=["CPUExecutionProvider"])

    def test_a_subnet_that_does_not_answer_as_the_bank_is_not_left(
        self, runner: Runner, copied: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def differs(*_: Any) -> None:
            raise ExportMismatch("the outputs differ")

        monkeypatch.setattr("harness.deployment.verify", differs)
        shutil.rmtree(copied / "subnets")
        done = runner("search", "--run", copied, "--device", PI)
        assert done.code == 5
        assert done.sentence == "the outputs differ"
        assert list(copied.glob("subnets/*")) == []


class TestTalking:
    def test_the_terminal_and_the_page_say_estimated_and_warn(self, estimated: Path) -> None:
        told = (estimated.parent / "err.txt").read_text()
        assert "estimated" in told
        for words in (f"nothing was measured on {JETSON}", f"nothing was measured on {PI}"):
            assert words in told
            assert words in (estimated / "report.html").read_text()
        assert "measuring" not in told

    def test_json_tells_estimates_from_measurements(self, estimated: Path) -> None:
        told = json.loads((estimated.parent / "out.json").read_text())
        assert told["exit_code"] == 0
        assert {(row["cost_source"], row["host_p50_ms"]) for row in told["selected"]} == {("estimated", None)}
        assert all(row["predicted_ms"] > 0 for row in told["selected"])


class TestStages:
    def test_a_bank_is_estimated_for_another_board_without_adapting_again(self, runner: Runner, copied: Path) -> None:
        before = (copied / "bank" / "weights.safetensors").read_bytes()
        device = ("--device", "jetson-agx-orin", "--budgets", "1/8", "--latency-ms", "5")
        assert runner("search", "--run", copied, *device).code == 0
        assert {row.device for row in rows_of(copied)} == {"jetson-agx-orin"}
        assert (copied / "bank" / "weights.safetensors").read_bytes() == before
        assert runner("report", "--run", copied).code == 0

    def test_int8_files_have_the_form_for_tensorrt_where_it_would_serve_any_of_the_boards(
        self, runner: Runner, copied: Path
    ) -> None:
        asked = ("search", "--run", copied, "--precision", "int8", "--budgets", "1/8")
        assert runner(*asked, "--device", PI).code == 0
        assert integers_in(copied) == {TensorProto.INT8, TensorProto.INT32}
        assert runner(*asked, "--device", f"{JETSON},{PI}").code == 0
        assert integers_in(copied) == set()

    def test_a_measured_run_can_be_estimated_for_a_board_and_measured_again(
        self, runner: Runner, quick_run: Path, tmp_path: Path, tiny: Path
    ) -> None:
        run = Path(shutil.copytree(quick_run, tmp_path / "run"))
        store = Path(shutil.copy(quick_run.parent / "store.sqlite", tmp_path / "store.sqlite"))
        place = ("--run", run, "--store", store, "--budgets", "1/64")
        assert runner("search", *place, "--device", PI, "--estimate").code == 0
        assert {row.cost_source for row in rows_of(run)} == {"estimated"}
        assert runner("search", *place, "--device", tiny, "--measure").code == 0
        assert {row.cost_source for row in selected(run)} == {"measured"}

    def test_there_is_nothing_to_profile(self, runner: Runner, copied: Path) -> None:
        before = (copied / "tradeoff.csv").read_bytes()
        assert runner("profile", "--run", copied).code == 0
        assert (copied / "tradeoff.csv").read_bytes() == before
        assert json.loads((copied / "run.json").read_text())["cost_models"] == {}


class TestRefusals:
    @pytest.mark.parametrize("stage", ["adapt", "search"])
    def test_a_profile_without_figures(self, runner: Runner, copied: Path, tmp_path: Path, stage: str) -> None:
        run = tmp_path / "new" if stage == "adapt" else copied
        done = runner(stage, "--run", run, "--device", f"{PI},cpu", "--estimate")
        assert done.code == 2
        assert "the profile of cpu has no [hardware] section; there are figures for jetson-agx-orin" in done.sentence
        assert "Traceback" not in done.err
        assert not (tmp_path / "new" / "bank").exists()

    def test_a_profile_without_a_peak_for_what_networks_are_in(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--device", "raspberrypi4", "--estimate", "--precision", "int8")
        assert done.code == 2
        assert done.sentence == "the profile of raspberrypi4 has no hardware.peak_gmacs.int8 to estimate from"

    def test_budgets_that_nothing_can_meet_are_noticed_before_training(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--device", JETSON, "--estimate", "--latency-ms", "0.01")
        assert done.code == 4
        assert done.sentence == (
            f"budget 0.01ms cannot be met: the smallest subnet, by estimate for {JETSON}, needs 0.034ms"
        )
        assert "measured" not in done.sentence
        assert not (tmp_path / "run" / "bank").exists()

    def test_what_can_be_met_is_done_beside_what_cannot(self, runner: Runner, copied: Path) -> None:
        limits = ("--latency-ms", "0.02,1", "--budgets", "1")
        done = runner("search", "--run", copied, "--device", f"{JETSON},{PI}", *limits)
        assert done.code == 4
        assert done.err.count("error:") == 1
        assert {(row.device, budget) for row in selected(copied) for budget in row.budgets} == {
            (JETSON, "1+1ms"),
            (PI, "1+1ms"),
            (PI, "1+0.02ms"),
        }

    def test_without_estimate_a_board_that_is_not_there_stops_the_run_before_training(
        self, runner: Runner, tmp_path: Path
    ) -> None:
        done = runner("--run", tmp_path / "run", "--device", JETSON, *TINY_ADAPTATION)
        assert done.code == 3
        assert not (tmp_path / "run" / "bank").exists()


def test_an_estimate_speaks_against_a_budget_but_never_confirms_it() -> None:
    counter = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16)))
    roofline = Roofline(counter, profile_roof(load_profile(PI), "fp32"))
    full, smallest = counter.space.full, counter.space.smallest
    limit = (roofline.predict_ms(full) + roofline.predict_ms(smallest)) / 2
    budgets = {
        kind: parse_budgets(options)[0]
        for kind, options in {
            "latency": {LATENCY: f"{limit:.6f}"},
            "compute": {COMPUTE: "1/2"},
            "both": {COMPUTE: "1/2", LATENCY: "1000"},
        }.items()
    }
    results = DeviceResults(load_profile(PI), "fp32", None, list(budgets.values()), roofline=roofline)
    verdicts = {
        kind: (results.verdict(budget, smallest, counter), results.verdict(budget, full, counter))
        for kind, budget in budgets.items()
    }
    assert verdicts == {"latency": ("borderline", "no"), "compute": ("yes", "no"), "both": ("borderline", "no")}


def test_fewer_threads_are_estimated_slower() -> None:
    counter = ComplexityCounter(create_bank("resnet8", ["a", "b"], (1, 16, 16)))
    four, one = (Roofline(counter, profile_roof(load_profile(PI).override(threads=n), "fp32")) for n in (4, 1))
    assert one.predict_ms(counter.space.full) > 1.5 * four.predict_ms(counter.space.full)
