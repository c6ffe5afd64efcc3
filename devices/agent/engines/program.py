"""A program of the device, run to its end or to the end of its time: never through a shell, never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from .contract import EngineError, EngineTimedOut

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LAST = 3  # lines of complaint that are passed on


def run(command: Sequence[str], folder: Path, limit_s: float) -> str:
    """Run `command` in `folder` and return what it printed.

    Raises `EngineError`, with the program's own words, where it cannot be started, fails, or is not done after
    `limit_s` seconds; then it and whatever it has started are killed. It dies with this process, too.
    """
    with tempfile.TemporaryFile() as log:  # a pipe would stay open in a child that outlives its parent
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=str(folder),
                start_new_session=True,
                preexec_fn=_die_with_the_agent,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineError("%s cannot be started: %s" % (command[0], error)) from error
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise EngineTimedOut(
                "%s was not done after %g s and has been stopped" % (Path(command[0]).name, limit_s)
            ) from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        text = log.read().decode("utf-8", "replace")
    if code:
        raise EngineError("%s failed (%d): %s" % (Path(command[0]).name, code, _complaints(text)))
    return text


def _complaints(text: str) -> str:
    """Return the last lines that a TensorRT program marks as errors; the last line of any, where it marks none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = re.findall(r"\[E\] *(.*\S)", text)
    return "; ".join((marked or lines)[-_LAST:] if marked else lines[-1:])[:1500] or "it printed nothing"


def _die_with_the_agent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
