"""The agent's life on a board behind a real SSH server, and what is left there however it ends."""

import hashlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from devices import (
    AgentLost,
    ConnectionLost,
    Device,
    DeviceBusy,
    DeviceError,
    DeviceUnreachable,
    Visit,
    connect,
    load_profile,
)
from devices.transports.ssh import SshTransport
from tests.devices.networks import SHAPE, write_network
from tests.sources import ROOT
from tests.sshd import HOST, Board, is_alive, wait_until

MANY = 50_000  # runs of the large network: half a minute


def later(action: Callable[[], object], seconds: float = 0.3) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return write_network(tmp_path / "large.onnx", 16384)


class TestAgent:
    def test_measures_and_answers_as_it_does_here(self, board: Board, network: Path, tmp_path: Path) -> None:
        images = np.random.default_rng(0).normal(size=(5, *SHAPE[1:])).astype(np.float32)
        with connect(load_profile("cpu"), state=tmp_path / "state") as here:
            expected, known = here.infer(network, images), here.describe()
        with connect(board.profile()) as there:
            assert there.describe() == known.model_copy(update={"device": "board"})
            with there.agent() as agent:
                model = there.load(agent, network)
                result = agent.run_round([Visit(model.handle, 1, 4), Visit(model.handle, 0, 2)])
                np.testing.assert_array_equal(agent.infer(model, images), expected)
        assert [len(samples) for samples in result.samples] == [4, 2]
        assert min(map(min, result.samples)) > 0

    def test_is_not_disturbed_by_what_a_login_shell_prints(self, board: Board, network: Path) -> None:
        (board.home / ".bashrc").write_text("echo Welcome; echo to >&2; printf '{\"ok\": false}'\n")
        with connect(board.profile()) as device, device.agent() as agent:
            assert device.load(agent, network).finite

    def test_killed_in_the_middle_of_a_round_is_told_from_a_lost_line(self, board: Board, large: Path) -> None:
        with connect(board.profile()) as device, device.agent() as agent:
            model = device.load(agent, large)
            later(lambda: board.agents()[0].kill())
            with pytest.raises(AgentLost, match=r"ended during 'round' \(signal 9\)") as error:
                agent.run_round([Visit(model.handle, 0, MANY)])
            assert not isinstance(error.value, ConnectionLost)
            assert device.infer(large, np.zeros(SHAPE, np.float32)).shape == (1, 16384, 1, 1)

    def test_given_up_is_killed_on_the_board_at_once_and_another_is_left_alone(self, board: Board, large: Path) -> None:
        with connect(board.profile(run_s=0.3)) as device, device.agent() as other:
            other.describe(["onnxruntime"])
            with device.agent() as agent:
                model = device.load(agent, large)
                with pytest.raises(AgentLost, match="did not answer 'round'"):
                    agent.run_round([Visit(model.handle, 0, MANY)])
                assert len(board.agents()) == 1
            assert [e.missing for e in other.describe(["onnxruntime"]).engines] == [None]

    def test_without_its_runtime_says_which_and_for_which_python(self, board: Board, tmp_path: Path) -> None:
        (tmp_path / "onnxruntime.py").write_text("raise ImportError('no such runtime here')")
        board.environment["PYTHONPATH"] = str(tmp_path)
        board.restart()
        with connect(board.profile()) as device, pytest.raises(DeviceError, match="onnxruntime cannot be imported"):
            device.describe()

    def test_runs_under_the_python_that_the_profile_names(self, board: Board, network: Path, tmp_path: Path) -> None:
        """As with a virtual environment that the login shell knows nothing of."""
        places = {name: tmp_path / name for name in ("login/python3", "venv-3.11/bin/python")}
        for path, script in zip(places.values(), ("exit 1", f'exec {sys.executable} "$@"'), strict=True):
            path.parent.mkdir(parents=True)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        login, venv = places.values()
        board.environment["PATH"] = os.pathsep.join([str(login.parent), os.defpath])
        board.restart()
        with pytest.raises(DeviceError, match="python3 on board ended with status 1"), connect(board.profile()):
            pass
        with connect(board.profile().override(python=str(venv))) as device, device.agent() as agent:
            assert device.load(agent, network).finite
            assert device.describe().python == platform.python_version()
        absent = board.profile().override(python="/nowhere/python")
        with pytest.raises(DeviceError, match=r"board has no /nowhere/python .*or name the one"), connect(absent):
            pass
        wait_until(board.is_clean)

    def test_whose_file_is_gone_from_the_board_says_so(self, board: Board) -> None:
        with connect(board.profile()) as device:
            (board.work_folders()[0] / "agent.pyz").unlink()
            with pytest.raises(DeviceError, match=r"cannot say what it is: .*can't open file .*agent\.pyz"):
                device.describe()

    def test_cannot_be_started_where_this_machine_cannot_start_ssh_any_more(
        self, board: Board, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connect(board.profile()) as device:
            with monkeypatch.context() as patch:
                patch.setenv("PATH", "/nowhere")
                with pytest.raises(DeviceError, match="an agent on board cannot be started from here: No such file"):
                    device.agent()
            assert device.describe().engine

    def test_cannot_be_started_past_a_connection_that_is_gone(self, board: Board) -> None:
        with connect(board.profile()) as device:
            board.cut()
            with pytest.raises(ConnectionLost, match="the connection to board was lost"):
                device.agent()
            assert board.connections() == []


#: A line that brings everything so much later, as a ProxyCommand: port and seconds.
SLOW_LINE = """
import os, socket, sys, threading, time
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def carry(read, write):
    while piece := read(65536):
        time.sleep(float(sys.argv[2]))
        write(piece)
    os._exit(0)
threading.Thread(target=carry, args=(server.recv, lambda piece: os.write(1, piece))).start()
carry(lambda size: os.read(0, size), server.sendall)
"""


def test_the_round_trip_is_not_in_the_timing(board: Board, network: Path, tmp_path: Path) -> None:
    (tmp_path / "line.py").write_text(SLOW_LINE)
    board.write_config(more=f"ProxyCommand {sys.executable} {tmp_path}/line.py {board.port} 0.05\n")
    with connect(board.profile()) as device, device.agent() as agent:
        model = device.load(agent, network)
        start = time.monotonic()
        result = agent.run_round([Visit(model.handle, 2, 9)])
        assert time.monotonic() - start > 0.1
        assert np.median(result.samples[0]) < 0.02e9


class TestUpload:
    def test_is_named_by_its_content_and_made_once(
        self, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = os.urandom(3 * 2**20 + 5)  # in several pieces
        for name in ("one.onnx", "two.onnx"):
            (tmp_path / name).write_bytes(content)
        with connect(board.profile()) as device:
            name = device.put(tmp_path / "one.onnx")
            assert name == hashlib.sha256(content).hexdigest() + ".onnx"
            (folder,) = board.work_folders()
            assert folder.stat().st_mode & 0o077 == 0
            assert (folder / name).read_bytes() == content
            made = (folder / name).stat().st_mtime_ns
            assert device.put(tmp_path / "two.onnx") == name
            assert (folder / name).stat().st_mtime_ns == made
            assert sorted(path.name for path in folder.iterdir()) == sorted(["agent.pyz", name])

    def test_of_the_agent_is_made_once_per_version_and_of_a_damaged_one_again(self, board: Board) -> None:
        with connect(board.profile()):
            (agent,) = board.base.glob("*.pyz")
            made = agent.stat().st_mtime_ns
        assert hashlib.sha256(agent.read_bytes()).hexdigest() == agent.stem
        with connect(board.profile()):
            assert agent.stat().st_mtime_ns == made
        agent.write_bytes(b"damaged")
        (board.base / "another-version.pyz").write_bytes(b"")
        with connect(board.profile()) as device:
            assert device.describe().engine == "onnxruntime"
            assert [path.stem for path in board.base.glob("*.pyz")] == [agent.stem]

    def test_of_an_absent_file_names_it(self, board: Board, tmp_path: Path) -> None:
        with connect(board.profile()) as device, pytest.raises(DeviceError, match=r"absent\.onnx cannot be brought"):
            device.put(tmp_path / "absent.onnx")

    def test_that_arrives_damaged_is_refused(self, board: Board) -> None:
        transport = opened(board)
        with pytest.raises(DeviceError, match="arrived on board damaged"):
            transport._connected.put("0" * 64 + ".onnx", b"something else")
        assert [path.name for path in board.work_folders()[0].iterdir()] == ["agent.pyz"]
        transport.close()

    @pytest.mark.parametrize("name", ["../" + "0" * 64, "0" * 63, "0" * 64 + "/x", "0" * 64 + ".a b", ""])
    def test_under_any_other_name_is_refused(self, board: Board, name: str) -> None:
        transport = opened(board)
        with pytest.raises(DeviceError, match="named by the SHA-256"):
            transport._connected.put(name, b"")
        transport.close()

    def test_to_a_full_disk_says_so_and_the_connection_goes_on(self, board: Board, tmp_path: Path) -> None:
        with small_disk(board.base):
            (tmp_path / "big.onnx").write_bytes(os.urandom(2**20))
            (tmp_path / "small.onnx").write_bytes(b"fits")
            with connect(board.profile()) as device:
                with pytest.raises(DeviceError, match=r"the disk of board is full: make room there .*No space left"):
                    device.put(tmp_path / "big.onnx")
                assert len(list(board.work_folders()[0].iterdir())) == 1
                assert device.put(tmp_path / "small.onnx")
            assert board.is_clean()

    def test_of_the_agent_to_a_full_disk_says_so(self, board: Board) -> None:
        with small_disk(board.base):
            (board.base / "ballast").write_bytes(bytes(500_000))
            with pytest.raises(DeviceError, match="the disk of board is full"):
                connect(board.profile()).__enter__()
            wait_until(board.is_clean)


class small_disk:
    """A file system of half a megabyte at `folder`; only root can mount one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small disk")
        self._folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(self._folder)], check=True)

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)


def opened(board: Board) -> SshTransport:
    transport = SshTransport(HOST, board.config, board.profile().timeouts, 0.0)
    transport.open()
    return transport


HOLD = """
import sys, time
from pathlib import Path
from typing import Any
from devices import Visit, connect
from devices.profile import DeviceProfile
profile = DeviceProfile.model_validate_json(sys.argv[1])
with connect(profile) as device, device.agent() as agent:
    model = device.load(agent, Path(sys.argv[2]))
    print("holds", flush=True)
    agent.run_round([Visit(model.handle, 0, int(sys.argv[3]))])
"""


def hold(board: Board, network: Path, runs: int = MANY) -> "subprocess.Popen[str]":
    """Start another run, in whose agent a long round has begun."""
    command = [sys.executable, "-c", HOLD, board.profile().model_dump_json(), str(network), str(runs)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert run.stdout is not None
    assert run.stdout.readline() == "holds\n", run.communicate()
    return run


class TestTwoRunsAtOnce:
    def test_the_second_is_told_who_measures_and_since_when(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        folders = board.work_folders()
        with pytest.raises(DeviceBusy, match=rf"board is busy: \S+@\S+, process {run.pid} \(since 20\d\d-.*try again"):
            connect(board.profile(), lock_wait_s=0.3).__enter__()
        assert board.work_folders() == folders
        assert len(board.agents()) == 1
        run.kill()
        run.communicate()

    def test_the_second_waits_for_the_first_to_end(self, board: Board, large: Path) -> None:
        run = hold(board, large, 1000)
        with connect(board.profile(), lock_wait_s=30) as device:
            assert run.wait(10) == 0
            assert device.describe().engine == "onnxruntime"
        run.communicate()

    def test_one_from_a_desk_and_one_on_the_board_itself_exclude_each_other(self, board: Board) -> None:
        with connect(load_profile("cpu"), state=board.base.parent), pytest.raises(DeviceBusy, match="board is busy"):
            connect(board.profile(), lock_wait_s=0).__enter__()

    def test_one_that_gives_up_waiting_leaves_the_board_alone(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        before = len(board.processes())
        later(lambda: os.kill(os.getpid(), signal.SIGINT), 1.0)
        with pytest.raises(KeyboardInterrupt):
            connect(board.profile(), lock_wait_s=60).__enter__()
        wait_until(lambda: len(board.processes()) == before)
        run.kill()
        run.communicate()

    def test_a_line_cut_while_waiting_is_told_and_leaves_the_first_alone(self, board: Board, large: Path) -> None:
        with connect(board.profile()) as first:
            (connection,) = board.connections()

            def cut_second() -> None:
                for process in board.connections():
                    if process != connection:
                        process.kill()

            later(cut_second, 1.0)
            with pytest.raises(DeviceUnreachable, match="board closed the connection"):
                connect(board.profile(), lock_wait_s=60).__enter__()
            assert first.describe().engine == "onnxruntime"


class TestTheBoardIsClean:
    def test_after_a_connection_that_was_closed(self, board: Board, network: Path) -> None:
        with connect(board.profile()) as device:
            device.put(network)
        assert board.is_clean()
        assert (board.base / "lock").read_text() == ""

    def test_after_ctrl_c_in_the_middle_of_a_round(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=10)
        assert board.is_clean()

    def test_after_the_workstation_was_killed_in_the_middle_of_a_round(self, board: Board, large: Path) -> None:
        run = hold(board, large)
        clients = [process for process in psutil.Process(run.pid).children() if process.name() == "ssh"]
        assert len(clients) == 2
        run.kill()
        run.communicate()
        wait_until(board.is_clean)
        wait_until(lambda: not any(map(is_alive, clients)))
        with connect(board.profile(), lock_wait_s=0) as device:
            assert device.describe().engine == "onnxruntime"

    def test_after_the_line_was_cut_in_the_middle_of_a_round(self, board: Board, large: Path) -> None:
        with connect(board.profile()) as device, device.agent() as agent:
            model = device.load(agent, large)
            later(board.cut)
            with pytest.raises(
                ConnectionLost, match=r"connection to board was lost \(.*\): the agent ended during 'rou"
            ):
                agent.run_round([Visit(model.handle, 0, MANY)])
            wait_until(board.is_clean)

    def test_after_the_line_fell_silent_without_closing(self, board: Board, large: Path) -> None:
        with connect(board.profile(line_s=1.0, run_s=30.0)) as device, device.agent() as agent:
            model = device.load(agent, large)
            frozen = master_of(device)
            later(frozen.suspend)
            later(frozen.resume, 4.0)
            with pytest.raises(ConnectionLost):
                agent.run_round([Visit(model.handle, 0, MANY)])
            wait_until(board.is_clean)

    def test_after_a_line_that_both_ends_take_for_open_and_the_next_run_waits_for_it(
        self, board: Board, large: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "line.py").write_text(SLOW_LINE)
        relayed = f"{tmp_path}/line.py {board.port} 0"
        board.write_config(more=f"ProxyCommand {sys.executable} {relayed}\n")
        with connect(board.profile(line_s=8.0), lock_wait_s=0) as device:
            (relay,) = [p for p in psutil.Process().children(recursive=True) if relayed in " ".join(p.cmdline())]
            try:
                with device.agent() as agent:
                    model = device.load(agent, large)
                    later(relay.suspend)
                    with pytest.raises(ConnectionLost, match="no longer answers"):
                        agent.run_round([Visit(model.handle, 0, MANY)])
                    assert board.agents() != []
                device.reconnect()
                assert len(board.work_folders()) == 1
                assert device.infer(large, np.zeros(SHAPE, np.float32)).shape == (1, 16384, 1, 1)
            finally:
                relay.kill()
        wait_until(board.is_clean)

    def test_after_its_session_was_told_to_end(self, board: Board, network: Path) -> None:
        with connect(board.profile()) as device, device.agent() as agent:
            model = device.load(agent, network)
            session_of(board).terminate()
            wait_until(board.is_clean)
            with pytest.raises(ConnectionLost):
                agent.run_round([Visit(model.handle, 0, 1)])

    def test_of_processes_where_its_session_was_killed_and_after_the_next_run_of_files(
        self, board: Board, large: Path
    ) -> None:
        with connect(board.profile(line_s=1.0)) as device, device.agent() as agent:
            model = device.load(agent, large)
            later(session_of(board).kill)
            with pytest.raises(ConnectionLost):  # the lock went with the session: nothing more may be measured
                agent.run_round([Visit(model.handle, 0, MANY)])
            (left,) = board.work_folders()
            with connect(board.profile(), lock_wait_s=0):
                assert left not in board.work_folders()
                assert board.agents() == []
            assert board.is_clean()

    def test_while_a_workstation_that_is_only_slow_keeps_its_line(self, board: Board) -> None:
        with connect(board.profile(line_s=0.6)) as device:
            time.sleep(1.5)
            assert device.describe().engine == "onnxruntime"


def master_of(device: Device) -> psutil.Process:
    """The ssh client that holds the connection."""
    transport = device._transport
    assert isinstance(transport, SshTransport)
    return psutil.Process(transport._connected._process.pid)


def session_of(board: Board) -> psutil.Process:
    (session,) = [process for process in board.processes() if process.cmdline()[:2] == ["python3", "-I"]]
    return session


class TestReconnecting:
    def test_mends_a_line_that_was_cut(self, board: Board, network: Path) -> None:
        with connect(board.profile(line_s=1.0), lock_wait_s=0) as device:
            board.cut()
            with pytest.raises(ConnectionLost):
                device.put(network)
            device.reconnect()
            with device.agent() as agent:
                assert device.load(agent, network).finite
        assert board.is_clean()

    def test_waits_for_a_board_that_is_starting(self, board: Board, network: Path) -> None:
        with connect(board.profile(reconnect_s=20)) as device:
            board.stop()
            later(board.start, 1.0)
            device.reconnect()
            assert device.infer(network, np.zeros(SHAPE, np.float32)).shape == (1, 4, 1, 1)

    def test_gives_up_on_a_board_that_does_not_come_back(self, board: Board) -> None:
        with connect(board.profile(reconnect_s=0.1)) as device:
            board.stop()
            with pytest.raises(DeviceError, match="refuses connections"):
                device.reconnect()
            with pytest.raises(DeviceError, match="not connected"):
                device.agent()

    def test_ends_when_its_user_is_interrupted(self, board: Board) -> None:
        with connect(board.profile(reconnect_s=60)) as device:
            board.stop()
            later(device.interrupt)
            start = time.monotonic()
            with pytest.raises(DeviceError, match="board was interrupted"):
                device.reconnect()
            assert time.monotonic() - start < 20


class TestInterruptedFromAnotherThread:
    """As Ctrl-C does with boards that are worked on side by side."""

    def assert_prompt(self, device: Device, after_s: float = 0.5) -> None:
        later(device.interrupt, after_s)
        start = time.monotonic()
        with pytest.raises(DeviceError, match=r"^board was interrupted$"):
            device.__enter__()
        assert time.monotonic() - start < 10

    def test_while_the_board_does_not_answer(self, board: Board) -> None:
        board.write_config(more="ProxyCommand sh -c 'while read line; do :; done'\n")
        self.assert_prompt(connect(board.profile(connect_s=60)))

    def test_while_another_run_holds_the_board(self, board: Board) -> None:
        with connect(board.profile()):
            self.assert_prompt(connect(board.profile(), lock_wait_s=60), after_s=2.0)
        wait_until(board.is_clean)

    def test_before_it_is_connected(self, board: Board) -> None:
        device = connect(board.profile())
        device.interrupt()
        with pytest.raises(DeviceError, match=r"^board was interrupted$"):
            device.__enter__()
        assert board.logins() == 0

    def test_once_connected_it_can_still_be_left_clean(self, board: Board) -> None:
        with connect(board.profile()) as device:
            device.interrupt()
            with pytest.raises(DeviceError, match=r"^board was interrupted$"):
                device.agent()
        assert board.is_clean()


def test_a_device_that_is_not_connected_starts_nothing(board: Board) -> None:
    with pytest.raises(DeviceError, match="not connected"):
        connect(board.profile()).agent()


def test_the_control_socket_finds_a_short_path_and_leaves_nothing(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    made: list[Path] = []

    def recorded(*arguments: Any, **options: Any) -> str:
        path: str = make(*arguments, **options)
        made.append(Path(path))
        return path

    make = tempfile.mkdtemp
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setattr("tempfile.mkdtemp", recorded)
    with connect(board.profile()) as device:
        assert device.describe().engine == "onnxruntime"
        assert [path for path in made if path.exists()] == made[-1:]
        assert made[-1].parent == Path("/tmp")
    assert not made[-1].exists()
    assert list(deep.iterdir()) == []
