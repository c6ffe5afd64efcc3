"""The TensorRT engine in the real agent, against each version's binding with ONNX Runtime behind it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from devices import DeviceError, DeviceProfile, EngineFailed, Visit
from tests.boards.fake_jetson.plan import recipe_of
from tests.devices.conftest import MakeBoard
from tests.devices.engine_runs import IMAGES, described, expected, fresh_agent, plans
from tests.devices.networks import write_halved_network, write_quantised_network


@pytest.fixture
def profile(profile: DeviceProfile) -> DeviceProfile:
    return profile.override(engines=["tensorrt"])


@pytest.mark.parametrize("jetpack", ["5", "6", "desktop"])
class TestEveryVersion:
    def test_says_what_it_is_and_runs(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path
    ) -> None:
        version = make_board(jetpack).release.tensorrt
        found = described(profile, state)
        assert (found.missing, found.version, found.builds) == (None, version, True)
        assert found.precisions == ("fp32", "fp16", "int8")

    def test_runs_a_network_and_times_host_and_device(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, network: Path
    ) -> None:
        make_board(jetpack)
        with fresh_agent(profile, state) as (device, agent):
            model = device.load(agent, network)
            np.testing.assert_array_equal(agent.infer(model, IMAGES), expected(network))
            result = agent.run_round([Visit(model.handle, 2, 6)])
        assert len(result.samples[0]) == len(result.compute[0]) == 6
        assert all(
            0 < device_ns < host_ns for device_ns, host_ns in zip(result.compute[0], result.samples[0], strict=True)
        )
        (plan,) = plans(state)
        recipe = recipe_of(plan)
        assert (recipe.fp16, recipe.int8, recipe.tf32, recipe.workspace) == (False, False, False, 2**30)

    def test_runs_a_quantised_network_in_int8(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, tmp_path: Path
    ) -> None:
        make_board(jetpack)
        network = write_quantised_network(tmp_path / "quantised.onnx")
        with fresh_agent(profile, state) as (device, agent):
            model = device.load(agent, network, "int8")
            np.testing.assert_array_equal(agent.infer(model, IMAGES), expected(network))
        assert [recipe_of(plan).int8 for plan in plans(state)] == [True]

    def test_runs_a_network_in_half_precision(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, tmp_path: Path
    ) -> None:
        make_board(jetpack)
        network = write_halved_network(tmp_path / "halved.onnx")
        with fresh_agent(profile, state) as (device, agent):
            model = device.load(agent, network, "fp16")
            np.testing.assert_array_equal(agent.infer(model, IMAGES), expected(network))
        assert [recipe_of(plan).fp16 for plan in plans(state)] == [True]

    def test_a_failed_build_is_told_in_tensorrt_s_own_words_and_the_agent_goes_on(
        self, make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, network: Path
    ) -> None:
        board = make_board(jetpack)
        with fresh_agent(profile, state) as (device, agent):
            board.set_fault("build fails")
            with pytest.raises(EngineFailed, match=r"cannot build the network: .*Could not find any implementation"):
                device.load(agent, network)
            assert not plans(state)
            board.set_fault()
            assert device.load(agent, network).finite


@pytest.mark.parametrize("jetpack", ["5", "6"])
def test_a_file_in_half_precision_needs_the_builder_s_mode_where_there_is_one(
    make_board: MakeBoard, jetpack: str, profile: DeviceProfile, state: Path, tmp_path: Path
) -> None:
    make_board(jetpack)
    network = write_halved_network(tmp_path / "halved.onnx")
    words = "fp16 precision has been set for a layer or layer output, but fp16 is not configured"
    with fresh_agent(profile, state) as (device, agent), pytest.raises(EngineFailed, match=words):
        device.load(agent, network, "fp32")


@pytest.mark.parametrize("engine", ["tensorrt", "trtexec"])
def test_half_precision_of_a_file_in_float32_is_refused_before_it_is_built(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, engine: str
) -> None:
    make_board("6")
    with (
        fresh_agent(profile.override(engines=[engine]), state) as (device, agent),
        pytest.raises(EngineFailed, match=r"has no float16 weights: fp16 needs a file"),
    ):
        device.load(agent, network, "fp16")
    assert not plans(state)


def test_int8_without_quantised_layers_is_refused_before_it_is_built(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6")
    with fresh_agent(profile, state) as (device, agent), pytest.raises(EngineFailed, match="no quantised layers"):
        device.load(agent, network, "int8")
    assert not plans(state)


def test_a_precision_that_does_not_exist_is_refused(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6")
    with fresh_agent(profile, state) as (device, agent), pytest.raises(EngineFailed, match="does not run fp4"):
        device.load(agent, network, "fp4")


def test_a_file_that_the_parser_does_not_know_is_refused_in_its_words(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, tmp_path: Path
) -> None:
    make_board("5")
    model = onnx.load(network)
    model.opset_import[0].version = 18
    onnx.save(model, tmp_path / "newer.onnx")
    with fresh_agent(profile, state) as (device, agent):
        with pytest.raises(EngineFailed, match=r"cannot read the network: .*opset 18 is newer than 17"):
            device.load(agent, tmp_path / "newer.onnx")
        assert device.load(agent, network).finite


def test_tensorrt_8_2_is_refused_with_what_to_do(make_board: MakeBoard, profile: DeviceProfile, state: Path) -> None:
    make_board("4")
    missing = described(profile, state).missing
    assert missing is not None
    assert "TensorRT 8.2.1.8 is too old" in missing
    assert "JetPack 5.1 or newer" in missing


def test_a_board_without_the_binding_says_so(make_board: MakeBoard, profile: DeviceProfile, state: Path) -> None:
    make_board("6").remove_binding()
    missing = described(profile, state).missing
    assert missing is not None
    assert "the runtime of tensorrt cannot be imported: No module named 'tensorrt'" in missing


def test_a_binding_whose_libraries_are_missing_says_so(
    make_board: MakeBoard, profile: DeviceProfile, state: Path
) -> None:
    board = make_board("6")
    broken = "import ctypes\nctypes.CDLL('libnvinfer.so.99')\n"
    (board.folder / "python" / "tensorrt" / "__init__.py").write_text(broken)
    missing = described(profile, state).missing
    assert missing is not None
    assert "libnvinfer.so.99" in missing


def test_a_machine_without_a_gpu_says_so(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_board("6")
    monkeypatch.setenv("FAKE_CUDA_NO_DEVICE", "1")
    assert described(profile, state).missing == (
        "cudaGetDeviceCount failed: no CUDA-capable device is detected (CUDA error 100)"
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [("wrong shape", r"answers with shape \[1, 4, 1, 2\], its file says \[1, 4, 1, 1\]"), ("run fails", "Myelin")],
)
def test_an_engine_that_answers_wrongly_fails_at_loading(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, fault: str, words: str
) -> None:
    make_board("6").set_fault(fault)
    with fresh_agent(profile, state) as (device, agent), pytest.raises(EngineFailed, match=words):
        device.load(agent, network)


def test_numbers_that_are_none_are_noticed_at_loading(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6").set_fault("nan")
    with fresh_agent(profile, state) as (device, agent):
        assert not device.load(agent, network).finite


def test_a_network_that_fails_later_is_named_by_its_handle(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    board = make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        first, second = device.load(agent, network), device.load(agent, network)
        agent.unload(first)
        board.set_fault("run fails")
        with pytest.raises(EngineFailed, match=r"could not be run: .*Myelin") as failure:
            agent.run_round([Visit(second.handle, 0, 1)])
        assert failure.value.handle == second.handle
        board.set_fault()
        assert len(agent.run_round([Visit(second.handle, 0, 3)]).samples[0]) == 3


def test_a_device_whose_clock_stands_still_fails(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_board("6")
    monkeypatch.setenv("FAKE_CUDA_STOPPED_CLOCK", "1")
    with fresh_agent(profile, state) as (device, agent):
        model = device.load(agent, network)
        with pytest.raises(EngineFailed, match="took no time"):
            agent.run_round([Visit(model.handle, 0, 1)])


def test_a_build_number_that_makes_no_sense_is_refused(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6")
    with fresh_agent(profile, state) as (device, agent), pytest.raises(DeviceError, match="numbered from 0 to 99"):
        device.load(agent, network, build=100)


UNLOAD = """
import ctypes, sys
from pathlib import Path
from agent.engines import Engines
from agent.engines.cache import EngineCache
from agent.engines.contract import Settings
import numpy as np
cache, path = Path(sys.argv[1]), sys.argv[2]
engine = Engines(EngineCache(cache, dict)).engine("tensorrt")
for _ in range(3):
    model = engine.load(path, Settings(1, "fp32", 0, 60.0))
    model.visit(np.ones(model.input_shape, np.float32), 1, 2)
    print(ctypes.CDLL("libcudart.so").fakeHeld(), end=" ")
    model.unload()
    print(ctypes.CDLL("libcudart.so").fakeHeld(), end=" ")
"""


def test_an_unloaded_network_gives_back_all_that_it_held(make_board: MakeBoard, network: Path, tmp_path: Path) -> None:
    make_board("6")
    done = subprocess.run(
        [sys.executable, "-c", UNLOAD, str(tmp_path / "cache"), str(network)],
        cwd=Path(__file__).parents[2] / "devices",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=dict(os.environ),
    )
    held = [int(count) for count in done.stdout.split()]
    assert held == [7, 0] * 3  # two buffers on either side, a stream, two events
