"""What the engine on a device answers decides what is selected: wrong answers never are, and the row says why."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from devices import Device, DeviceProfile, Precision, load_profile
from harness.bank import Architecture, load_bank
from harness.data import load_digits
from harness.deployment import LEAST_ANSWERS, Answers, Deployment
from harness.measuring import Subject
from harness.report import Row, read_csv
from harness.search import discrepancy
from tests.devices.faults import answering, faulty_device
from tests.runs import Result, Runner

NEGATED = "-answer()"
PERMUTED = "answer()[:, ::-1].copy()"
NOT_A_NUMBER = "answer() * float('nan')"
ONE_CLASS_LESS = "answer()[:, 1:].copy()"
FAILS = "(_ for _ in ()).throw(e.EngineError('out of memory'))"
DIES = "os._exit(3)"


def ignore(done: int, total: int) -> None:
    """Progress that nobody looks at."""


class TestCheck:
    @pytest.fixture(scope="class")
    def deployment(self, quick_run: Path) -> Deployment:
        return Deployment(load_bank(quick_run / "bank")[0], load_digits(0)[0], batch_size=3)

    @pytest.fixture(scope="class")
    def subjects(self, deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> dict[Architecture, Subject]:
        space, folder = deployment.bank.space, tmp_path_factory.mktemp("subnets")
        return {arch: deployment.subnet(arch, folder, {}) for arch in (space.full, space.uniform(0.5))}

    def check(
        self, deployment: Deployment, subjects: dict[Architecture, Subject], tiny: Path, state: Path, fault: str
    ) -> tuple[Answers, Answers]:
        """Return the answers of both, of a device with a fault."""
        with faulty_device(load_profile(tiny), state, fault) as device:
            first, second = deployment.check(device, subjects, LEAST_ANSWERS, ignore).values()
        return first, second

    def test_right_answers_agree_and_have_the_bank_s_upem(
        self, deployment: Deployment, subjects: dict[Architecture, Subject], tiny: Path, tmp_path: Path
    ) -> None:
        full, half = self.check(deployment, subjects, tiny, tmp_path, "")
        assert (full.images, full.agreement, full.problem) == (LEAST_ANSWERS, 1.0, "")
        assert full.upem == pytest.approx(0, abs=1e-5)
        bank, images = deployment.bank, deployment.domains.calibration
        with torch.no_grad():
            ours, anchored = (
                bank.logits(images[:LEAST_ANSWERS], arch, bank.reestimate(images, arch)).softmax(dim=1)
                for arch in (bank.space.uniform(0.5), bank.space.full)
            )
        assert half.upem == pytest.approx(discrepancy(ours, anchored), abs=1e-4)

    @pytest.mark.parametrize("change", [NEGATED, PERMUTED])
    def test_wrong_answers_disagree(
        self, deployment: Deployment, subjects: dict[Architecture, Subject], tiny: Path, tmp_path: Path, change: str
    ) -> None:
        for answers in self.check(deployment, subjects, tiny, tmp_path, answering(change)):
            assert answers.agreement is not None
            assert answers.agreement < 0.5
            assert answers.upem is not None
            assert answers.upem > 0
            assert answers.problem == ""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (NOT_A_NUMBER, "the engine answers with numbers that are not finite"),
            (ONE_CLASS_LESS, "the engine failed: the network answers with shape [3, 9], its file says [3, 10]"),
            (FAILS, "the engine failed: out of memory"),
            (DIES, "the engine failed: the agent ended during"),
        ],
    )
    def test_no_usable_answer_costs_the_one_subnet_and_says_why(
        self,
        deployment: Deployment,
        subjects: dict[Architecture, Subject],
        tiny: Path,
        tmp_path: Path,
        change: str,
        words: str,
    ) -> None:
        full = next(iter(subjects.values()))
        sha = hashlib.sha256(full.file.read_bytes()).hexdigest()
        bad, good = self.check(deployment, subjects, tiny, tmp_path, answering(change, sha))
        assert (bad.agreement, bad.upem) == (None, None)
        assert words in bad.problem
        assert (good.agreement, good.problem) == (1.0, "")


class TestSelection:
    """The search on a device that answers wrongly."""

    @pytest.fixture
    def copied(self, quick_run: Path, tmp_path: Path) -> Path:
        shutil.copytree(quick_run, tmp_path / "copied")
        shutil.copy(quick_run.parent / "store.sqlite", tmp_path / "store.sqlite")
        return tmp_path / "copied"

    @pytest.fixture
    def best(self, quick_run: Path) -> Row:
        """What a device that answers rightly gets for the least budget."""
        return next(row for row in rows(quick_run) if "1/64" in row.budgets)

    def search(self, runner: Runner, run: Path, monkeypatch: pytest.MonkeyPatch, fault: str, *options: str) -> Result:
        def connect(profile: DeviceProfile, precision: Precision) -> Device:
            return faulty_device(profile, run.parent / "state", fault, precision)

        monkeypatch.setattr("harness.running.run.connect", connect)
        return runner("search", "--run", run, "--store", run.parent / "store.sqlite", *options)

    @pytest.mark.parametrize("change", [NEGATED, FAILS])
    def test_the_runner_up_takes_the_place_of_a_subnet_that_is_answered_wrongly(
        self, runner: Runner, copied: Path, best: Row, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        file = copied / "subnets" / f"{best.arch_id}-fp32-b1.onnx"
        sha = hashlib.sha256(file.read_bytes()).hexdigest()
        done = self.search(runner, copied, monkeypatch, answering(change, sha))
        assert done.code == 0, done.err
        found = {row.arch_id: row for row in rows(copied)}
        (selected,) = [row for row in found.values() if "1/64" in row.budgets]
        assert selected.arch_id != best.arch_id
        assert (selected.agreement, selected.within_budget, selected.reason) == (1.0, "yes", None)
        files = {path.name for path in (copied / "subnets").glob("*.onnx")}
        assert files == {f"{row.arch_id}-fp32-b1.onnx" for row in found.values() if row.selected == "yes"}

        wrong = found[best.arch_id]
        assert (wrong.selected, wrong.on_front) == ("no", "no")
        assert wrong.reason is not None
        assert f"subnet {best.arch_id} is not selected on tiny: {wrong.reason}" in done.err
        assert wrong.upem is None, "so that it is on no front"
        if change == FAILS:
            assert wrong.agreement is None
            assert wrong.reason == "the engine failed: out of memory"
        else:
            assert wrong.agreement is not None
            assert wrong.agreement < 0.5
            assert "names another class than the bank" in wrong.reason

    def test_where_no_finalist_is_answered_rightly_the_budget_has_no_answer_and_the_run_says_why(
        self, runner: Runner, copied: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = self.search(runner, copied, monkeypatch, answering(NEGATED), "--measure", "--budgets", "1/64")
        assert done.code == 5
        assert done.err.count("error:") == 1
        assert "no finalist for budget 1/64 can be used on tiny: the engine on the device names" in done.sentence
        assert [row.arch_id for row in rows(copied) if row.selected == "yes"] == []
        assert list((copied / "subnets").iterdir()) == []


def rows(run: Path) -> list[Row]:
    return read_csv(run / "tradeoff.csv")
