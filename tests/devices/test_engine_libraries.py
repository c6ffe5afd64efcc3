"""What the libraries beneath a runtime say of themselves, asked of real shared libraries that stand in for NVIDIA's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devices.agent.engines.libraries import versions_beneath
from tests.sources import ROOT

CUDART = "int cudaRuntimeGetVersion(int *version) { *version = 12060; return %d; }"
CUDNN = "unsigned long cudnnGetVersion(void) { return 90701; }"
NVINFER = "int getInferLibVersion(void) { return 8502; }"
ASK = "import sys, pathlib; from devices.agent.engines.libraries import versions_beneath as v; "
ASK += "print(v(pathlib.Path(sys.argv[1])), end='')"


def compiled(folder: Path, name: str, source: str, *needed: str) -> Path:
    """Compile a shared library that is linked to others in its folder; the test is skipped without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is here")
    (folder / "source.c").write_text(source)
    linked = ["-Wl,--no-as-needed", f"-L{folder}", *(f"-l:{library}" for library in needed)]
    command = [compiler, "-shared", "-fPIC", "-o", name, "source.c", f"-Wl,-soname,{name}", *linked]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    return folder / name


def asked(binary: Path) -> str:
    """Return what a process says that finds libraries beside `binary`."""
    return subprocess.run(
        [sys.executable, "-c", ASK, str(binary)],
        env={**os.environ, "LD_LIBRARY_PATH": str(binary.parent), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_those_that_the_binary_is_linked_to_are_asked(tmp_path: Path) -> None:
    compiled(tmp_path, "libcudart.so.12", CUDART % 0)
    compiled(tmp_path, "libcudnn.so.9", CUDNN)
    compiled(tmp_path, "libnvinfer.so.8", NVINFER)
    cuda = compiled(tmp_path, "provider_cuda.so", "int a;", "libcudart.so.12", "libcudnn.so.9")
    assert asked(cuda) == " CUDA 12.6 cuDNN 9.7.1"
    tensorrt = compiled(tmp_path, "provider_tensorrt.so", "int a;", "libcudart.so.12", "libnvinfer.so.8")
    assert asked(tensorrt) == " CUDA 12.6 TensorRT 8.5.2"


def test_those_that_do_not_tell_are_left_out(tmp_path: Path) -> None:
    compiled(tmp_path, "libcudart.so.12", CUDART % 35)
    compiled(tmp_path, "libcudnn.so.9", "int other;")
    lost = compiled(tmp_path, "libnvinfer.so.10", NVINFER)
    binary = compiled(tmp_path, "provider.so", "int a;", "libcudart.so.12", "libcudnn.so.9", "libnvinfer.so.10")
    lost.unlink()
    assert asked(binary) == ""


def test_a_binary_that_is_not_there_or_empty_tells_nothing(tmp_path: Path) -> None:
    assert versions_beneath(tmp_path / "none.so") == ""
    (tmp_path / "empty.so").touch()
    assert versions_beneath(tmp_path / "empty.so") == ""
