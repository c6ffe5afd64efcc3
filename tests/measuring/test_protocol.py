"""The protocol: what is measured, in which order and processes, and what of the store is used again."""

import dataclasses
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices import AgentProcess, Device, DeviceProfile, Visit, connect
from devices.replies import RoundSamples
from harness.measuring import Measurement, Store, Subject, explore, finalists
from harness.measuring.results import ProcessRecord
from tests.devices.networks import write_network
from tests.measuring.conftest import QUICK

_WITHOUT_SETTLING = QUICK.model_copy(update={"visit_settle_ms": 0.0})


@pytest.fixture
def noisy(device: Device, store: Store, anchor: Subject, narrow: Subject, tmp_path: Path) -> list[ProcessRecord]:
    """What noisy.sqlite has of `narrow`, beside the anchor: every second process is nine times as slow."""
    found = finalists(device, [narrow], anchor, store=store)
    scattered = [
        dataclasses.replace(record, uid=f"scattered {index}", rounds_ns=((10**5 * 9 ** (index % 2),) * 20,) * 5)
        for index, record in enumerate(found["narrow"].records)
    ]
    Store(tmp_path / "noisy.sqlite").add([*found["wide"].records, *scattered])
    return scattered


def uids(results: dict[str, Measurement]) -> set[str]:
    return {record.uid for result in results.values() for record in result.records}


