"""The command line against a Jetson behind a real SSH server: JetPack 5 and 6, and a machine with TensorRT 11.

The board is a fake (`tests.boards`); the agent, and all that speaks with it, is not: networks are built, kept, run and
timed there, and sensors are read. What goes wrong on the board is told, and costs the rest nothing.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import onnx
import pytest

from devices import DeviceError, connect, load_profile
from harness.bank import create_bank
from harness.export import Template, write_subnet
from harness.readiness import selfcheck
from harness.report import Row, read_csv
from tests.boards.jetson_ssh import ReachedJetson, reached_jetson
from tests.export.quantised import integers_read
from tests.runs import Result, Runner

ONE_BUDGET = ("--budgets", "1/64")
Boards = Callable[[str], ReachedJetson]


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    """Return the board with a release of JetPack, switched on when it is first asked for; engines stay on it."""
    made: dict[str, ReachedJetson] = {}
    with ExitStack() as held:

        def board(jetpack: str) -> ReachedJetson:
            if jetpack not in made:
                folder = tmp_path_factory.mktemp(f"jetpack-{jetpack}")
                made[jetpack] = held.enter_context(reached_jetson(folder, jetpack))
            return made[jetpack]

        yield board


@pytest.fixture
def on_the_desk(boards: Boards, monkeypatch: pytest.MonkeyPatch) -> Boards:
    """Return a board that `--device jetson` names."""

    def board(jetpack: str) -> ReachedJetson:
        found = boards(jetpack)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(found.configuration))
        return found

    return board


class Copies:
    """Copies of a run whose bank is adapted: searched with little effort, they are what a board is tried with."""

    def __init__(self, run: Path, folder: Path, runner: Runner) -> None:
        self._run, self._folder, self._runner = run, folder, runner
        self._count = 0

    def search(
        self, *options: str, device: str = "jetson", batch_size: int = 1, profiled: int = 8
    ) -> tuple[Result, Path]:
        """Search one of them on the board, with a store of its own."""
        self._count += 1
        run = self._folder / f"run-{self._count}"
        shutil.copytree(self._run, run)
        record = json.loads((run / "run.json").read_text())
        record["arguments"]["batch_size"] = batch_size
        record["arguments"]["effort"] = {
            "profiled": profiled,
            "profile_seconds": 1,
            "evaluations": 8,
            "score_images": 64,
        }
        (run / "run.json").write_text(json.dumps(record))
        store = self._folder / f"store-{self._count}.sqlite"
        return self._runner("search", "--run", run, "--store", store, "--device", device, *options), run


@pytest.fixture
def copies(quick_run: Path, tmp_path: Path, runner: Runner) -> Copies:
    return Copies(quick_run, tmp_path, runner)


def selected(run: Path) -> dict[str, Row]:
    """Return the answers of a run, by precision."""
    return {row.precision: row for row in read_csv(run / "tradeoff.csv") if row.selected == "yes"}


def record_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_text())
    return found


def builds_of_finalists(run: Path) -> set[int]:
    """Return the numbers of the builds that finalists were measured on."""
    with sqlite3.connect(run / "measurements.sqlite") as connection:
        found = connection.execute("SELECT record FROM records WHERE kind = 'finalist'").fetchall()
    return {json.loads(content)["build"] for (content,) in found}


def test_jetpack_5_with_its_python_binding_and_a_second_run_that_builds_nothing_on_a_board_too_hot(
    on_the_desk: Boards, copies: Copies
) -> None:
    board = on_the_desk("5")
    done, run = copies.search(*ONE_BUDGET)
    assert done.code == 0, done.err
    row = selected(run)["fp32"]
    assert (row.engine, row.engine_version, row.power_mode) == ("tensorrt", "8.5.2.2", "MAXN")
    assert (row.agreement, row.within_budget, row.status, row.processes) == (1.0, "yes", "ok", 6)
    assert row.compute_p50_ms is not None
    assert row.host_p50_ms is not None
    assert 0 < row.compute_p50_ms < row.host_p50_ms
    assert row.energy_mj is not None
    assert row.energy_mj > 0
    assert row.peak_memory_mb is not None
    assert row.peak_memory_mb > 0
    assert row.sustained_p50_ms is not None
    assert "L4T 35.4.1" in record_of(run)["devices"]["jetson"]["os_release"]
    assert builds_of_finalists(run) == {0, 1, 2}
    assert set(record_of(run)["builds"]["jetson"]) >= {row.arch_id}
    assert all(spread >= 0 for spread in record_of(run)["builds"]["jetson"].values())
    assert board.ssh.is_clean()

    built = board.plans()
    board.jetson.set_fault("build fails")
    board.sensors.set_temperature("GPU-therm", 97.0)
    try:
        done, run = copies.search(*ONE_BUDGET)
    finally:
        board.jetson.set_fault()
        board.sensors.set_temperature("GPU-therm", 46.5)
    assert done.code == 0, done.err
    assert board.plans() == built
    row = selected(run)["fp32"]
    assert row.status == "throttled"
    assert row.reason is not None
    assert "it was 97 °C hot, and the limit is 95 °C" in row.reason
    assert row.host_p50_ms is not None
    assert done.err.count("it is left to cool down and run again") >= 3
    assert board.ssh.is_clean()


def test_jetpack_6_in_every_precision_as_files_that_its_tensorrt_takes(on_the_desk: Boards, copies: Copies) -> None:
    board = on_the_desk("6")
    done, run = copies.search(*ONE_BUDGET, "--precision", "fp32,fp16,int8")
    assert done.code == 0, done.err
    rows = selected(run)
    assert list(rows) == ["fp32", "fp16", "int8"]
    for row in rows.values():
        assert (row.engine, row.engine_version, row.power_mode) == ("tensorrt", "10.3.0", "15W")
        assert (row.status, row.processes) == ("ok", 6)
        assert None not in (row.compute_p50_ms, row.energy_mj, row.peak_memory_mb, row.upem, row.agreement)
    assert rows["fp32"].agreement == 1.0
    assert rows["fp16"].model_bytes is not None
    assert rows["fp32"].model_bytes is not None
    assert rows["fp16"].model_bytes < rows["fp32"].model_bytes
    assert "L4T 36.3.0" in record_of(run)["devices"]["jetson int8"]["os_release"]
    assert board.ssh.is_clean()


def test_a_device_without_tensorrt_beside_it_has_its_int8_files_in_the_one_form_that_both_read(
    on_the_desk: Boards, copies: Copies, tiny: Path
) -> None:
    on_the_desk("6")
    done, run = copies.search(*ONE_BUDGET, "--precision", "int8", device=f"jetson,{tiny}")
    assert done.code == 0, done.err
    chosen = [row for row in read_csv(run / "tradeoff.csv") if row.selected == "yes"]
    assert {(row.device, row.engine) for row in chosen} == {("jetson", "tensorrt"), ("tiny", "onnxruntime")}
    for row in chosen:
        file = run / "subnets" / f"{row.arch_id}-int8-b1.onnx"
        assert file.stat().st_size == row.model_bytes
        assert not integers_read(onnx.load(file))


def test_tensorrt_11_takes_half_precision_from_the_file(on_the_desk: Boards, copies: Copies) -> None:
    board = on_the_desk("desktop")
    done, run = copies.search(*ONE_BUDGET, "--precision", "fp16")
    assert done.code == 0, done.err
    row = selected(run)["fp16"]
    assert (row.engine_version, row.power_mode, row.status) == ("11.0.0.114", None, "ok")
    assert row.agreement is not None
    assert row.agreement >= 0.98
    assert row.compute_p50_ms is not None
    assert (row.energy_mj, row.peak_memory_mb) == (None, None)
    assert "energy on jetson fp16 is unknown: no sensor: there is no INA3221" in done.err
    assert board.ssh.is_clean()


def test_trtexec_alone(copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reached_jetson(tmp_path / "board", "5") as board:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(board.configuration))
        board.jetson.remove_binding()
        done, run = copies.search("--budgets", "1", batch_size=16)
        assert done.code == 0, done.err
        assert board.ssh.is_clean()
        assert not list((board.ssh.base / "engines").glob("building-*"))
    row = selected(run)["fp32"]
    assert (row.engine, row.engine_version, row.power_mode, row.agreement) == ("trtexec", "8.5.2", "MAXN", 1.0)
    assert row.compute_p50_ms is not None
    assert row.host_p50_ms is not None
    assert 0 < row.compute_p50_ms < row.host_p50_ms
    assert (row.energy_mj, row.peak_memory_mb, row.sustained_p50_ms) == (None, None, None)
    assert builds_of_finalists(run) == {0, 1, 2}


@pytest.mark.parametrize("jetpack", ["5", "6"])
def test_what_trtexec_gets_wrong_behind_ssh_is_told_and_leaves_the_board_clean(
    jetpack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = create_bank("resnet8", ["a", "b"], (1, 16, 16))
    arch = bank.space.smallest
    file = write_subnet(tmp_path, Template.create(bank).subnet(bank, arch, bank.neutral_statistics(arch)), "subnet")
    with reached_jetson(tmp_path / "board", jetpack) as board:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(board.configuration))
        board.name_host(load_s=4.0)
        board.jetson.remove_binding()
        with connect(load_profile("jetson")) as device:
            for fault, words in (
                ("build fails", "Could not find any implementation for node"),
                ("build hangs", r"was not done after 3\.6 s"),
                ("empty times", "times that trtexec wrote cannot be read"),
            ):
                board.jetson.set_fault(fault)
                with device.agent() as agent, pytest.raises(DeviceError, match=words):
                    device.load(agent, file)
            board.jetson.set_fault()
            with device.agent() as agent:
                assert device.load(agent, file).finite
        assert board.ssh.is_clean()
        assert not list((board.ssh.base / "engines").glob("building-*"))


def test_limits_on_memory_and_energy_are_answered_where_there_are_sensors(on_the_desk: Boards, copies: Copies) -> None:
    on_the_desk("6")
    limits = ("--memory-mb", "100000", "--energy-mj", "1000000")
    done, run = copies.search(*ONE_BUDGET, *limits)
    assert done.code == 0, done.err
    row = selected(run)["fp32"]
    assert (row.budget, row.within_budget) == ("1/64+100000MB+1000000mJ", "yes")
    assert row.energy_mj is not None
    assert row.peak_memory_mb is not None
    models = record_of(run)["cost_models"]["jetson"]
    assert all(models[cost]["held_out"]["p90"] >= 0 for cost in ("memory", "energy"))
    done, run = copies.search(*ONE_BUDGET, "--energy-mj", "0.000001")
    assert done.code == 4
    assert "budget 1/64+0.000001mJ cannot be met: the smallest subnet measured needs " in done.sentence


def test_what_is_found_on_it_is_told_and_a_zone_that_cannot_be_read_is_left_out(
    on_the_desk: Boards, runner: Runner
) -> None:
    on_the_desk("6")
    done = runner("devices", "--device", "jetson", "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert found["status"] == "ready"
    assert found["board"] == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit"
    assert found["system"] == "Ubuntu 22.04.4 LTS, L4T 36.3.0"
    assert (found["power_mode"], found["temperature_c"]) == ("15W", 48.5)
    engines = {engine["engine"]: engine for engine in found["engines"]}
    assert [engines[name]["version"] for name in ("tensorrt", "trtexec")] == ["10.3.0", "10.3.0"]
    assert "lacks onnxruntime-cuda" in done.err


def test_it_can_check_itself(on_the_desk: Boards, runner: Runner, tmp_path: Path) -> None:
    on_the_desk("6")
    done = runner("selfcheck", "--device", "jetson", "--quick", "--store", tmp_path / "store.sqlite", "--json")
    (found,) = json.loads(done.out)["checked"]
    assert done.code == (5 if found["verdict"] else 0)
    assert found["pairs"] == selfcheck.QUICK_PAIRS
    assert found["fingerprint"]["engine_version"] == "10.3.0"
    problems = [problem for problem, _ in found["findings"]]
    assert "the clock of the GPU may move between 306 and 624 MHz" in problems


def test_without_a_host_nothing_is_begun(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    done = runner("--run", tmp_path / "run", "--device", "jetson")
    assert done.code == 3
    assert "name one with --host USER@HOST" in done.sentence
    assert not (tmp_path / "run" / "bank").exists()


def test_another_board_than_the_profile_s_is_refused_by_both_names(
    on_the_desk: Boards, runner: Runner, tmp_path: Path
) -> None:
    on_the_desk("5").name_host("jetson-orin-nano")
    done = runner("--run", tmp_path / "run", "--device", "jetson-orin-nano")
    assert done.code == 3
    assert "jetson-orin-nano is for a Orin Nano, and this is a Jetson AGX Orin Developer Kit" in done.sentence
    assert not (tmp_path / "run" / "bank").exists()


def test_jetpack_4_is_refused_in_words(on_the_desk: Boards, runner: Runner, tmp_path: Path) -> None:
    on_the_desk("4")
    done = runner("--run", tmp_path / "run", "--device", "jetson")
    assert done.code == 3
    assert "TensorRT 8.2.1.8 is too old" in done.sentence
    assert "install JetPack 5.1 or newer" in done.sentence
    assert not (tmp_path / "run" / "bank").exists()
