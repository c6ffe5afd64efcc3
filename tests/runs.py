"""Real runs of the command line, inside this process or as a process of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.report import Row, read_csv
from tests.sources import ROOT

#: A device, and the shortest measuring that the protocol allows.
PROFILE = """
name = "{name}"
{reached}
engines = ["onnxruntime"]
precisions = {precisions}
threads = {threads}
"""
SHORT_PROTOCOL = """
[protocol]
warmup_seconds = 0.0
rounds = 5
most_rounds = 5
process_seconds = 0.01
visit_ms = 0.5
processes = 6
most_processes = 6
half_width = 0.9
noisy_above = 0.95
cool_down_s = 0.0
energy_idle_s = 0.5
energy_warmup_s = 0.0
energy_steady_s = 0.5
sustained_window_s = 0.2
sustained_limit_s = 5.0
"""

#: Seconds of adaptation, enough for subnets that tell some digits apart.
TINY_ADAPTATION = (
    "--quick",
    "--source-iterations",
    "5",
    "--iterations",
    "8",
    "--profile-seconds",
    "1",
    "--budgets",
    "1,1/8,1/64",
)


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The error that standard error ends with, after whatever else stands there."""
        return self.err.rpartition("error:")[2].strip()


class Runner(Protocol):
    """Runs `python benchmark.py ARGUMENTS`."""

    def __call__(self, *arguments: object) -> Result:
        """Return how it ended."""


def write_profile(
    folder: Path,
    name: str = "tiny",
    *,
    threads: int = 1,
    precisions: tuple[str, ...] = ("fp32", "int8"),
    reached: str = 'transport = "local"',
    tables: str = "",
) -> Path:
    """Write a profile, by default for this machine, with more TOML `tables` at its end, and return its path."""
    path = folder / f"{name}.toml"
    settings = {"name": name, "threads": threads, "precisions": json.dumps(precisions), "reached": reached}
    path.write_text(PROFILE.format(**settings) + SHORT_PROTOCOL + tables)
    return path


def write_derived_profile(folder: Path, shipped: str, *, more: str = "", tables: str = "") -> Path:
    """Write a shipped profile with `more` keys, measured briefly, and more TOML `tables`; return its path."""
    text = (ROOT / "profiles" / f"{shipped}.toml").read_text()
    keys, _, others = text.partition("\n[")
    hardware = "".join(f"\n[{table}" for table in others.split("\n[") if table.startswith("hardware"))
    path = folder / f"{shipped}.toml"
    path.write_text(f"{keys}\n{more}\n{hardware}\n{SHORT_PROTOCOL}{tables}")
    return path


def run_here(*arguments: object) -> Result:
    """Run the command line in this process, which has paid for the imports."""
    import benchmark

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            benchmark.app([str(argument) for argument in arguments], prog_name="benchmark.py")
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


def start(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start the command line as a process of its own, which hears Ctrl-C even where the tests run in the background."""
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "benchmark.py"), *(str(argument) for argument in arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd or ROOT,
            env={**os.environ, "COLUMNS": "200"},
        )
    finally:
        signal.signal(signal.SIGINT, heard)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a process that was started has come as far as the condition says."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def selected(run: Path) -> list[Row]:
    """Return the rows of what a run selected."""
    return [row for row in read_csv(run / "tradeoff.csv") if row.selected == "yes"]


def stored(path: Path) -> dict[str, tuple[str, str, list[int]]]:
    """Return kind, topology and all samples in nanoseconds of every record in a store.

    Nothing where it is just being made.
    """
    with sqlite3.connect(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'records'").fetchall():
            return {}
        found = connection.execute("SELECT uid, kind, topology, record FROM records").fetchall()

    def samples(record: str) -> list[int]:
        content: dict[str, Any] = json.loads(record)
        return [sample for visit in content["rounds_ns"] for sample in visit]

    return {uid: (kind, topology, samples(record)) for uid, kind, topology, record in found}


def assert_one_sentence(done: Result) -> None:
    """Standard error has one line of error, and no traceback."""
    assert "Traceback" not in done.err
    assert sum(line.startswith("error: ") for line in done.err.splitlines()) == 1, done.err
    assert "\n" not in done.sentence
    assert len(re.sub(r"/\S+/", "/", done.sentence)) < 400, "however long the paths of tests are"
