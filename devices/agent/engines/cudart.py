"""The few functions of the CUDA runtime that an engine needs, from libcudart itself: memory, a stream, events.

Every return code is checked. Names and constants: the CUDA Runtime API reference; they are the same from CUDA 11 to 13.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import sys
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator

from .contract import EngineError

#: The unversioned name first: it is the toolkit that the machine's owner has chosen.
_NAMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")
_TOOLKIT = Path("/usr/local/cuda/lib64")
_PIP = "nvidia/*/lib/libcudart.so.*"  # below a folder of Python packages
_SPIN = 1  # cudaDeviceScheduleSpin
_ACTIVE_ALREADY = 708  # cudaErrorSetOnActiveProcess
_HOST_TO_DEVICE, _DEVICE_TO_HOST = ctypes.c_int(1), ctypes.c_int(2)  # cudaMemcpyKind
_PROPERTIES_BYTES = 2**14  # many times cudaDeviceProp, whose size differs between versions; the name comes first
_NAME_BYTES = 256


class Cuda:
    """The first CUDA device; `first_device` returns it. Memory, streams and events are handles, as integers."""

    def __init__(self) -> None:
        self._library = _load()
        self._describe_error = self._library.cudaGetErrorString
        self._describe_error.restype = ctypes.c_char_p
        count = ctypes.c_int()
        self._call("cudaGetDeviceCount", ctypes.byref(count))
        if count.value < 1:
            raise EngineError("the CUDA runtime finds no device")
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        self._call("cudaGetDeviceProperties", properties, 0)
        self.device = properties.raw[:_NAME_BYTES].split(b"\0", 1)[0].decode("utf-8", "replace")

    def activate(self) -> None:
        """Take the device into use, which costs time and memory; does nothing where that is done."""
        # Waiting by spinning, said aloud: the default differs between machines, on a Jetson even between power modes.
        code = self._library.cudaSetDeviceFlags(_SPIN)
        if code not in (0, _ACTIVE_ALREADY):
            self._refuse("cudaSetDeviceFlags", code)
        self._call("cudaSetDevice", 0)

    def memory(self, size: int) -> ContextManager[int]:
        """Return the address of `size` bytes of device memory, as a context."""
        return self._held("cudaMalloc", "cudaFree", ctypes.c_size_t(size))

    def pinned_memory(self, size: int) -> ContextManager[int]:
        """Return the address of `size` bytes of host memory that the device copies from and to, as a context."""
        return self._held("cudaMallocHost", "cudaFreeHost", ctypes.c_size_t(size))

    def stream(self) -> ContextManager[int]:
        """Return a new stream, as a context."""
        return self._held("cudaStreamCreate", "cudaStreamDestroy")

    def event(self) -> ContextManager[int]:
        """Return a new event, as a context."""
        return self._held("cudaEventCreate", "cudaEventDestroy")

    def copier_in(self, device: int, host: int, size: int, stream: int) -> Callable[[], None]:
        """Return a call that enqueues the copy of `size` bytes from pinned to device memory."""
        return self._prepared("cudaMemcpyAsync", device, host, ctypes.c_size_t(size), _HOST_TO_DEVICE, stream)

    def copier_out(self, host: int, device: int, size: int, stream: int) -> Callable[[], None]:
        """Return a call that enqueues the copy of `size` bytes from device to pinned memory."""
        return self._prepared("cudaMemcpyAsync", host, device, ctypes.c_size_t(size), _DEVICE_TO_HOST, stream)

    def recorder(self, event: int, stream: int) -> Callable[[], None]:
        """Return a call that records `event` in `stream`."""
        return self._prepared("cudaEventRecord", event, stream)

    def synchroniser(self, stream: int) -> Callable[[], None]:
        """Return a call that waits until all that was enqueued in `stream` is done."""
        return self._prepared("cudaStreamSynchronize", stream)

    def elapsed_ns(self, start: int, end: int) -> int:
        """Return the nanoseconds between two recorded events (their clock ticks about every half microsecond)."""
        milliseconds = ctypes.c_float()
        self._call("cudaEventElapsedTime", ctypes.byref(milliseconds), ctypes.c_void_p(start), ctypes.c_void_p(end))
        return round(milliseconds.value * 1e6)

    @contextlib.contextmanager
    def _held(self, make: str, give_back: str, *arguments: Any) -> Iterator[int]:
        handle = ctypes.c_void_p()
        self._call(make, ctypes.byref(handle), *arguments)
        try:
            yield handle.value or 0
        finally:
            self._call(give_back, handle)

    def _prepared(self, function: str, *arguments: Any) -> Callable[[], None]:
        """Return a call with its arguments converted once, because it stands inside a timing; integers are handles."""
        call = getattr(self._library, function)
        converted = [ctypes.c_void_p(argument) if type(argument) is int else argument for argument in arguments]

        def prepared() -> None:
            code = call(*converted)
            if code:
                self._refuse(function, code)

        return prepared

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self._library, function)(*arguments)
        if code:
            self._refuse(function, code)

    def _refuse(self, function: str, code: int) -> None:
        words = (self._describe_error(code) or b"unknown error").decode("utf-8", "replace")
        raise EngineError("%s failed: %s (CUDA error %d)" % (function, words, code))


@functools.lru_cache(maxsize=None)
def first_device() -> Cuda:
    """Return the first CUDA device; raises `EngineError` where there is no CUDA runtime or no device."""
    return Cuda()


def device_name() -> str:
    """Return the first device's name; empty where that is unknown."""
    try:
        return first_device().device
    except EngineError:
        return ""


def _load() -> Any:
    names = [*_NAMES, ctypes.util.find_library("cudart"), *sorted(map(str, _TOOLKIT.glob("libcudart.so*")))]
    names += [str(path) for folder in sys.path for path in sorted(Path(folder).glob(_PIP))]
    for name in filter(None, names):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise EngineError("the CUDA runtime (libcudart) is not found; install CUDA, or name its folder in LD_LIBRARY_PATH")