def test_exploring_measures_everything_in_interleaved_rounds_of_one_process(
    device: Device, store: Store, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    steps: list[tuple[int, int]] = []
    found = explore(device, [narrow, middle], anchor, store=store, progress=lambda *step: steps.append(step))
    assert list(found) == ["wide", "narrow", "middle"]
    assert {result.verdict for result in found.values()} == {"ok"}
    assert steps[-1][0] == steps[-1][1]
    assert [done / total for done, total in steps] == sorted(done / total for done, total in steps)
    for result in found.values():
        (record,) = result.records
        assert len(record.rounds_ns) == len(record.anchor_ns) >= QUICK.rounds
        assert record.anchor_ns == found["wide"].records[0].rounds_ns
        assert record.warmup_runs >= QUICK.warmup_runs
        assert record.fingerprint == device.describe()
        assert result.summary is not None
        assert result.summary.ci_high_ms is None
    ratios = [result.summary.ratio for result in found.values() if result.summary]
    assert ratios[0] == 1
    assert ratios[1] < ratios[2] < 1


def test_a_second_exploration_measures_only_what_is_new(
    device: Device, store: Store, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    first = explore(device, [narrow], anchor, store=store)
    other_weights = Subject("re-adapted", write_network(middle.file.with_name("again.onnx"), 4), narrow.topology)
    second = explore(device, [other_weights, middle], anchor, store=store)
    assert second["re-adapted"].records == first["narrow"].records
    assert second["wide"].records == first["wide"].records
    assert (second["re-adapted"].reused, second["middle"].reused) == (True, False)
    assert second["middle"].summary is not None


def test_what_was_explored_beside_others_is_kept_however_its_processes_differ(
    device: Device, store: Store, anchor: Subject, tmp_path: Path
) -> None:
    (record,) = explore(device, [], anchor, store=store)["wide"].records
    earlier = [
        dataclasses.replace(record, uid=f"earlier {index}", rounds_ns=((10**5 * 9 ** (index % 2),) * 20,) * 5)
        for index in range(QUICK.processes)
    ]
    Store(tmp_path / "scattered.sqlite").add(earlier)
    again = explore(device, [], anchor, store=Store(tmp_path / "scattered.sqlite"))
    assert again["wide"].reused
    assert again["wide"].records == (earlier[-1],)


@pytest.mark.parametrize("rule", [{"warmup_seconds": 0.1}, {"visit_settle_ms": 2.0}, {"visit_untimed": 5}])
def test_more_thorough_rules_do_not_reuse_a_hasty_measurement(
    device: Device, store: Store, anchor: Subject, rule: dict[str, float]
) -> None:
    first = explore(device, [], anchor, store=store)
    thorough = QUICK.model_copy(update=rule)
    second = explore(device, [], anchor, store=store, protocol=thorough)
    assert not uids(first) & uids(second)


def test_a_ratio_to_another_anchor_is_not_reused(
    device: Device, store: Store, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    first = explore(device, [narrow], anchor, store=store)
    second = explore(device, [narrow], middle, store=store)
    assert not uids(first) & uids(second)


def test_a_block_that_does_not_fit_is_cut_and_each_part_has_the_anchor(
    device: Device, store: Store, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    cut = QUICK.model_copy(update={"block_subjects": 1})
    found = explore(device, [narrow, middle], anchor, store=store, protocol=cut)
    wide, first, second = (found[name].records[0].anchor_ns for name in ("wide", "narrow", "middle"))
    assert wide == first != second


def test_a_board_is_given_networks_of_a_quarter_of_its_memory_at_a_time(
    profile: DeviceProfile, store: Store, tmp_path: Path, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    small = profile.override(memory_mb=1e-6)  # less than any network
    with connect(small, state=tmp_path / "state") as device:
        found = explore(device, [narrow, middle], anchor, store=store)
        settled = finalists(device, [narrow, middle], anchor, store=store)
    first, second = (found[subject.name].records[0].anchor_ns for subject in (narrow, middle))
    assert first != second, "each was measured in a process of its own"
    processes = {name: len(measurement.records) for name, measurement in settled.items()}
    assert processes["wide"] == 2 * processes["narrow"] == 2 * processes["middle"]


def test_finalists_run_in_fresh_processes_to_the_p99_count_and_are_then_reused(
    device: Device, store: Store, anchor: Subject, narrow: Subject
) -> None:
    steps: list[tuple[int, int]] = []
    found = finalists(device, [narrow], anchor, store=store, progress=lambda *step: steps.append(step))
    for result in found.values():
        assert result.summary is not None
        assert result.summary.processes == len(result.records) >= 6
        assert result.summary.samples >= 662
        assert result.summary.p99_ms is not None
        assert result.summary.ci_low_ms is not None
        assert result.stopped in ("precise", "plateau", "processes")
        assert len({record.recorded_at for record in result.records}) == len(result.records)
    assert steps[-1] == (len(steps), max(6, len(steps)))
    again = finalists(device, [narrow], anchor, store=store)
    assert uids(again) == uids(found)
    assert all(result.reused for result in again.values())


def test_what_an_earlier_command_found_too_noisy_is_measured_anew_and_what_this_one_found_is_not(
    device: Device, noisy: list[ProcessRecord], anchor: Subject, narrow: Subject, tmp_path: Path
) -> None:
    later = Store(tmp_path / "noisy.sqlite")
    again = finalists(device, [narrow], anchor, store=later)
    assert not again["narrow"].reused
    assert not {record.uid for record in noisy} & uids(again)
    assert finalists(device, [narrow], anchor, store=later)["narrow"].records == again["narrow"].records


def test_what_was_found_too_noisy_is_kept_by_the_command_that_resumes(
    device: Device, noisy: list[ProcessRecord], anchor: Subject, narrow: Subject, tmp_path: Path
) -> None:
    again = finalists(device, [narrow], anchor, store=Store(tmp_path / "noisy.sqlite", resuming=True))
    assert again["narrow"].verdict == "noisy"
    assert list(again["narrow"].records) == noisy


def test_what_was_measured_quietly_is_reused_by_a_later_command(
    device: Device, store: Store, anchor: Subject, narrow: Subject, tmp_path: Path
) -> None:
    found = finalists(device, [narrow], anchor, store=store)
    steady = [
        dataclasses.replace(record, uid=f"{name} {index}", rounds_ns=((10**5,) * 20,) * 5)
        for name, measurement in found.items()
        for index, record in enumerate(measurement.records)
    ]
    Store(tmp_path / "quiet.sqlite").add(steady)
    again = finalists(device, [narrow], anchor, store=Store(tmp_path / "quiet.sqlite"))
    assert uids(again) == {record.uid for record in steady}


def test_the_order_of_visits_is_seeded(
    device: Device, anchor: Subject, narrow: Subject, middle: Subject, tmp_path: Path
) -> None:
    def orders(seed: int) -> list[list[int]]:
        """Return the order of visits in the first rounds, as the agent was asked for them."""
        asked: list[list[int]] = []
        original = AgentProcess.run_round

        def spy(agent: AgentProcess, visits: Sequence[Visit], **options: Any) -> RoundSamples:
            if visits[0].untimed:
                asked.append([visit.handle for visit in visits])
            return original(agent, visits, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(AgentProcess, "run_round", spy)
            explore(device, [narrow, middle], anchor, store=Store(tmp_path / f"{uuid.uuid4()}.sqlite"), seed=seed)
        return asked[: QUICK.rounds]

    first = orders(1)
    assert first == orders(1) != orders(2)
    assert all(sorted(order) == [1, 2, 3] for order in first)
    assert len({tuple(order) for order in first}) > 1


def test_a_visit_settles_before_it_is_timed(
    device: Device, store: Store, anchor: Subject, narrow: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[list[Visit]] = []
    original = AgentProcess.run_round

    def spy(agent: AgentProcess, visits: Sequence[Visit], **options: Any) -> RoundSamples:
        if visits[0].untimed:
            rounds.append(sorted(visits))
        return original(agent, visits, **options)

    monkeypatch.setattr(AgentProcess, "run_round", spy)
    protocol = QUICK.model_copy(update={"visit_settle_ms": 5.0})
    found = explore(device, [narrow], anchor, store=store, protocol=protocol)
    for visit, name in zip(rounds[0], ("wide", "narrow"), strict=True):
        (record,) = found[name].records
        assert visit.untimed > QUICK.visit_untimed
        assert visit.untimed * record.p50_ns / 1e6 > 0.2 * protocol.visit_settle_ms
    rounds.clear()
    explore(device, [narrow], anchor, store=Store(store.path.with_name("other.sqlite")), protocol=_WITHOUT_SETTLING)
    assert {visit.untimed for visits in rounds for visit in visits} == {QUICK.visit_untimed}


@pytest.mark.alone
def test_what_is_timed_is_the_network_and_not_the_round_trip(device: Device, store: Store, anchor: Subject) -> None:
    start = time.monotonic()
    found = explore(device, [], anchor, store=store)["wide"]
    wall_ns = (time.monotonic() - start) * 1e9
    (record,) = found.records
    assert np.sum(record.samples_ns) < wall_ns / 5
