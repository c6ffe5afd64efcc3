"""A Jetson as a folder, for machines that have no GPU: its TensorRT, trtexec, CUDA runtime, sensors and programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.boards.cudart import compile_library

PACKAGE = Path(__file__).parent / "fake_jetson"


@dataclass(frozen=True)
class Release:
    """What a JetPack brings."""

    tensorrt: str
    cudart: str
    """The soname of the CUDA runtime."""
    l4t: str
    """As /etc/nv_tegra_release tells it."""


#: The first is too old to be used; the last is no JetPack but a desktop of today.
RELEASES = {
    "4": Release("8.2.1.8", "libcudart.so.10.2", "# R32 (release), REVISION: 7.4, GCID: 33514132, BOARD: t210ref"),
    "5": Release("8.5.2.2", "libcudart.so.11.0", "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref"),
    "6": Release("10.3.0", "libcudart.so.12", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic"),
    "desktop": Release("11.0.0.114", "libcudart.so.13", ""),
}

_ON_BOARD = ("etc", "answers", "usr/sbin")
_BINDING = """from fake_jetson.binding import fill

fill(globals(), {version!r})
"""
_TRTEXEC = """#!{python}
import sys

sys.path.insert(0, {packages!r})
from fake_jetson.trtexec import main

main({version!r})
"""
_NVPMODEL = """#!/bin/sh
[ "$1" = -q ] && exec cat "{answers}/nvpmodel"
exit 2
"""
_PYTHON = """#!/bin/sh
{variables}exec {python} "$@"
"""


@dataclass(frozen=True)
class FakeJetson:
    """A folder made by `make_fake_jetson`: `bin/`, `lib/`, `python/`, and below `root/` what stands below / on a board.

    `bin/` has `trtexec`, and a `python3` that finds all the rest; a process of any other program finds it with the
    variables of `environment`.
    """

    folder: Path
    release: Release

    @property
    def root(self) -> Path:
        """What the agent reads in place of /; `tests.boards.sysfs` can add a board's sensors."""
        return self.folder / "root"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process finds what is in the folder before anything else."""
        places = {"PATH": "bin", "LD_LIBRARY_PATH": "lib", "PYTHONPATH": "python"}
        found = {name: _before(self.folder / place, os.environ.get(name)) for name, place in places.items()}
        return {**found, "SLIMDA_AGENT_ROOT": str(self.root)}

    def set_power_mode(self, name: str) -> None:
        """Change what nvpmodel tells."""
        (self.root / "answers" / "nvpmodel").write_text(f"NV Power Mode: {name}\n0\n")

    def set_fault(
        self,
        what: str = "",
        *,
        later: bool = False,
        channels: int | None = None,
    ) -> None:
        """From now on one thing goes wrong; nothing, where none is named.

        `later`: not at the first inference of a network. `channels`: only with networks of so many outputs.

        It is one of `build fails`, `build hangs`, `run fails`, `nan`, `wrong shape`, and of trtexec alone `no times`,
        `empty times`, `zero times`, `negative times`, `few times`, `missing keys`.
        """
        fault = {"what": what, "later": later, "channels": channels}
        (self.folder / "python" / "fault").write_text(json.dumps(fault))

    def connect_meters(self, current: Path, memory: Path, memory_kb: int) -> None:
        """Let a rail's current and the memory in use show what the GPU does."""
        idle_ma = int(current.read_text())
        meters = {"current": str(current), "idle_ma": idle_ma, "busy_ma": 3 * idle_ma}
        meters |= {"memory": str(memory), "total_kb": memory_kb, "free_kb": memory_kb // 2}
        (self.folder / "python" / "meters").write_text(json.dumps(meters))

    def remove_binding(self) -> None:
        """Leave a board with trtexec alone."""
        shutil.rmtree(self.folder / "python" / "tensorrt")

    def remove_trtexec(self) -> None:
        """Leave a board with the binding alone."""
        (self.folder / "bin" / "trtexec").unlink()


def make_fake_jetson(folder: Path, jetpack: str) -> FakeJetson | None:
    """Make a board with a release of `RELEASES` in `folder`; None where there is no C compiler."""
    release = RELEASES[jetpack]
    packages, lib = folder / "python", folder / "lib"
    places = [folder / "bin", lib, packages / "tensorrt", *(folder / "root" / place for place in _ON_BOARD)]
    for place in places:
        place.mkdir(parents=True)
    library = compile_library(lib / release.cudart)
    if library is None:
        return None
    (lib / "libcudart.so").symlink_to(library.name)
    shutil.copytree(PACKAGE, packages / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (packages / "tensorrt" / "__init__.py").write_text(_BINDING.format(version=release.tensorrt))
    board = FakeJetson(folder, release)
    programs = {board.folder / "bin" / "trtexec": _TRTEXEC}
    if release.l4t:
        (board.root / "etc" / "nv_tegra_release").write_text(release.l4t)
        board.set_power_mode("MAXN")
        programs[board.root / "usr" / "sbin" / "nvpmodel"] = _NVPMODEL
    words = {
        "python": sys.executable,
        "packages": str(packages),
        "version": release.tensorrt,
        "answers": board.root / "answers",
        "variables": "".join(f'export {name}="{value}"\n' for name, value in board.environment.items()),
    }
    for program, text in {**programs, folder / "bin" / "python3": _PYTHON}.items():
        program.write_text(text.format(**words))
        program.chmod(0o755)
    return board


def _before(first: Path, others: str | None) -> str:
    return os.pathsep.join(filter(None, [str(first), others]))
