"""An emulated 64-bit ARM board: Debian's arm64 Python and ONNX Runtime's ARM wheel, run by QEMU's user mode.

`python -m tests.boards.arm64` makes it and prints the folder to put first on the PATH of a host, whose `python3` is
then the board's. Nothing of this machine is changed and no rights are needed: apt and pip work in private folders, with
the sources that this machine is configured for. Timings on such a board mean nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

#: Where boards are kept; looked up at import, before tests give themselves a user's cache of their own.
CACHE = Path(os.environ.get("SLIMDA_EDGE_BOARDS") or Path(platformdirs.user_cache_dir("slimda-edge"), "boards"))

PACKAGES = ("python3.11", "libstdc++6")
ONNXRUNTIME = "1.24.1"  # 1.19 and 1.22 run too; 1.31.1 crashes at import under Debian 12's QEMU
WHEELS = ("numpy==2.4.6", f"onnxruntime=={ONNXRUNTIME}")
TAGS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
SITE_PACKAGES = "usr/local/lib/python3.11/dist-packages"

#: Of the board. Its /proc stays this machine's (its processor's name included): QEMU could serve a file in place of
#: /proc/cpuinfo, but would then show a /proc without processes.
MODEL = "QEMU user-mode emulation of a Cortex-A76"
WRAPPER = """#!/bin/sh
board=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$board/qemu-aarch64-static" -cpu cortex-a76 -L "$board/root" "$board/root/usr/bin/python3.11" "$@"
"""
STEP_S = 600.0


class BoardUnavailable(Exception):
    """The board cannot be made here; the message says why in one sentence."""


def prepare(cache: Path = CACHE) -> Path:
    """Return the folder that holds the board's `python3`, made below `cache` where it is not there yet.

    Making it downloads some 130 MB and leaves some 180 MB. Raises `BoardUnavailable`.
    """
    board = cache / f"arm64-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"
    if not board.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with _locked(cache / "lock"):
                if not board.exists():
                    _make(board)
        except OSError as error:
            raise BoardUnavailable(f"the ARM board cannot be made in {cache}: {error}") from error
    return board / "bin"


def _make(board: Path) -> None:
    for leftover in board.parent.glob("making-*"):  # of a run that was killed: who makes a board holds the lock
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix="making-", dir=board.parent) as scratch:
        made = Path(scratch, "board")
        _unpack_debian(Path(scratch, "debian"), made)
        _unpack_wheels(made / "root" / SITE_PACKAGES)
        model = made / "root" / "sys" / "firmware" / "devicetree" / "base" / "model"
        model.parent.mkdir(parents=True)
        model.write_text(MODEL + "\0")
        python = made / "bin" / "python3"
        python.parent.mkdir()
        python.write_text(WRAPPER)
        python.chmod(0o755)
        # also leaves the bytecode of what is imported, which emulation is slow to compile
        found = _run(str(python), "-c", "import onnxruntime; print(onnxruntime.__version__)").strip()
        if found != ONNXRUNTIME:
            raise BoardUnavailable(f"the ARM board has onnxruntime {found!r}, not {ONNXRUNTIME}")
        made.rename(board)


def _unpack_debian(scratch: Path, board: Path) -> None:
    """Download the packages and what they depend on, as for an empty machine, and unpack them; QEMU with them."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "state" / "status").touch()
    (board / "root").mkdir(parents=True)
    host = _run("dpkg", "--print-architecture").strip()
    settings = (
        "APT::Architecture=arm64",
        "APT::Architectures::=arm64",
        f"APT::Architectures::={host}",
        f"Dir::State={scratch / 'state'}",
        f"Dir::State::status={scratch / 'state' / 'status'}",
        f"Dir::Cache={scratch / 'cache'}",
        "Dir::Log=/dev/null",
        "Acquire::Languages=none",
        "APT::Sandbox::User=root",  # who may write into the private folders
    )
    apt = ["apt-get", "-qq", *(f"-o{setting}" for setting in settings)]
    _run(*apt, "update")
    packages = [*(f"{name}:arm64" for name in PACKAGES), f"qemu-user-static:{host}"]
    _run(*apt, "install", "--yes", "--no-install-recommends", "--download-only", *packages)
    for package in (scratch / "cache" / "archives").glob("*.deb"):
        target = scratch / "qemu" if package.name.startswith("qemu-user-static_") else board / "root"
        _run("dpkg-deb", "-x", str(package), str(target))
    shutil.move(scratch / "qemu" / "usr" / "bin" / "qemu-aarch64-static", board)


def _unpack_wheels(target: Path) -> None:
    platforms = [f"--platform={tag}" for tag in TAGS]
    kind = ["--only-binary=:all:", "--python-version=3.11", "--implementation=cp"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "--no-deps", "--no-compile", f"--target={target}", *platforms, *kind, *WHEELS)


def _run(*command: str) -> str:
    """Run a command to its end and return what it wrote; raises `BoardUnavailable` with its last words."""
    program = Path(command[0]).name
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=STEP_S, check=False)
    except FileNotFoundError:
        raise BoardUnavailable(f"the ARM board cannot be made: this machine has no {program}") from None
    except subprocess.TimeoutExpired:
        raise BoardUnavailable(f"the ARM board cannot be made: {program} took over {STEP_S:g} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise BoardUnavailable(
            f"the ARM board cannot be made: {program} failed: {lines[-1]} (it takes Debian 12's packages, a Python "
            "package index, and the network)"
        )
    return done.stdout


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(prepare())
    except BoardUnavailable as error:
        sys.exit(str(error))
