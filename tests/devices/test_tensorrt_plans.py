"""Engines that TensorRT built: kept for later runs, and built again where they are damaged or of something else."""

from pathlib import Path

import numpy as np
import pytest

from devices import DeviceProfile, EngineFailed, connect
from tests.boards.fake_jetson.plan import recipe_of
from tests.devices.conftest import MakeBoard
from tests.devices.engine_runs import IMAGES, expected, fresh_agent, plans
from tests.devices.networks import write_halved_network, write_network


@pytest.fixture
def profile(profile: DeviceProfile) -> DeviceProfile:
    return profile.override(engines=["tensorrt"])


def test_an_engine_is_built_once_and_kept_for_later_runs(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    board = make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        device.load(agent, network)
    board.set_fault("build fails")
    with fresh_agent(profile, state) as (device, agent):
        model = device.load(agent, network)
        np.testing.assert_array_equal(agent.infer(model, IMAGES), expected(network))
    assert len(plans(state)) == 1


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["empty", "garbage", "cut short"])
def test_a_damaged_engine_is_built_again(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, damage: bytes | None
) -> None:
    make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        device.load(agent, network)
    (plan,) = plans(state)
    plan.write_bytes(plan.read_bytes()[:-10] if damage is None else damage)
    with fresh_agent(profile, state) as (device, agent):
        np.testing.assert_array_equal(agent.infer(device.load(agent, network), IMAGES), expected(network))
    (again,) = plans(state)
    assert recipe_of(again).version == "10.3.0"


def test_an_engine_that_the_runtime_refuses_is_built_again(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, tmp_path: Path
) -> None:
    """Whole as its name says, and yet not for this TensorRT: as after a change that the version does not tell."""
    make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        device.load(agent, network)
    (plan,) = plans(state)
    package = tmp_path / "jetpack-6" / "python" / "tensorrt" / "__init__.py"
    package.write_text(package.read_text().replace("'10.3.0'", "'10.3.1'") + "__version__ = '10.3.0'\n")
    with fresh_agent(profile, state) as (device, agent):
        assert device.load(agent, network).finite
    (again,) = plans(state)
    assert recipe_of(again).version == "10.3.1"
    assert again != plan


def test_what_was_timed_for_one_network_is_known_for_the_next_but_not_for_another_build(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, tmp_path: Path
) -> None:
    make_board("6")
    other = write_network(tmp_path / "other.onnx", scale=2.0)
    timed = []
    for file, build in ((network, 0), (other, 0), (network, 1)):
        with fresh_agent(profile, state) as (device, agent):
            device.load(agent, file, build=build)
        timed.append(recipe_of(plans(state)[-1]).timed)
    assert timed == [2, 0, 2]
    assert len(plans(state)) == 3


@pytest.mark.parametrize("damage", [b"not a timing cache", b"timings of 8.5.2.2\nConv"], ids=["garbage", "another's"])
def test_timings_that_cannot_be_used_are_made_anew(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path, tmp_path: Path, damage: bytes
) -> None:
    make_board("6")
    with fresh_agent(profile, state) as (device, agent):
        device.load(agent, network)
    (timings,) = (state / "local" / "engines").glob("*.timing")
    timings.write_bytes(damage)
    with fresh_agent(profile, state) as (device, agent):
        device.load(agent, write_network(tmp_path / "other.onnx", scale=2.0))
    assert recipe_of(plans(state)[-1]).timed == 2
    assert timings.read_bytes().startswith(b"timings of 10.3.0")


def test_whatever_an_engine_depends_on_makes_another_one(
    make_board: MakeBoard,
    profile: DeviceProfile,
    state: Path,
    network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = make_board("6")

    def count(file: Path = network, precision: str = "fp32", build: int = 0) -> int:
        with fresh_agent(profile, state) as (device, agent):
            device.load(agent, file, precision, build)
        return len(plans(state))

    assert (count(), count()) == (1, 1)
    assert count(write_halved_network(tmp_path / "halved.onnx"), "fp16") == 2
    assert count(build=2) == 3
    board.set_power_mode("15W")
    assert count() == 4
    release = board.root / "etc" / "nv_tegra_release"
    release.write_text(release.read_text().replace("4.3", "4.4"))
    assert count() == 5
    monkeypatch.setenv("FAKE_CUDA_NAME", "Orin NX")
    assert count() == 6
    make_board("5")
    assert count() == 7


def test_a_cache_that_cannot_be_written_fails_in_words(
    make_board: MakeBoard, profile: DeviceProfile, state: Path, network: Path
) -> None:
    make_board("6")
    with connect(profile, state=state, lock_wait_s=0) as device, device.agent() as agent:
        (state / "local" / "engines").write_text("a file where the folder should be")
        with pytest.raises(EngineFailed, match=r"cannot be kept in .*engines: File exists"):
            device.load(agent, network)
