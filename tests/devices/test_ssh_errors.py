"""What stands between a workstation and a board, told apart with what to do; by the real ssh, but where said."""

import os
import re
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import DeviceError, DeviceUnreachable, ProfileError, connect
from devices.transports.ssh_errors import connection_error
from tests.sshd import Board, free_port, make_key, wait_until

OLD_PYTHON = f"""#!{sys.executable}
import sys
sys.version_info = (3, 6, 9, "final", 0)
code = sys.argv[3]  # after -I -c
sys.argv[:4] = ["-c"]
exec(code)
"""


def refusal(board: Board, **timeouts: float) -> DeviceError:
    """Return the error of connecting to the board, which is one sentence and leaves nothing."""
    with pytest.raises(DeviceError) as error:
        connect(board.profile(**timeouts), lock_wait_s=0).__enter__()
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 500
    wait_until(board.is_clean)
    return error.value


def test_a_host_without_a_name(board: Board) -> None:
    with pytest.raises(DeviceError, match=r"board is reached over SSH and has no host: name one with --host .*profile"):
        connect(board.profile().override(host=None))


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch x", "-F", "root@-l", "-x@board", "a b", "a;b", "$(x)", "a\n", "@board", "root@", ""]
)
def test_a_host_that_could_be_an_option_or_a_command(board: Board, host: str) -> None:
    with pytest.raises(ProfileError, match="host: must be HOST or USER@HOST"):
        board.profile().override(host=host)


@pytest.mark.parametrize("host", ["nano", "pi@raspberrypi.local", "10.0.0.7", "me@fe80::1%eth0", "j_d-x.y@a-b"])
def test_a_host_as_people_write_it(board: Board, host: str) -> None:
    assert board.profile().override(host=host).host == host


def test_an_unknown_name(board: Board) -> None:
    profile = board.profile().override(host="root@nonexistent.invalid", ssh_config=None)
    with pytest.raises(DeviceUnreachable, match=r"no host called root@nonexistent\.invalid: check the name.*--host"):
        connect(profile).__enter__()


def test_a_port_that_nothing_listens_on(board: Board) -> None:
    board.write_config(more=f"Port {free_port()}\n")
    error = refusal(board)
    assert isinstance(error, DeviceUnreachable)
    assert "board refuses connections: is its SSH server running" in str(error)
    assert "port" in str(error)


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        yield int(mute.getsockname()[1])


def test_a_host_that_does_not_answer(board: Board, mute_port: int) -> None:
    board.write_config(more=f"Port {mute_port}\n")
    error = refusal(board, connect_s=1.0)
    assert isinstance(error, DeviceUnreachable)
    assert "does not answer: is it switched on" in str(error)


@pytest.mark.parametrize("host", ["true", 'sh -c "echo SSH-2.0-x; sleep 0.3"'], ids=["at once", "after its name"])
def test_a_host_that_hangs_up(board: Board, host: str) -> None:
    """Of which ssh says nothing, or something, by how far it had come."""
    board.write_config(more=f"ProxyCommand {host}\n")
    error = refusal(board)
    assert isinstance(error, DeviceUnreachable)
    assert "closed the connection" in str(error)


def test_a_login_that_never_gets_through(board: Board) -> None:
    (board.home / ".bashrc").write_text("sleep 60\n")
    with pytest.raises(DeviceError, match=r"did not begin within 2 s.*try by hand: ssh -F"):
        connect(board.profile(connect_s=1.0)).__enter__()


def test_a_host_key_that_is_not_known(board: Board, tmp_path: Path) -> None:
    (board.config.parent / "known_hosts").write_text("")
    message = str(refusal(board))
    assert "the host key of board is not known here" in message
    assert message.endswith(f"logging in once: ssh -F {board.config} board")
    assert (board.config.parent / "known_hosts").read_text() == "", "a key must not be accepted for the user"


