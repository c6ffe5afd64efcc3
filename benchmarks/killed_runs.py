"""Runs that are killed at random moments and resumed: do they end as an undisturbed run does, and is nothing lost?

Every run is a whole one of the embedded digits on this machine, short: 120 training steps with a checkpoint after
every 50, a second of profiling, two budgets, the shortest measuring that the protocol allows. It is stopped with
SIGKILL, agents and all other processes that it started included, and resumed by `--resume` (by the same command again
where it had not come as far as run.json). Compared are bytes:

- What was finished is there afterwards and unchanged: every measurement and every score, the bank, the subnets, and
  the stages that run.json says are done.
- Nothing is measured twice: the resumed run explored no network more than once, and no finalist in more processes than
  the protocol asks (except for the full-width subnet, which is measured beside all others on purpose).
- It ends with the same weights, subnets, rows of tradeoff.csv and names of files in the run folder as an undisturbed
  run that has the same measurements, and says the same in run.json, but for when, how long and what else the machine
  did. Latencies differ between any two runs, and what is chosen may follow them; so half
  of the killed runs begin with a copy of the store of the one undisturbed run (no measurement of theirs may be new),
  and the others with an empty store: these are compared with an undisturbed run of their own, on a copy of the store
  that the resumed one left, in which it finds all that it measures.

Usage: python -m benchmarks.killed_runs [--kills 30] [--seed 0]
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import psutil
import typer

from benchmarks.left_behind import LeftBehind, left_behind
from tests.runs import write_profile

ROOT = Path(__file__).resolve().parents[1]
#: Fresh processes of every finalist, in the profile of `tests/runs.py`.
PROCESSES = 6
SHORT = (
    *("--quick", "--source-iterations", "40", "--iterations", "80", "--train-batch-size", "8", "--model-batch", "2"),
    *("--profile-seconds", "1", "--budgets", "1,1/32", "--quiet"),
)
#: The stages of a run in the order in which run.json tells that they are done; the last is not told.
STAGES = ("data", "checks short", "adapt", "profile short", "search short", "report", "page")
#: No run takes longer than this.
MOST_S = 1200.0
#: A run that ends before it is killed, because the machine is less busy than it was, is made again so often at most.
ATTEMPTS = 5


class Ended(NamedTuple):
    """A run that ended, and the seconds that it took."""

    left: LeftBehind
    seconds: float


class Killed(NamedTuple):
    """A run that was killed and resumed."""

    second: float
    """When it was killed."""
    before: LeftBehind
    """What it had left by then."""
    resumed_s: float
    complaints: list[str]
    """What is not as it should be; nothing where all is."""
    same_rows: bool

    @property
    def stage(self) -> str:
        """Where it was, by run.json."""
        if "run.json" not in self.before.names:
            return "start"
        return next((stage for stage in STAGES if stage not in self.before.stages), STAGES[-1])


class Bench:
    """A folder with everything that the runs need and leave; the user's cache is not touched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._profile = write_profile(folder, "short", precisions=("fp32",))
        (folder / "tmp").mkdir()
        self._environment = {
            **os.environ,
            **{"XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"},
        }

    def place(self, name: str, store: Path | None = None) -> tuple[Path, Path]:
        """Return where a run and its store are to lie, with a copy of another store in its place where one is given."""
        place = self._folder / name
        place.mkdir()
        if store is not None:
            shutil.copy(store, place / "store.sqlite")
        return place / "run", place / "store.sqlite"

    def start(self, run: Path, store: Path) -> subprocess.Popen[str]:
        """Start a run, or go on with the one that is there, in a session of its own."""
        asked = ["--resume", "--quiet"] if (run / "run.json").exists() else ["--device", str(self._profile), *SHORT]
        return subprocess.Popen(
            [sys.executable, str(ROOT / "benchmark.py"), "--run", str(run), "--store", str(store), *asked],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self._environment,
            start_new_session=True,
        )

    def whole(self, run: Path, store: Path) -> Ended:
        """Let a run come to its end; RuntimeError where it fails."""
        seconds = self.killed(run, store, MOST_S)
        if seconds is None:
            raise RuntimeError(f"the run in {run} did not end within {MOST_S:.0f} s")
        return Ended(left_behind(run, store), seconds)

    def killed(self, run: Path, store: Path, second: float) -> float | None:
        """Start a run and kill it at a second; where it has ended before, return how many it took.

        RuntimeError where it has failed.
        """
        begun, process = time.monotonic(), self.start(run, store)
        try:
            _, errors = process.communicate(timeout=second)
        except subprocess.TimeoutExpired:
            kill_all(process)
            return None
        if process.returncode:
            raise RuntimeError(f"the run in {run} ended with exit code {process.returncode}: {errors.strip()}")
        return time.monotonic() - begun


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that descend from it, and wait until they are gone."""
    process.send_signal(signal.SIGSTOP)  # so that it starts no other meanwhile
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.communicate()
    psutil.wait_procs(family, timeout=10)


def tried(bench: Bench, number: int, share: float, length_s: float, first: tuple[Path, LeftBehind] | None) -> Killed:
    """Kill a run when a share of its length is over, resume it and look at what it left.

    `length_s` is that of a run like it; one that is quicker and has ended by then is another such, and tells the length
    anew. `first` is the store of the undisturbed run, to begin with a copy of it, and what that run left; None: an
    empty one.
    """
    for attempt in range(ATTEMPTS):
        run, store = bench.place(f"killed-{number}-{attempt}", first and first[0])
        second = share * length_s
        ended_s = bench.killed(run, store, second)
        if ended_s is None:
            break
        length_s = ended_s
    else:
        raise RuntimeError(f"a run ended before it could be killed, {ATTEMPTS} times")
    before = left_behind(run, store)
    after, resumed_s = bench.whole(run, store)
    undisturbed = first[1] if first else bench.whole(*bench.place(f"undisturbed-{number}", store)).left
    complaints = [*before.lost(after), *after.measured_twice(PROCESSES), *after.unlike(undisturbed)]
    return Killed(second, before, resumed_s, complaints, after.same_rows(undisturbed))


def main(
    kills: Annotated[int, typer.Option(min=1, help="Runs to kill.")] = 30,
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 0,
) -> None:
    """Print a Markdown line for every kill; exit code 1 where anything was lost or is another."""
    rng, good = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        run, store = bench.place("undisturbed")
        measuring, measuring_s = bench.whole(run, store)
        replaying, replaying_s = bench.whole(*bench.place("replaying", store))
        print(f"Undisturbed: {measuring_s:.1f} s, and {replaying_s:.1f} s with a copy of the store that it left.\n")
        tell(replaying.unlike(measuring))
        print("| kill | store | at, s | stage | what was finished | resumed, s | same rows |")
        print("|---|---|---|---|---|---|---|")
        for number in range(1, kills + 1):
            first = (store, measuring) if number % 2 == 0 else None
            found = tried(bench, number, rng.random(), replaying_s if first else measuring_s, first)
            good += not found.complaints
            print(
                f"| {number} | {'a copy' if first else 'empty'} | {found.second:.1f} | {found.stage} | "
                f"{found.before.words} | {found.resumed_s:.1f} | {'yes' if found.same_rows else 'no'} |",
                flush=True,
            )
            tell(found.complaints)
    print(f"\n{good} of {kills}")
    if good < kills:
        raise typer.Exit(1)


def tell(complaints: list[str]) -> None:
    """Print what is not as it should be."""
    for complaint in complaints:
        typer.echo(complaint, err=True)


if __name__ == "__main__":
    typer.run(main)
