"""The line between workstation and agent: versioned JSON lines, both ends bounded in size and in time.

A message is one JSON object on one line. Bytes that do not belong in JSON (tensors) follow it as a *blob*: the message
says how many bytes in `"blob"`, and base64 lines of at most `CHUNK` decoded bytes bring them.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import select
import time
from typing import Any

VERSION = 2
MAX_LINE = 4 * 2**20  # bytes of one line, either way
MAX_BLOB = 512 * 2**20  # bytes of one blob, decoded
CHUNK = 2**20  # decoded bytes of one blob line


class WireError(Exception):
    """The line failed; after it (but for its two recoverable kinds) nothing more can be said on it."""


class Oversize(WireError):
    """A line was longer than `MAX_LINE`; it has been skipped and the next one can be read."""


class Malformed(WireError):
    """A line was no JSON object; the next one can be read."""


class Silent(WireError):
    """Nothing complete came, or nothing could be written, within the time allowed."""


class Closed(WireError):
    """The other end is gone."""


class Line:
    """One end of the conversation over two descriptors."""

    def __init__(self, read_descriptor: int, write_descriptor: int) -> None:
        self._read = read_descriptor
        self._write = write_descriptor
        self._buffer = bytearray()
        os.set_blocking(write_descriptor, False)  # a peer that stops reading must run into the time-out, not hang us

    def send(self, message: dict[str, Any], timeout_s: float, blob: bytes = b"") -> None:
        """Send `message`, and `blob` after it; raises `Oversize`, `Silent` or `Closed`."""
        if len(blob) > MAX_BLOB:
            raise Oversize("a blob of %d bytes is over the limit of %d" % (len(blob), MAX_BLOB))
        if blob:
            message = dict(message, blob=len(blob))
        line = json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(line) > MAX_LINE:
            raise Oversize("a message of %d bytes is over the limit of %d" % (len(line), MAX_LINE))
        deadline = time.monotonic() + timeout_s
        self._write_all(line, deadline)
        for start in range(0, len(blob), CHUNK):
            self._write_all(base64.b64encode(blob[start : start + CHUNK]) + b"\n", deadline)

    def send_bytes(self, data: bytes, timeout_s: float) -> None:
        """Send `data` as it is, to a peer that does not speak in messages yet; raises `Silent` or `Closed`."""
        self._write_all(data, time.monotonic() + timeout_s)

    def receive(self, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        """Return the next message and its blob (empty where it has none); raises any `WireError`."""
        deadline = time.monotonic() + timeout_s
        text = self._read_line(deadline)
        try:
            message = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise Malformed("a line is not JSON: %s" % error) from None
        if not isinstance(message, dict):
            raise Malformed("a line is JSON but not an object")
        return message, self._read_blob(message.pop("blob", 0), deadline)

    def _read_blob(self, size: object, deadline: float) -> bytes:
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_BLOB:
            raise WireError("a blob must be of 0 to %d bytes" % MAX_BLOB)
        blob = bytearray()
        while len(blob) < size:
            try:
                piece = base64.b64decode(self._read_line(deadline), validate=True)
            except (binascii.Error, WireError) as error:
                raise WireError("a blob broke off: %s" % error) from None
            if not piece:
                raise WireError("a blob broke off: an empty line")
            blob += piece
        if len(blob) != size:
            raise WireError("a blob is longer than announced")
        return bytes(blob)

    def _read_line(self, deadline: float) -> bytes:
        too_long = False
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                if too_long or end > MAX_LINE:
                    raise Oversize("a line is over the limit of %d bytes" % MAX_LINE)
                return line
            if len(self._buffer) > MAX_LINE:
                too_long = True
                self._buffer.clear()
            self._fill(deadline)

    def _fill(self, deadline: float) -> None:
        ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise Silent("nothing came within the time allowed")
        piece = os.read(self._read, 2**16)
        if not piece:
            raise Closed("the other end closed the line")
        self._buffer += piece

    def _write_all(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [self._write], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Silent("the other end stopped reading")
            try:
                view = view[os.write(self._write, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed("the other end closed the line") from error


def _refuse_constant(name: str) -> None:
    raise ValueError("%s is not a number" % name)
