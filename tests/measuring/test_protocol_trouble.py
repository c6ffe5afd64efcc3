"""What the protocol does where networks fail, hang or kill the agent, where time runs out, and where it is killed."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from devices import AgentLost, Device, DeviceProfile, connect
from harness.measuring import MeasurementError, Store, Subject, explore, finalists
from harness.measuring.process import Plan, measure_process
from tests.devices.faults import faulty_device
from tests.devices.networks import write_network
from tests.measuring.conftest import QUICK


def test_what_the_engine_cannot_load_or_answers_with_nan_fails_and_the_others_are_measured(
    device: Device, store: Store, anchor: Subject, narrow: Subject, broken: Subject, tmp_path: Path
) -> None:
    nan = Subject("nan", write_network(tmp_path / "nan.onnx", 4, scale=float("nan")), "topology of nan")
    found = explore(device, [broken, nan, narrow], anchor, store=store)
    assert [found[name].verdict for name in ("broken", "nan", "narrow")] == ["failed", "failed", "ok"]
    assert "engine failed" in found["broken"].reason
    assert "not finite" in found["nan"].reason
    assert found["broken"].summary is found["nan"].summary is None


def test_a_failed_finalist_is_not_tried_again_in_every_process(
    device: Device, store: Store, anchor: Subject, broken: Subject
) -> None:
    found = finalists(device, [broken], anchor, store=store)
    assert found["broken"].verdict == "failed"
    assert found["wide"].summary is not None
    assert found["wide"].summary.processes >= 6


def test_an_anchor_that_cannot_be_measured_is_an_error(
    device: Device, store: Store, narrow: Subject, broken: Subject
) -> None:
    with pytest.raises(MeasurementError, match="the anchor cannot be measured: the engine failed"):
        explore(device, [narrow], broken, store=store)


def test_two_networks_of_one_name_are_refused(device: Device, store: Store, anchor: Subject, narrow: Subject) -> None:
    with pytest.raises(MeasurementError, match="two subjects are called 'wide'"):
        explore(device, [Subject("wide", narrow.file, "other")], anchor, store=store)


def test_a_missing_file_is_named(device: Device, store: Store, anchor: Subject, tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"gone\.onnx cannot be read"):
        explore(device, [Subject("gone", tmp_path / "gone.onnx", "t")], anchor, store=store)


class Clock:
    """The clock of a module, which can be put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        self.ahead_s = 0.0
        monkeypatch.setattr(f"{module}.time", self)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s

    def put_forward(self, *_: int) -> None:
        self.ahead_s = 1e6


