"""How wrong usage, configuration and data end: exit code 2."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from tests.runs import TINY_ADAPTATION, Runner, assert_one_sentence


class TestUsageErrors:
    """Exit code 2, in one sentence that says what to do, and nothing left behind."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--device", "jetsan"), "no device profile 'jetsan'"),
            (("--device", "missing.toml"), "missing.toml cannot be read"),
            (("--device", "cpu,cpu"), "cpu 2 times"),
            (("--device", "cpu,"), "no device profile ''"),
            (("--budgets", "much"), "'much' is not"),
            (("--budgets", ""), "'' is not"),
            (("--budgets", "2"), "2 is not a share"),
            (("--budgets", "1/0"), "1/0"),
            (("--budgets", "nan"), "'nan'"),
            (("--latency-ms", "-1"), "'-1'"),
            (("--latency-ms", "1e9999"), "'1e9999'"),
            (("--method", "magic"), "--method"),
            (("--confidence", "blind"), "--confidence"),
            (("--learning-rate", "nan"), "--learning-rate"),
            (("--learning-rate", "inf"), "--learning-rate"),
            (("--temperature", "0"), "--temperature"),
            (("--temperature", "inf"), "--temperature"),
            (("--entropy-weight", "-1"), "--entropy-weight"),
            (("--entropy-weight", "nan"), "--entropy-weight"),
            (("--upem-sharpening", "inf"), "--upem-sharpening"),
            (("--profile-seconds", "inf"), "--profile-seconds"),
            (("--source", "images"), "belong together"),
            (("--source", "nowhere", "--target", "nowhere"), "nowhere does not exist"),
            (("--source", "n" * 300, "--target", "nowhere"), f"{'n' * 300} cannot be opened: File name too long"),
            (("--resume",), "--resume needs --run"),
            (("--threads", "4000"), "threads"),
        ],
    )
    def test_of_values(
        self, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        done = runner(*arguments)
        assert done.code == 2
        assert words in done.sentence
        assert_one_sentence(done)
        assert done.out == ""
        left = [path for path in tmp_path.rglob("*") if path.name != "run.json" and path.is_file()]
        assert [path for path in left if path.name != ".lock"] == []

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--no-such-option",),
            ("nosuchcommand",),
            ("--threads", "0"),
            ("--batch-size", "0"),
            ("--seed", "-1"),
            ("--seed", str(2**32)),
            ("--image-size", "8"),
            ("--iterations", "many"),
            ("profile",),
            ("--quick", "profile", "--run", "x"),
            ("--seed", "3", "adapt"),
        ],
    )
    def test_of_options(self, runner: Runner, arguments: tuple[str, ...]) -> None:
        done = runner(*arguments, "--device", "cpu") if arguments[0].startswith("--") else runner(*arguments)
        assert done.code == 2
        assert "Traceback" not in done.err

    def test_of_an_unknown_model(self, runner: Runner, tmp_path: Path) -> None:
        done = runner("--run", tmp_path / "run", "--model", "resnet1001")
        assert done.code == 2
        assert "resnet1001" in done.sentence
        assert "resnet8" in done.sentence
        assert_one_sentence(done)
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("stage", ["profile", "search", "report"])
    def test_of_a_stage_without_a_run(self, runner: Runner, tmp_path: Path, stage: str) -> None:
        done = runner(stage, "--run", tmp_path / "run")
        assert done.code == 2
        assert "there is no run in" in done.sentence
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(("stage", "missing"), [("search", "no model bank"), ("report", "tradeoff.csv")])
    def test_of_a_stage_too_early(self, runner: Runner, copied: Path, stage: str, missing: str) -> None:
        shutil.rmtree(copied / "bank")
        (copied / "tradeoff.csv").unlink()
        done = runner(stage, "--run", copied)
        assert done.code == 2
        assert missing in done.sentence

    def test_of_a_run_folder_that_holds_a_run(self, runner: Runner, copied: Path) -> None:
        done = runner("--run", copied)
        assert done.code == 2
        assert "add --resume" in done.sentence

    def test_of_resuming_with_other_arguments(self, runner: Runner, copied: Path) -> None:
        done = runner("--run", copied, "--resume", "--seed", "7")
        assert done.code == 2
        assert "other arguments" in done.sentence

    def test_of_a_run_folder_in_use(self, runner: Runner, copied: Path) -> None:
        with (copied / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = runner("report", "--run", copied)
        assert done.code == 2
        assert f"is working in the run folder {copied}; wait for it" in done.sentence

    def test_of_a_run_folder_that_is_a_file(self, runner: Runner, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("")
        done = runner("--run", tmp_path / "run")
        assert done.code == 2
        assert done.sentence == f"cannot write to the run folder {tmp_path / 'run'}: a file is in its place"

    @pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 2}', b"\xff\xfe"])
    def test_of_a_damaged_run_json(self, runner: Runner, copied: Path, content: bytes) -> None:
        (copied / "run.json").write_bytes(content)
        done = runner("report", "--run", copied)
        assert done.code == 2
        assert "run.json is not a run record" in done.sentence
        assert_one_sentence(done)

    @pytest.mark.parametrize("name", ["weights.safetensors", "bank.json"])
    def test_of_a_damaged_bank(self, runner: Runner, copied: Path, name: str) -> None:
        (copied / "bank" / name).write_bytes(b"nonsense")
        done = runner("report", "--run", copied)
        assert done.code == 2
        assert name in done.sentence
        assert_one_sentence(done)

    @pytest.mark.parametrize("kind", ["a text", "a folder"])
    def test_of_a_store_that_is_none(self, runner: Runner, copied: Path, tmp_path: Path, kind: str) -> None:
        wrong = tmp_path / "wrong"
        wrong.write_text("not a store\n" * 100) if kind == "a text" else wrong.mkdir()
        done = runner("search", "--run", copied, "--store", wrong)
        assert done.code == 2
        assert str(wrong) in done.sentence
        assert_one_sentence(done)

    def test_can_be_put_right_in_the_same_folder(self, runner: Runner, tmp_path: Path, store: Path) -> None:
        """What did not get as far as training has nothing to resume."""
        arguments = ("adapt", "--run", tmp_path / "run", "--store", store)
        assert runner(*arguments, "--budgets", "1/5000").code == 4
        assert runner(*arguments, *TINY_ADAPTATION, "--seed", "1").code == 0
        assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 1
