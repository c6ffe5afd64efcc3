"""A board for tests: a real OpenSSH server on loopback, with its own home, keys, port and environment."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from devices import DeviceProfile, load_profile

HOST = "board"  # what the board is called in its ssh configuration
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])

_SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv {environment}
"""
_CLIENT = """
Host {host}
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/user_key
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
"""


class Board:
    """The server and what a workstation needs to reach it; `environment` is that of whatever runs on the board."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "sshd.log"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.environment = {"HOME": str(self.home), "PATH": _PATH}
        self.port = free_port()
        self.config = folder / "ssh_config"
        for name in ("host_key", "user_key"):
            make_key(folder / name)
        self.know((folder / "host_key.pub").read_text())
        self.write_config()
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and return when it listens."""
        environment = " ".join(f'"{name}={value}"' for name, value in self.environment.items())
        config = self._folder / "sshd_config"
        config.write_text(_SERVER.format(port=self.port, folder=self._folder, environment=environment))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where the server drops its privileges
        with self._log.open("ab") as errors:
            self._server = subprocess.Popen([server_program(), "-D", "-e", "-f", str(config)], stderr=errors)
        deadline = time.monotonic() + 20
        while not accepts(self.port):
            if self._server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"sshd does not start: {self._log.read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server and everything that runs on the board, as a power cut does."""
        self.cut()
        if self._server is not None:
            self._server.kill()
            self._server.wait(10)
            self._server = None
        for process in self.processes():
            end(process)

    def restart(self) -> None:
        """Stop and start, with the environment as it is now."""
        self.stop()
        self.start()

    def hold_on_core(self, core: int) -> None:
        """Keep the server, and what it starts from now on, on one core."""
        if self._server is not None:
            server = psutil.Process(self._server.pid)
            for process in [server, *server.children(recursive=True)]:
                process.cpu_affinity([core])

    def cut(self) -> None:
        """End the server's side of every connection."""
        for process in self.connections():
            end(process)

    def connections(self) -> list[psutil.Process]:
        """The processes of the server that serve a connection each."""
        children = psutil.Process(self._server.pid).children() if self._server else []
        return [process for process in children if is_alive(process)]

    def logins(self) -> int:
        """How many connections were let in so far."""
        return self._log.read_text().count("Accepted publickey")

    def processes(self) -> list[psutil.Process]:
        """What runs on the board, but for the server."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def agents(self) -> list[psutil.Process]:
        """The agents among them."""
        words = {process: command_line(process) for process in self.processes()}
        return [process for process, line in words.items() if {"--work", "python3"} <= line and "sh" not in line]

    def work_folders(self) -> list[Path]:
        """The work folders on the board."""
        return list(self.base.glob("work-*"))

    @property
    def base(self) -> Path:
        """The folder of the lock and the work folders."""
        return self.home / ".cache" / "slimda-edge" / "local"

    def is_clean(self) -> bool:
        """Whether no process and no work folder is left."""
        return not self.processes() and not self.work_folders()

    def profile(self, **timeouts: float) -> DeviceProfile:
        """Return the profile of the board, with time-outs for the impatient."""
        impatient = {"connect_s": 5.0, "reconnect_s": 5.0, **timeouts}
        return load_profile("cpu").override(
            name="board", transport="ssh", host=HOST, ssh_config=self.config, timeouts=impatient
        )

    def know(self, public_key: str) -> None:
        """Have the workstation take `public_key` for the board's."""
        (self._folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public_key}\n")

    def write_config(self, *, more: str = "") -> None:
        """Write the ssh configuration that reaches the board, for its port of now, with `more` lines in front."""
        content = _CLIENT.format(host=HOST, port=self.port, folder=self._folder, user=getpass.getuser())
        self.config.write_text(more + content)

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return is_alive(process) and process.environ().get("HOME") == str(self.home)
        except (psutil.Error, OSError):
            return False


def server_program() -> str:
    """Return the path of sshd; without it tests are skipped, but for continuous integration, where they fail."""
    program = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if program is None:
        missing = "sshd is not installed here: install openssh-server"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return program


def make_key(path: Path) -> None:
    """Make a pair of keys: `path`, and `path` with .pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=20)


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: psutil.Process) -> None:
    """Kill a process that may have ended by itself."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def command_line(process: psutil.Process) -> set[str]:
    """Return the words of a process's command; none where it has ended."""
    try:
        return set(process.cmdline())
    except psutil.Error:
        return set()


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs, and is not just waiting to be reaped."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return when `condition` holds; fail where it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