def test_a_host_key_that_has_changed(board: Board, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    board.know((tmp_path / "other.pub").read_text())
    message = str(refusal(board))
    assert "the host key of board has changed" in message
    assert f"remove the old key, {board.config.parent / 'known_hosts'}:1," in message


def test_host_keys_are_enforced_whatever_the_configuration_says(board: Board) -> None:
    (board.config.parent / "known_hosts").write_text("")
    board.write_config(more="StrictHostKeyChecking no\nLogLevel QUIET\n")
    assert "is not known here" in str(refusal(board))


def test_a_key_that_is_not_let_in(board: Board, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    board.write_config(more=f"IdentityFile {tmp_path / 'other'}\nIdentitiesOnly yes\n")
    content = board.config.read_text().replace(f"{board.config.parent}/user_key", str(tmp_path / "other"))
    board.config.write_text(content)
    message = str(refusal(board))
    assert "does not let you in without a password: set up key login (ssh-copy-id)" in message
    assert "Permission denied (publickey" in message


def test_a_configuration_that_is_not_there(board: Board, tmp_path: Path) -> None:
    board.config = tmp_path / "absent"
    assert f"ssh does not accept its configuration: Can't open user config file {board.config}" in str(refusal(board))


def test_a_configuration_with_an_option_that_does_not_exist(board: Board) -> None:
    board.write_config(more="NoSuchOption yes\n")
    assert "ssh does not accept its configuration" in str(refusal(board))


def test_no_python(board: Board) -> None:
    board.environment["PATH"] = "/nonexistent"
    board.restart()
    assert "board has no python3 that its login shell finds: install Python 3.8 or newer" in str(refusal(board))


def board_python(board: Board, script: str) -> None:
    """Have the board find `script` as its python3."""
    folder = board.home / "bin"
    folder.mkdir()
    (folder / "python3").write_text(script)
    (folder / "python3").chmod(stat.S_IRWXU)
    board.environment["PATH"] = os.pathsep.join([str(folder), os.defpath])
    board.restart()


def test_a_python_that_is_too_old(board: Board) -> None:
    board_python(board, OLD_PYTHON)
    found = re.search(r"too old a Python: (\S+) is 3\.6\.9, and 3\.8 or newer is needed", str(refusal(board)))
    assert found is not None
    assert Path(found.group(1)).is_absolute()


def test_a_python_that_does_not_run(board: Board) -> None:
    board_python(board, "#!/bin/sh\necho cannot load libpython >&2\nexit 3\n")
    assert "python3 on board ended with status 3: cannot load libpython" in str(refusal(board))


def test_a_python_that_says_what_it_should_not(board: Board) -> None:
    board_python(board, "#!/bin/sh\necho Hello\nsleep 60\n")
    with pytest.raises(DeviceError, match="session on board cannot be understood: a line is not JSON"):
        connect(board.profile()).__enter__()


def test_a_folder_that_cannot_be_made(board: Board) -> None:
    (board.home / ".cache").write_text("")
    message = str(refusal(board))
    assert f"the work folder on board cannot be used: {board.base}: " in message


def test_no_ssh_on_this_machine(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "there is no ssh on this machine: install OpenSSH's client" in str(refusal(board))


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("ssh: connect to host x port 22: No route to host", "does not answer"),
        ("ssh: connect to host x port 22: Network is unreachable", "does not answer"),
        ("ssh: connect to host x port 22: Connection timed out", "does not answer"),
        ('"System is booting up. Please come back later."\nConnection closed by 10.0.0.7 port 22', "may be starting"),
        ("kex_exchange_identification: read: Connection reset by peer", "may be starting"),
        ("Received disconnect from x port 22:2: Too many authentication failures", "does not let you in"),
        ("Unable to negotiate with x port 22: no matching cipher found.", "did not begin: Unable to negotiate"),
        ("", "the connection to x did not begin; try by hand: ssh x"),
    ],
)
def test_messages_that_no_server_here_gives(stderr: str, words: str) -> None:
    """As OpenSSH's sources have them."""
    assert words in str(connection_error("x", "ssh x", stderr, "did not begin", None))
