"""The benchmark that holds the harness against a bare loop: what it concludes, and that both sides take turns."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest

from benchmarks.latency_honesty import Comparison, report
from benchmarks.turns import BareLoop, Pair, take_turns
from devices import DeviceProfile, connect, load_profile
from harness.measuring import MeasurementError, Subject
from harness.measuring.results import Rounds
from tests.devices.networks import write_network
from tests.measuring.conftest import QUICK

pytestmark = pytest.mark.alone

ROUNDS, RUNS = 10, 30


def pair(harness_us: float, bare_us: float, weather: npt.NDArray[np.float64]) -> Pair:
    """Return a pair whose rounds are slower by the factors of `weather`, on both sides alike."""

    def side(latency_us: float) -> Rounds:
        return tuple((round(1e3 * latency_us * float(factor)),) * RUNS for factor in weather)

    return Pair(side(harness_us), side(bare_us), (0.0, 0.0))


def test_a_host_that_is_slow_for_both_sides_leaves_the_ratio_within_rounds_alone() -> None:
    weather = np.random.default_rng(0).uniform(1.0, 1.6, (8, ROUNDS))
    found = Comparison(tuple(pair(28.28, 28.0, row) for row in weather))
    assert found.ratio.estimate == pytest.approx(1.01, abs=1e-4)
    assert found.ratio.high - found.ratio.low < 1e-3
    assert found.shared == pytest.approx(1.0)
    assert found.agrees


def test_processes_slow_on_one_side_only_are_counted_apart_from_those_slow_on_both() -> None:
    calm, slow = np.ones(ROUNDS), np.full(ROUNDS, 1.5)
    own = Pair(pair(28, 28, slow).harness, pair(28, 28, calm).bare, (0.0, 0.0))
    found = Comparison((pair(28, 28, calm), pair(28, 28, slow), own, *(pair(28, 28, calm) for _ in range(3))))
    assert found.slow == (2, 1, 1)
    assert found.shared_by_processes < 1


@pytest.mark.parametrize(
    ("harness_us", "bare_us", "agrees"),
    [(30.9, 28.0, True), (31.1, 28.0, False), (24.9, 28.0, False), (1019.0, 1000.0, True), (1021.0, 1000.0, False)],
)
def test_the_rule_is_the_larger_of_two_percent_and_three_microseconds(
    harness_us: float, bare_us: float, agrees: bool
) -> None:
    weather = np.linspace(1, 1.0001, 6 * ROUNDS).reshape(6, ROUNDS)
    found = Comparison(tuple(pair(harness_us, bare_us, row) for row in weather))
    assert found.agrees is agrees
    assert ("DOES NOT AGREE" in "\n".join(report(found))) is not agrees


def test_what_a_loop_pays_after_waking_is_its_first_millisecond_without_the_first_run() -> None:
    turn = (90_000, *(20_000,) * 40, *(10_000,) * 300)
    found = Comparison((Pair((turn,), (turn,), (0.0, 0.0)),) * 2)
    assert found.woken == 20_000
    assert found.bare == [10_000, 10_000]


@pytest.fixture
def profile() -> DeviceProfile:
    return load_profile("cpu").override(protocol=QUICK)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Give the cores back that a comparison keeps to, and hold that no process of it lives on."""
    here = psutil.Process()
    cores, children = here.cpu_affinity(), set(here.children())
    yield
    here.cpu_affinity(cores)
    assert set(here.children()) == children


@pytest.mark.usefixtures("nothing_left")
def test_a_fresh_pair_takes_turns_in_every_round(profile: DeviceProfile, tmp_path: Path) -> None:
    subject = Subject("subject", write_network(tmp_path / "narrow.onnx"), "narrow")
    anchor = Subject("anchor", write_network(tmp_path / "wide.onnx", 64), "wide")
    with connect(profile, state=tmp_path / "state", lock_wait_s=0) as device:
        found = take_turns(device, subject, anchor, seed=0, index=0)
    assert len(found.bare) == len(found.harness) >= QUICK.rounds
    assert {len(turn) for turn in found.bare} == {len(found.bare[0])}
    assert min(min(samples) for samples in (*found.bare, *found.harness)) > 0
    assert found.waiting_share[0] < 0.5


@pytest.mark.usefixtures("nothing_left")
def test_a_loop_that_cannot_load_its_network_is_an_error_in_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(MeasurementError, match="the bare loop ended"), BareLoop(broken, 1, 0.01):
        pass
