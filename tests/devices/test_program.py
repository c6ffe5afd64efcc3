"""Programs of the device, run for an engine."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from devices.agent.engines.contract import EngineError
from devices.agent.engines.program import run

CHILD = (
    "import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', os.getcwd()])"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def children_of(folder: Path) -> list[int]:
    return [
        p.pid
        for p in psutil.process_iter(["cmdline", "status"])
        if str(folder) in (p.info["cmdline"] or []) and p.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_what_a_program_prints_comes_back(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); print('complaint', file=sys.stderr); print(repr(sys.stdin.read()))"
    assert run(python(code), tmp_path, 30).split("\n")[-2] == "''"
    assert str(tmp_path) in run(python(code), tmp_path, 30)
    assert "complaint" in run(python(code), tmp_path, 30)


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"failed \(3\): last words"):
        run(python("print('first'); print('last words'); raise SystemExit(3)"), tmp_path, 30)
    errors = "print('[01/01] [E] one'); print('[01/01] [I] two'); print('[E] three'); raise SystemExit(1)"
    with pytest.raises(EngineError, match=r"failed \(1\): one; three$"):
        run(python(errors), tmp_path, 30)
    with pytest.raises(EngineError, match=r"failed \(-9\): it printed nothing"):
        run(python("import os; os.kill(os.getpid(), 9)"), tmp_path, 30)


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be started"):
        run([str(tmp_path / "absent")], tmp_path, 30)
    with pytest.raises(EngineError, match="cannot be started"):
        run(python("pass"), tmp_path / "no such folder", 30)


def test_a_program_out_of_time_is_killed_with_what_it_started(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(EngineError, match=r"was not done after 1 s and has been stopped"):
        run(python(f"{CHILD}; import time; time.sleep(60)"), tmp_path, 1)
    assert time.monotonic() - start < 20
    assert not children_of(tmp_path)


def test_a_program_that_ends_leaves_nothing_running(tmp_path: Path) -> None:
    run(python(CHILD), tmp_path, 30)
    deadline = time.monotonic() + 5
    while children_of(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.05)