@pytest.mark.parametrize("when", ["session", "process"], ids=["between passes", "before a pass has loaded anything"])
def test_when_time_is_up_what_is_unmeasured_is_said_to_be(
    device: Device, store: Store, anchor: Subject, narrow: Subject, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    clock = Clock(monkeypatch, f"harness.measuring.{when}")
    patient = QUICK.model_copy(update={"most_processes": 2})
    found = finalists(device, [narrow], anchor, store=store, protocol=patient, processes=2, progress=clock.put_forward)
    assert found["narrow"].verdict == "noisy"
    assert "time ran out after 1 of 2" in found["narrow"].reason
    none = explore(device, [narrow], anchor, store=store, time_limit_s=1e-9)
    assert {result.verdict for result in none.values()} == {"failed"}
    assert {result.summary for result in none.values()} == {None}


def test_a_network_that_kills_the_agent_fails_alone(
    profile: DeviceProfile, store: Store, tmp_path: Path, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    fault = (
        "load = agent.server.Server._load\n"
        f"size = {middle.file.stat().st_size}\n"
        "agent.server.Server._load = lambda self, request, blob:"
        " os.abort() if os.path.getsize(request['file']) == size else load(self, request, blob)"
    )
    with faulty_device(profile, tmp_path, fault) as device:
        found = explore(device, [middle, narrow], anchor, store=store)
    assert found["middle"].verdict == "failed"
    assert "signal 6" in found["middle"].reason
    assert (found["wide"].verdict, found["narrow"].verdict) == ("ok", "ok")


def test_a_pass_whose_time_is_up_loads_nothing(device: Device, anchor: Subject, narrow: Subject) -> None:
    plan = Plan("explore", QUICK, (0,), deadline=time.monotonic() - 1)
    found = measure_process(device, [narrow], anchor, plan)
    assert (found.records, found.failures) == ({}, {})
    assert found.late == dict.fromkeys(("wide", "narrow"), "time ran out before it was loaded")


def hanging_on(subject: Subject, log: Path) -> str:
    """Return the fault of an agent that hangs while it loads one network, and keeps a list of when it did."""
    return (
        "load = agent.server.Server._load\n"
        f"size = {subject.file.stat().st_size}\n"
        "def hang(self, request, blob):\n"
        "    if os.path.getsize(request['file']) == size:\n"
        f"        open({str(log)!r}, 'a').write('hung ')\n"
        "        time.sleep(600)\n"
        "    return load(self, request, blob)\n"
        "agent.server.Server._load = hang"
    )


def test_a_network_that_hangs_in_loading_is_not_tried_twice(
    profile: DeviceProfile, store: Store, tmp_path: Path, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    hasty, log = profile.override(timeouts={"load_s": 3.0}), tmp_path / "log"
    with faulty_device(hasty, tmp_path / "state", hanging_on(middle, log)) as device:
        found = explore(device, [middle, narrow], anchor, store=store)
    assert found["middle"].verdict == "failed"
    assert "did not answer 'load' within 3 s" in found["middle"].reason
    assert (found["wide"].verdict, found["narrow"].verdict) == ("ok", "ok")
    assert log.read_text() == "hung "


def test_loading_takes_no_longer_than_the_time_for_measuring(
    profile: DeviceProfile, store: Store, tmp_path: Path, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    patient = profile.override(timeouts={"load_s": 600.0})
    begun = time.monotonic()
    with faulty_device(patient, tmp_path / "state", hanging_on(middle, tmp_path / "log")) as device:
        found = explore(device, [middle, narrow], anchor, store=store, time_limit_s=4.0)
    assert time.monotonic() - begun < 120
    assert {result.verdict for result in found.values()} == {"failed"}
    assert all(result.reason.startswith("time ran out") for result in found.values())


def test_an_engine_that_takes_no_time_fails(
    profile: DeviceProfile, store: Store, tmp_path: Path, anchor: Subject, narrow: Subject
) -> None:
    device = faulty_device(profile, tmp_path, "time.perf_counter_ns = lambda: 7")
    with device, pytest.raises(MeasurementError, match="no time"):
        explore(device, [narrow], anchor, store=store)


@pytest.mark.parametrize("took", ["[9] * a[-1], [0] * a[-1]", "[0] * a[-1], [9] * a[-1]"])
def test_no_time_of_the_device_s_own_is_no_figure_either(
    profile: DeviceProfile, store: Store, tmp_path: Path, anchor: Subject, took: str
) -> None:
    fault = f"import agent.engines.onnxruntime_engine as e\ne.OnnxRuntimeModel.visit = lambda *a: e.Samples({took})"
    with faulty_device(profile, tmp_path, fault) as device, pytest.raises(MeasurementError, match="no time"):
        explore(device, [], anchor, store=store)


def kill_agents() -> None:
    """Kill every agent of this process, waiting for one to be there."""
    deadline = time.monotonic() + 20
    while not (children := psutil.Process().children()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    for child in children:
        child.kill()


def test_an_agent_killed_between_rounds_loses_nothing_that_was_measured_before(
    device: Device, store: Store, anchor: Subject, narrow: Subject, middle: Subject
) -> None:
    def progress(done: int, total: int) -> None:
        if done == QUICK.rounds + 1:  # in the second of two blocks
            kill_agents()

    cut = QUICK.model_copy(update={"block_subjects": 1})
    with pytest.raises(AgentLost, match="signal 9"):
        explore(device, [narrow, middle], anchor, store=store, protocol=cut, progress=progress)
    resumed = explore(device, [narrow, middle], anchor, store=store, protocol=cut)
    assert [result.reused for result in resumed.values()] == [True, True, False]
    assert resumed["middle"].verdict == "ok"


def test_an_agent_killed_once_by_something_else_is_started_again(
    device: Device, store: Store, anchor: Subject, narrow: Subject
) -> None:
    device.describe()
    killer = threading.Thread(target=kill_agents)
    killer.start()
    found = explore(device, [narrow], anchor, store=store)
    killer.join()
    assert {result.verdict for result in found.values()} == {"ok"}


WORKSTATION = """
import sys
from pathlib import Path
from devices import connect, load_profile
from harness.measuring import Store, Subject, finalists
from tests.measuring.conftest import QUICK
state, store, wide, narrow = map(Path, sys.argv[1:])
with connect(load_profile("cpu").override(protocol=QUICK), state=state) as device:
    finalists(
        device, [Subject("narrow", narrow, "topology of narrow")], Subject("wide", wide, "topology of wide"),
        store=Store(store), progress=lambda done, total: print(done, flush=True),
    )
"""


def test_a_killed_workstation_resumes_where_it_was(
    profile: DeviceProfile, store: Store, tmp_path: Path, anchor: Subject, narrow: Subject
) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-c", WORKSTATION, *map(str, (state, store.path, anchor.file, narrow.file))]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert run.stdout is not None
    while run.stdout.readline().strip() != "2":
        assert run.poll() is None
    run.kill()
    run.wait()
    with connect(profile, state=state, lock_wait_s=5) as device:
        kept = {record.uid for record in store.find(device.describe(), narrow, "finalist")}
        assert len(kept) in (2, 3)
        resumed = finalists(device, [narrow], anchor, store=store)["narrow"]
    assert kept <= {record.uid for record in resumed.records}
    assert len(store.find(resumed.records[0].fingerprint, narrow, "finalist")) == len(resumed.records)
