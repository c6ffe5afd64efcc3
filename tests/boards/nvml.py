"""A shared library that answers as NVIDIA's management library does, compiled for the test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NAME = "libnvidia-ml.so.1"

#: Functions, arguments and return codes as in nvml.h. Environment variables say what the machine is like.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int index; } *nvmlDevice_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, UNINITIALIZED = 1 };

static struct { int index; } devices[4] = {{0}, {1}, {2}, {3}};
static int started = 0;

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}
static int supported(void) { return started && !getenv("FAKE_NVML_UNSUPPORTED"); }
static int answer(unsigned *out, const char *name, const char *otherwise) {
    if (!started) return UNINITIALIZED;
    if (!supported()) return NOT_SUPPORTED;
    *out = (unsigned)atoi(setting(name, otherwise));
    return SUCCESS;
}

int nvmlInit_v2(void) {
    if (getenv("FAKE_NVML_NO_DRIVER")) return DRIVER_NOT_LOADED;
    started = 1;
    return SUCCESS;
}
int nvmlSystemGetDriverVersion(char *out, unsigned length) {
    if (!started) return UNINITIALIZED;
    snprintf(out, length, "550.54.15");
    return SUCCESS;
}
int nvmlDeviceGetCount_v2(unsigned *out) {
    if (!started) return UNINITIALIZED;
    *out = (unsigned)atoi(setting("FAKE_NVML_COUNT", "1"));
    return SUCCESS;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *out) {
    if (index > 3) return INVALID_ARGUMENT;
    *out = (nvmlDevice_t)&devices[index];
    return SUCCESS;
}
int nvmlDeviceGetName(nvmlDevice_t device, char *out, unsigned length) {
    snprintf(out, length, getenv("FAKE_NVML_DIFFERENT") ? "NVIDIA Fake %d" : "NVIDIA Fake", device->index);
    return SUCCESS;
}
int nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned type, unsigned *out) {
    if (type != 0) return INVALID_ARGUMENT;
    int code = answer(out, "FAKE_NVML_CLOCK", "1410");
    *out += 10 * device->index;
    return code;
}
int nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *out) {
    if (sensor != 0) return INVALID_ARGUMENT;
    return answer(out, "FAKE_NVML_TEMPERATURE", "41");
}
int nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *out) { return answer(out, "FAKE_NVML_POWER", "68500"); }
int nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *out) {
    if (!supported()) return NOT_SUPPORTED;
    out->total = 80ull << 30;
    out->used = 3ull << 30;
    out->free = out->total - out->used;
    return SUCCESS;
}
#ifndef OLD
int nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *out) {
    if (!supported()) return NOT_SUPPORTED;
    *out = strtoull(setting("FAKE_NVML_REASONS", "0"), NULL, 0);
    return SUCCESS;
}
#endif
"""


def compile_library(folder: Path, *, old: bool = False) -> Path | None:
    """Return the library, for `LD_LIBRARY_PATH` to hold its folder; None where there is no compiler.

    An `old` one knows nothing of throttling.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    source, library = folder / "nvml.c", folder / NAME
    source.write_text(SOURCE)
    definitions = ["-DOLD"] if old else []
    subprocess.run(
        [compiler, "-shared", "-fPIC", *definitions, "-o", str(library), str(source)], check=True, timeout=60
    )
    return library
