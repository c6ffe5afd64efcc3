"""Which releases of NVIDIA's libraries a runtime runs on: they choose its kernels, and its own version does not tell.

The libraries are asked themselves, by the names that the runtime's binary is linked to, which is how the loader finds
them for the runtime too. Functions: cuda_runtime_api.h, cudnn_version.h and NvInferRuntimeBase.h.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Library and the function that returns its version, by name.
_LIBRARIES = {
    "CUDA": ("cudart", "cudaRuntimeGetVersion"),
    "cuDNN": ("cudnn", "cudnnGetVersion"),
    "TensorRT": ("nvinfer", "getInferLibVersion"),
}


def versions_beneath(binary: Path) -> str:
    """Return the versions of the libraries that `binary` is linked to, in words; empty where they do not tell."""
    try:
        with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            linked = {name: _linked(content, stem) for name, (stem, _) in _LIBRARIES.items()}
    except (OSError, ValueError):  # it is not there, or empty
        return ""
    found = {name: _version(name, library) for name, library in linked.items() if library}
    return in_words({name: version for name, version in found.items() if version})


def in_words(versions: dict[str, str]) -> str:
    """Return versions by name as words that follow the version of what runs on them."""
    return "".join(" %s %s" % (name, version) for name, version in versions.items())


def release(number: int) -> str:
    """Return a version as people write it; cuDNN's and TensorRT's are 8502 for 8.5.2, and later 100300 for 10.3.0."""
    thousand = 1000 if number < 10000 else 10000
    return "%d.%d.%d" % (number // thousand, number % thousand // 100, number % 100)


def _linked(content: mmap.mmap, stem: str) -> str | None:
    """Return the name by which the loader is asked for a library: it stands among a binary's strings."""
    found = re.search(rb"\0(lib%s\.so[.0-9]*)\0" % stem.encode(), content)
    return found.group(1).decode() if found else None


def _version(name: str, library: str) -> str | None:
    try:
        ask = getattr(ctypes.CDLL(library), _LIBRARIES[name][1])
    except (OSError, AttributeError):
        return None
    if name == "CUDA":
        number = ctypes.c_int()
        if ask(ctypes.byref(number)):
            return None
        return "%d.%d" % (number.value // 1000, number.value % 1000 // 10)
    ask.restype = ctypes.c_size_t if name == "cuDNN" else ctypes.c_int
    return release(ask())
