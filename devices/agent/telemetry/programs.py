"""What only a board's own programs tell: the power mode, and why the firmware throttles. Nothing is set by them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..files import Files

_FOLDERS = ("/usr/sbin", "/usr/bin", "/opt/vc/bin")  # not always in the PATH of a session without a terminal
_MODE_S = 5.0
_THROTTLED_S = 1.0
_THROTTLED_PERIOD_S = 1.0  # starting a program costs milliseconds
_RETRY_S = 10.0  # after a failure, which may have cost all of `_THROTTLED_S`

#: Bits of `vcgencmd get_throttled` that hold now; sixteen bits further on, the same since boot.
_BITS = ((0, "under-voltage"), (1, "clock capped"), (2, "throttled"), (3, "soft temperature limit"))


def power_mode(files: Files) -> tuple[str | None, str | None]:
    """Return the name of a Jetson's power mode, and None; or None, and the reason where a Jetson does not tell it."""
    if files.read("/etc/nv_tegra_release") is None:
        return None, None
    output, reason = _output(files, "nvpmodel", "-q", timeout_s=_MODE_S)
    if output is None:
        return None, reason
    found = re.search(r"^NV Power Mode:[ \t]*(\S.*)$", output, re.M)
    if found is None:
        return None, "nvpmodel -q names no power mode: %s" % (" ".join(output.split())[:200] or "it prints nothing")
    return found.group(1).strip(), None


class FirmwareThrottling:
    """A Raspberry Pi's own account of throttling, by `vcgencmd get_throttled`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._next_s = float("-inf")
        self._reasons: list[str] = []
        self._at_first: int | None = None
        self.missing: str | None = None
        self.before: list[str] = []
        """What has happened between boot and now."""
        self._present = "Raspberry Pi" in (files.read("/sys/firmware/devicetree/base/model") or "")
        if self._present:
            self._look()

    def read(self) -> list[str]:
        """Return why the firmware throttles now, or has done since it was first heard; looked up once a second.

        What was last heard, where it does not answer.
        """
        if self._present and time.monotonic() >= self._next_s:
            self._look()
        return self._reasons

    def _look(self) -> None:
        bits = self._bits()
        self._next_s = time.monotonic() + (_RETRY_S if bits is None else _THROTTLED_PERIOD_S)
        if bits is None:
            return
        if self._at_first is None:
            self._at_first = bits
            self.before = _named(bits >> 16)
        self._reasons = _named(bits & 0xF | (bits & ~self._at_first) >> 16)

    def _bits(self) -> int | None:
        output, self.missing = _output(self._files, "vcgencmd", "get_throttled", timeout_s=_THROTTLED_S)
        found = re.search(r"throttled=0x([0-9a-fA-F]{1,8})", output or "")
        if found is None and self.missing is None:
            self.missing = "vcgencmd get_throttled names no bits: %s" % " ".join((output or "").split())[:200]
        return int(found.group(1), 16) if found else None


def _named(bits: int) -> list[str]:
    return [name for bit, name in _BITS if bits >> bit & 1]


def _output(files: Files, program: str, argument: str, timeout_s: float) -> tuple[str | None, str | None]:
    """Return what a program prints, and None; or None, and why there is nothing."""
    folders = [*(str(files.root / folder.lstrip("/")) for folder in _FOLDERS), os.environ.get("PATH", os.defpath)]
    path = shutil.which(program, path=os.pathsep.join(folders))
    if path is None:
        return None, "the program %s is missing" % program
    try:
        done = subprocess.run(
            [path, argument],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, "%s did not answer within %g s" % (program, timeout_s)
    except OSError as error:
        return None, "%s cannot be started: %s" % (program, error.strerror)
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        return None, "%s failed (%d): %s" % (program, done.returncode, " ".join(text.split())[:200])
    return text, None
