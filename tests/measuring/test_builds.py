"""Finalists over several builds of their networks, on a fake Jetson that builds them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import Device, DeviceProfile, connect, load_profile
from harness.measuring import MeasurementError, Store, Subject, explore, finalists
from tests.boards.fake_jetson.plan import recipe_of
from tests.boards.jetson import FakeJetson, make_fake_jetson
from tests.measuring.conftest import QUICK


@pytest.fixture
def profile() -> DeviceProfile:
    return load_profile("cpu").override(protocol=QUICK, engines=["tensorrt", "trtexec"])


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeJetson:
    board = make_fake_jetson(tmp_path / "board", "6")
    if board is None:
        pytest.skip("no C compiler is here for the CUDA runtime's stand-in")
    for name, value in board.environment.items():
        monkeypatch.setenv(name, value)
    return board


@pytest.fixture
def device(board: FakeJetson, profile: DeviceProfile, tmp_path: Path) -> Iterator[Device]:
    with connect(profile, state=tmp_path / "state", lock_wait_s=0) as device:
        yield device


def plans(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "state" / "local" / "engines").glob("*.plan"))


def test_finalists_take_turns_with_three_builds_that_are_made_afresh_once(
    device: Device, store: Store, anchor: Subject, narrow: Subject, tmp_path: Path
) -> None:
    found = finalists(device, [narrow], anchor, store=store)
    for result in found.values():
        assert [record.build for record in result.records[:6]] == [0, 1, 2, 0, 1, 2]
        assert result.summary is not None
        assert result.summary.build_spread is not None
        assert result.summary.build_spread >= 0
        assert result.summary.compute_p50_ms is not None
        assert result.summary.compute_p50_ms < result.summary.p50_ms
        assert result.records[0].fingerprint.engine == "tensorrt"
    assert len(plans(tmp_path)) == 6
    assert sorted(recipe_of(plan).timed for plan in plans(tmp_path)) == [0, 0, 0, 2, 2, 2]


def test_a_resumed_call_goes_on_with_the_build_that_was_measured_least(
    device: Device, store: Store, anchor: Subject, narrow: Subject
) -> None:
    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Enough

    with pytest.raises(Enough):
        finalists(device, [narrow], anchor, store=store, progress=stop)
    found = finalists(device, [narrow], anchor, store=store)["narrow"]
    assert [record.build for record in found.records[:3]] == [0, 1, 2]


def test_exploring_measures_one_build(device: Device, store: Store, anchor: Subject, narrow: Subject) -> None:
    found = explore(device, [narrow], anchor, store=store)
    assert {record.build for result in found.values() for record in result.records} == {0}
    assert found["narrow"].summary is not None
    assert found["narrow"].summary.build_spread is None


def test_engines_that_build_nothing_have_one_build(
    profile: DeviceProfile, store: Store, anchor: Subject, tmp_path: Path
) -> None:
    with connect(profile.override(engines=["onnxruntime"]), state=tmp_path / "state", lock_wait_s=0) as device:
        found = finalists(device, [], anchor, store=store)["wide"]
    assert {record.build for record in found.records} == {0}
    assert found.summary is not None
    assert found.summary.build_spread is None


def test_a_subject_that_fails_while_it_is_timed_fails_alone_with_its_reason(
    board: FakeJetson, profile: DeviceProfile, store: Store, anchor: Subject, narrow: Subject, tmp_path: Path
) -> None:
    board.remove_binding()
    board.set_fault("empty times", later=True, channels=4)
    with connect(profile, state=tmp_path / "state", lock_wait_s=0) as device:
        found = explore(device, [narrow], anchor, store=store)
    assert found["narrow"].verdict == "failed"
    assert "the engine failed: the times that trtexec wrote cannot be read" in found["narrow"].reason
    assert found["narrow"].summary is None
    assert found["wide"].verdict == "ok"


def test_an_anchor_that_fails_while_it_is_timed_is_an_error(
    board: FakeJetson, device: Device, store: Store, anchor: Subject
) -> None:
    board.set_fault("run fails", later=True)
    with pytest.raises(MeasurementError, match=r"the anchor cannot be measured: the engine failed: .*Myelin"):
        explore(device, [], anchor, store=store)
