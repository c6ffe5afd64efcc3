"""A CUDA runtime whose device is a part of this machine's memory, and whose streams do nothing before they must."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

#: Functions, constants and error codes as in driver_types.h and cuda_runtime_api.h. What is put into a stream is done
#: when somebody waits for it, so that reading too early finds the old content; `fakeReach` is how a fake kernel waits.
#: Memory is checked on every copy: device memory is what cudaMalloc gave, host memory what cudaMallocHost gave.
SOURCE = r"""
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_HANDLE = 400, NOT_READY = 600 };
enum { BLOCKS = 4096, OPERATIONS = 256 };

static struct block { char *start; size_t size; int device; } blocks[BLOCKS];
struct event { int recorded; struct timespec at; };
struct operation { void *to; const void *from; size_t size; struct event *event; };
struct stream { int pending; struct operation operations[OPERATIONS]; };

static int held = 0; /* of memory, streams and events */

static int absent(void) { return getenv("FAKE_CUDA_NO_DEVICE") != NULL; }

static int within(const void *start, size_t size, int device) {
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].start && blocks[i].device == device && (char *)start >= blocks[i].start &&
            (char *)start + size <= blocks[i].start + blocks[i].size)
            return 1;
    return 0;
}

static int allocate(void **out, size_t size, int device) {
    if (absent()) return NO_DEVICE;
    for (int i = 0; i < BLOCKS; i++)
        if (!blocks[i].start) {
            blocks[i].start = malloc(size ? size : 1);
            blocks[i].size = size;
            blocks[i].device = device;
            memset(blocks[i].start, 0xff, size); /* not a number, until it is written */
            *out = blocks[i].start;
            held++;
            return SUCCESS;
        }
    return OUT_OF_MEMORY;
}

static int release(void *start, int device) {
    for (int i = 0; i < BLOCKS; i++)
        if (start && blocks[i].start == start && blocks[i].device == device) {
            free(start);
            blocks[i].start = NULL;
            held--;
            return SUCCESS;
        }
    return INVALID_VALUE;
}

int cudaGetDeviceCount(int *out) { *out = !absent(); return absent() ? NO_DEVICE : SUCCESS; }
int cudaSetDevice(int device) { return absent() ? NO_DEVICE : device ? INVALID_VALUE : SUCCESS; }
int cudaSetDeviceFlags(unsigned flags) { return flags > 15 ? INVALID_VALUE : SUCCESS; }
int cudaGetDeviceProperties(void *out, int device) {
    if (absent()) return NO_DEVICE;
    if (device) return INVALID_VALUE;
    memset(out, 0, 1032);
    const char *name = getenv("FAKE_CUDA_NAME");
    strncpy(out, name ? name : "Orin", 255);
    return SUCCESS;
}
const char *cudaGetErrorString(int code) {
    switch (code) {
    case SUCCESS: return "no error";
    case INVALID_VALUE: return "invalid argument";
    case OUT_OF_MEMORY: return "out of memory";
    case NO_DEVICE: return "no CUDA-capable device is detected";
    case INVALID_HANDLE: return "invalid resource handle";
    case NOT_READY: return "device not ready";
    default: return "unrecognized error code";
    }
}

int cudaMalloc(void **out, size_t size) { return allocate(out, size, 1); }
int cudaFree(void *start) { return release(start, 1); }
int cudaMallocHost(void **out, size_t size) { return allocate(out, size, 0); }
int cudaFreeHost(void *start) { return release(start, 0); }

int cudaStreamCreate(struct stream **out) {
    *out = calloc(1, sizeof(struct stream));
    held++;
    return SUCCESS;
}
int fakeReach(struct stream *stream) {
    if (!stream) return INVALID_HANDLE;
    for (int i = 0; i < stream->pending; i++) {
        struct operation *next = &stream->operations[i];
        if (next->event) {
            clock_gettime(CLOCK_MONOTONIC, &next->event->at);
            next->event->recorded = 1;
        } else
            memcpy(next->to, next->from, next->size);
    }
    stream->pending = 0;
    return SUCCESS;
}
int fakeIsDevice(const void *start, size_t size) { return within(start, size, 1); }
int cudaStreamSynchronize(struct stream *stream) { return fakeReach(stream); }
int cudaStreamDestroy(struct stream *stream) { free(stream); held--; return SUCCESS; }

static int enqueue(struct stream *stream, struct operation operation) {
    if (!stream) return INVALID_HANDLE;
    if (stream->pending == OPERATIONS) fakeReach(stream);
    stream->operations[stream->pending++] = operation;
    return SUCCESS;
}
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, struct stream *stream) {
    if (kind != 1 && kind != 2) return INVALID_VALUE;
    if (!within(to, size, kind == 1) || !within(from, size, kind == 2)) return INVALID_VALUE;
    struct operation copy = {to, from, size, NULL};
    return enqueue(stream, copy);
}
int cudaEventCreate(struct event **out) {
    *out = calloc(1, sizeof(struct event));
    held++;
    return SUCCESS;
}
int cudaEventRecord(struct event *event, struct stream *stream) {
    if (!event) return INVALID_HANDLE;
    event->recorded = 0;
    struct operation record = {NULL, NULL, 0, event};
    return enqueue(stream, record);
}
int cudaEventElapsedTime(float *out, struct event *start, struct event *end) {
    if (!start || !end) return INVALID_HANDLE;
    if (!start->recorded || !end->recorded) return NOT_READY;
    *out = (end->at.tv_sec - start->at.tv_sec) * 1e3f + (end->at.tv_nsec - start->at.tv_nsec) / 1e6f;
    if (getenv("FAKE_CUDA_STOPPED_CLOCK")) *out = 0;
    return SUCCESS;
}
int cudaEventDestroy(struct event *event) { free(event); held--; return SUCCESS; }
int fakeHeld(void) { return held; }
"""


def compile_library(path: Path) -> Path | None:
    """Compile the library to `path`; None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    source = path.with_suffix(".c")
    source.write_text(SOURCE)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(path), str(source), f"-Wl,-soname,{path.name}"],
        check=True,
        timeout=60,
    )
    source.unlink()
    return path
