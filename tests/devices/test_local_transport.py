import hashlib
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from devices import Device, DeviceBusy, DeviceError, DeviceProfile, connect

HOLD = """
import sys, time
from pathlib import Path
from devices import connect, load_profile
with connect(load_profile("cpu"), state=Path(sys.argv[1])) as device, device.agent() as agent:
    device.put(Path(sys.argv[2]))
    print(agent.pid, flush=True)
    time.sleep(float(sys.argv[3]))
"""


def hold(state: Path, network: Path, seconds: float) -> tuple["subprocess.Popen[str]", int]:
    """Start another run that holds the device; return it and the process number of its agent."""
    command = [sys.executable, "-c", HOLD, str(state), str(network), str(seconds)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert run.stdout is not None
    return run, int(run.stdout.readline())


def work_folders(state: Path) -> list[Path]:
    return list((state / "local").glob("work-*"))


def test_the_agent_runs_under_the_python_that_the_profile_names(profile: DeviceProfile, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    with connect(profile.override(python=str(other)), state=tmp_path, lock_wait_s=0) as device, device.agent() as agent:
        assert psutil.Process(agent.pid).cmdline()[0] == str(other)
    absent = profile.override(python="/nowhere/python")
    with (
        connect(absent, state=tmp_path, lock_wait_s=0) as device,
        pytest.raises(DeviceError, match="cannot be started by /nowhere/python: No such file"),
    ):
        device.describe()


def test_a_file_is_kept_once_under_the_hash_of_its_content(device: Device, network: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another-name.onnx"
    copy.write_bytes(network.read_bytes())
    name = device.put(network)
    assert device.put(copy) == name == hashlib.sha256(network.read_bytes()).hexdigest() + ".onnx"
    (folder,) = work_folders(tmp_path / "state")
    assert (folder / name).read_bytes() == network.read_bytes()


def test_the_work_folder_is_private_and_gone_afterwards(profile: DeviceProfile, tmp_path: Path, network: Path) -> None:
    with connect(profile, state=tmp_path) as device:
        device.put(network)
        (folder,) = work_folders(tmp_path)
        assert folder.stat().st_mode & 0o077 == 0
    assert not work_folders(tmp_path)


def test_an_absent_file_is_named(device: Device, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"absent\.onnx cannot be brought"):
        device.put(tmp_path / "absent.onnx")


def test_a_second_run_is_told_who_measures_and_since_when(
    profile: DeviceProfile, tmp_path: Path, network: Path
) -> None:
    run, _ = hold(tmp_path, network, 60)
    try:
        with pytest.raises(DeviceBusy, match=rf"process {run.pid} \(since 20\d\d-"):
            connect(profile, state=tmp_path, lock_wait_s=0.3).__enter__()
        assert work_folders(tmp_path), "the refused run must not touch the folder of the one that measures"
    finally:
        run.kill()
        run.wait()


def test_a_second_run_waits_for_the_first_to_end(profile: DeviceProfile, tmp_path: Path, network: Path) -> None:
    run, _ = hold(tmp_path, network, 0.5)
    with connect(profile, state=tmp_path, lock_wait_s=30) as device:
        assert run.wait(10) == 0
        assert device.describe().engine == "onnxruntime"


def test_waiting_for_the_first_to_end_can_be_interrupted(profile: DeviceProfile, tmp_path: Path, network: Path) -> None:
    run, _ = hold(tmp_path, network, 60)
    try:
        waiting = connect(profile, state=tmp_path, lock_wait_s=60)
        threading.Timer(0.3, waiting.interrupt).start()
        start = time.monotonic()
        with pytest.raises(DeviceError, match=f"^{profile.name} was interrupted$"):
            waiting.__enter__()
        assert time.monotonic() - start < 10
    finally:
        run.kill()
        run.wait()


def test_a_killed_run_leaves_no_lock_no_agent_and_no_file(
    profile: DeviceProfile, tmp_path: Path, network: Path
) -> None:
    run, agent_pid = hold(tmp_path, network, 60)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(agent_pid) and psutil.Process(agent_pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the agent outlived its workstation"
        time.sleep(0.05)
    with connect(profile, state=tmp_path, lock_wait_s=0):
        assert len(work_folders(tmp_path)) == 1
    assert not work_folders(tmp_path)


def test_an_agent_that_is_still_busy_for_a_killed_run_is_ended_before_the_next_one_measures(
    profile: DeviceProfile, tmp_path: Path
) -> None:
    leftover = tmp_path / "local" / "work-of-a-killed-run"
    leftover.mkdir(parents=True)
    busy = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=leftover)
    try:
        with connect(profile, state=tmp_path, lock_wait_s=0):
            assert busy.poll() is not None, "it would disturb what is measured now"
            assert leftover not in work_folders(tmp_path)
    finally:
        busy.kill()
        busy.wait()


def test_a_folder_that_cannot_be_made_is_a_device_error(profile: DeviceProfile, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="cannot be made"):
        connect(profile, state=tmp_path / "file").__enter__()


def test_a_device_that_is_not_connected_starts_nothing(profile: DeviceProfile, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="not connected"):
        connect(profile, state=tmp_path).agent()


def test_ctrl_c_while_the_work_folder_is_removed_does_not_leave_it(
    profile: DeviceProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, pressed = shutil.rmtree, threading.Event()

    def interrupted(folder: Path, ignore_errors: bool) -> None:
        if not pressed.is_set():
            pressed.set()
            raise KeyboardInterrupt
        remove(folder, ignore_errors)

    with pytest.raises(KeyboardInterrupt), connect(profile, state=tmp_path):
        monkeypatch.setattr(shutil, "rmtree", interrupted)
    assert pressed.is_set()
    assert not work_folders(tmp_path)
    with connect(profile, state=tmp_path, lock_wait_s=0):
        pass
