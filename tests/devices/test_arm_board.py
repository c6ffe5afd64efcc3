"""The unmodified agent on an emulated 64-bit ARM board (`tests.boards.arm64`) behind a real SSH server.

Its timings mean nothing. The board takes 20 s to make (once, with a network), every agent on it some 3 s to start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from devices import AgentLost, AgentProcess, Device, EngineFailed, Visit, connect
from harness.data import load_digits
from harness.export import RELATIVE_TOLERANCE, Template
from harness.export.verification import engine_logits
from tests.bank.factory import images_for, lived_in_bank
from tests.boards import arm64
from tests.devices.networks import SHAPE, write_network
from tests.sshd import Board, server_program

#: Of the largest output. Both machines compute in float32, but add up in another order: 1.1e-6 was seen.
TOLERANCE = 1e-5
PATIENT = {"connect_s": 60.0, "start_s": 240.0, "load_s": 240.0, "run_s": 240.0}


@pytest.fixture(scope="module")
def arm_python() -> Path:
    try:
        return arm64.prepare()
    except arm64.BoardUnavailable as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def arm(arm_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """The board behind a real SSH server."""
    server_program()
    board = Board(tmp_path_factory.mktemp("arm"))
    board.environment["PATH"] = f"{arm_python}:{os.defpath}"
    board.start()
    try:
        with connect(board.profile(**PATIENT)) as device:
            yield device
        assert board.is_clean()
    finally:
        board.stop()


@pytest.fixture(scope="module")
def arm_agent(arm: Device) -> Iterator[AgentProcess]:
    with arm.agent() as agent:
        yield agent


def assert_equal_outputs(
    arm: Device, agent: AgentProcess, network: Path, images: torch.Tensor, tolerance: float = TOLERANCE
) -> None:
    """Compare the board's outputs with this machine's ONNX Runtime: nearly equal numbers, the same top-1 classes."""
    model = arm.load(agent, network)
    found = agent.infer(model, images.numpy()).reshape(len(images), -1)
    agent.unload(model)
    expected = engine_logits(network, images).reshape(len(images), -1)
    assert model.finite
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))


def test_the_board_says_that_it_is_an_arm_board_and_what_runs_there(arm: Device) -> None:
    found = arm.describe()
    assert (found.machine, found.board) == ("aarch64", arm64.MODEL)
    assert (found.engine, found.engine_version) == ("onnxruntime", arm64.ONNXRUNTIME)
    assert found.python.startswith("3.11.")
    assert found.logical_cores == os.cpu_count()


@pytest.mark.parametrize(("channels", "batch"), [(1, 1), (7, 1), (64, 4)])
def test_small_networks_answer_as_on_this_machine(
    arm: Device, arm_agent: AgentProcess, tmp_path: Path, channels: int, batch: int
) -> None:
    network = write_network(tmp_path / "small.onnx", channels, batch=batch)
    images = torch.randn(6, *SHAPE[1:], generator=torch.Generator().manual_seed(0))
    assert_equal_outputs(arm, arm_agent, network, images)


def test_exported_subnets_answer_target_digits_as_on_this_machine(
    arm: Device, arm_agent: AgentProcess, tmp_path: Path
) -> None:
    target = load_digits(0, source_count=100, check_count=10)[0].target[:]
    bank = lived_in_bank("resnet8", classes=10)
    template = Template.create(bank)
    space = bank.space
    for arch in (space.full, space.uniform(0.5), space.sample(np.random.default_rng(0)), space.smallest):
        path = tmp_path / "subnet.onnx"
        path.write_bytes(template.subnet(bank, arch, bank.reestimate(target, arch)))
        assert_equal_outputs(arm, arm_agent, path, target[:64])


def test_exported_subnets_of_photograph_networks_answer_as_on_this_machine(
    arm: Device, arm_agent: AgentProcess, tmp_path: Path
) -> None:
    # deep networks of random weights magnify rounding: neither machine is closer than 2e-4 to float64 for the ResNet-50
    for model in ("resnet18", "resnet50"):
        bank = lived_in_bank(model)
        images = images_for(bank, 8)
        arch = bank.space.uniform(0.25)
        path = tmp_path / f"{model}.onnx"
        path.write_bytes(Template.create(bank).subnet(bank, arch, bank.reestimate(images, arch)))
        assert_equal_outputs(arm, arm_agent, path, images, RELATIVE_TOLERANCE)


def test_a_round_returns_every_timed_run_of_every_visit(arm: Device, arm_agent: AgentProcess, network: Path) -> None:
    model = arm.load(arm_agent, network)
    result = arm_agent.run_round([Visit(model.handle, 1, 5), Visit(model.handle, 0, 3)])
    assert [len(samples) for samples in result.samples] == [5, 3]
    assert min(map(min, result.samples)) > 0
    assert result.after.wall_s > result.before.wall_s


def test_a_file_that_is_no_network_fails_and_the_agent_goes_on(
    arm: Device, arm_agent: AgentProcess, network: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(EngineFailed):
        arm.load(arm_agent, tmp_path / "broken.onnx")
    assert arm.load(arm_agent, network).finite


def test_an_agent_given_up_in_a_round_is_killed_on_the_board(arm: Device, network: Path) -> None:
    with arm.agent() as agent:
        model = arm.load(agent, network)
        agent._timeouts = agent._timeouts.model_copy(update={"run_s": 0.5})
        with pytest.raises(AgentLost, match="did not answer 'round'"):
            agent.run_round([Visit(model.handle, 0, 100_000)])


def test_a_board_that_is_there_needs_no_tools_and_no_network(arm_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    start = time.monotonic()
    assert arm64.prepare() == arm_python
    assert time.monotonic() - start < 1.0


def test_a_board_that_cannot_be_made_says_why_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(arm64.BoardUnavailable, match=r"^the ARM board cannot be made: this machine has no dpkg$"):
        arm64.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
