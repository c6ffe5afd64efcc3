"""All that reads strangers' files, fuzzed with coverage as the guide: is any input read, or refused in one sentence?

Every target begins with real valid files. An input that is neither read nor ends in the reader's own error - an
exception that a command ends with by an exit code of its own, told on one line of less than 400 characters - is a
finding; so is one that takes more than five seconds, or more memory than all else together. Numbers differ between
runs, and with the machine.

Needs `pip install atheris` (Linux on x86_64).

Usage: python -m benchmarks.fuzz [--target profile,bank] [--seconds 60]
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

NAMES = ("profile", "bank", "weights", "record", "table", "answers", "requests", "list", "onnx", "image")
INSTRUMENTED = ["benchmarks.fuzz_targets", "harness", "devices", "tomllib", "PIL"]
SLOW_S = 5.0
LONGEST_SENTENCE = 400
LARGEST_INPUT = 32_768
MEMORY_MB = 3000
BINARY = ("onnx", "image")
#: A value in JSON, TOML or a table.
VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+]?\d[\w.+-]*|true|false|null')
#: What byte flips do not find by themselves.
WORDS = (
    *("1e999", "NaN", "-1", "18446744073709551616", "9" * 60, "null", "true", "[]", "{}", "[[[[[[[[[[[[[[[["),
    *(
        "\\\\ud800",
        "\\\\u0000",
        "../../",
        "/etc/passwd",
        "0x7fffffffffffffffffff",
        "inf",
        "1979-05-27",
        "\\xc2\\xb2",
        "\\x00",
    ),
)


class Result(NamedTuple):
    """How fuzzing a target went."""

    target: str
    runs: int
    seconds: float
    edges: int
    corpus: int
    findings: list[str]


def main(
    target: Annotated[str, typer.Option(help="Targets, as a comma list.")] = ",".join(NAMES),
    seconds: Annotated[int, typer.Option(min=1, help="For each target.")] = 60,
    worker: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print a line for every target, and its findings; exit code 1 where there are any."""
    names = target.split(",")
    if unknown := set(names) - set(NAMES):
        raise typer.BadParameter(f"there is no target {', '.join(sorted(unknown))}; there is {', '.join(NAMES)}")
    if find_spec("atheris") is None:
        raise typer.BadParameter("atheris is not installed: pip install atheris")
    if worker is not None:
        _fuzz(names[0], seconds, worker)
    print("| target | runs | seconds | edges | corpus | findings |\n|---|---|---|---|---|---|")
    results = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            result = _in_a_process(name, seconds, Path(folder))
        results.append(result)
        shown = f"| {name} | {result.runs:,} | {result.seconds:.0f} | {result.edges:,} | {result.corpus:,} |"
        print(f"{shown} {len(result.findings)} |", flush=True)
    for result in results:
        for finding in result.findings:
            print(f"{result.target}: {finding}")
    if any(result.findings for result in results):
        raise typer.Exit(1)


def _in_a_process(target: str, seconds: int, folder: Path) -> Result:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--target", target, "--seconds", str(seconds)]
    start = time.monotonic()
    done = subprocess.run([*command, "--worker", str(folder)], capture_output=True, check=False)
    told = done.stderr.decode(errors="replace")
    found = folder / "findings.txt"
    findings = found.read_text(encoding="utf-8").splitlines() if found.exists() else []
    if done.returncode:
        findings.append(" | ".join(told.strip().splitlines()[-8:]))
    progress = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)/", told)
    edges, corpus = map(int, progress[-1]) if progress else (0, 0)
    runs = re.search(r"number_of_executed_units: (\d+)", told)
    return Result(target, int(runs[1]) if runs else 0, time.monotonic() - start, edges, corpus, findings)


def _fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz one target in this process and end it."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from benchmarks.fuzz_targets import TARGETS
    from harness.exit_codes import INTERNAL, code_of
    from tests.hostile import SETTINGS, VALUES

    (folder / "files").mkdir()
    target = TARGETS[name](folder / "files")
    known: set[str] = set()

    def note(finding: str, content: bytes) -> None:
        if finding not in known:
            known.add(finding)
            (folder / "findings.txt").open("a", encoding="utf-8").write(f"{finding}, of {content[:200]!r}\n")

    def one_input(content: bytes) -> None:
        start = time.monotonic()
        try:
            target.read(content)
        except Exception as error:
            if not isinstance(error, target.refusals) and code_of([error]) == INTERNAL:
                note(f"{type(error).__name__} at {_place(error)}: {str(error)[:100]!r}", content)
            elif len(str(error)) >= LONGEST_SENTENCE or len(str(error).splitlines()) != 1:
                note(f"{type(error).__name__} at {_place(error)} is not one sentence: {str(error)[:100]!r}", content)
        if time.monotonic() - start > SLOW_S:
            note(f"more than {SLOW_S:g} s", content)

    hostile = [value.encode() for value in (*VALUES, *SETTINGS) if len(value) < LARGEST_INPUT // 2]

    def mutated(content: bytes, most: int, seed: int) -> bytes:
        """Put another value in the place of one, half of the time."""
        rng = random.Random(seed)
        places = [] if rng.random() < 0.5 else list(VALUE.finditer(content))
        if not places:
            return bytes(atheris.Mutate(content, most))
        place = rng.choice(places)
        return (content[: place.start()] + rng.choice(hostile) + content[place.end() :])[:most]

    seeds, words = folder / "seeds", folder / "words.txt"
    seeds.mkdir()
    for place, seed in enumerate(target.seeds):
        (seeds / str(place)).write_bytes(seed)
    words.write_text("".join(f'"{word}"\n' for word in WORDS), encoding="utf-8")
    limits = [f"-max_total_time={seconds}", "-timeout=60", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LARGEST_INPUT}"]
    options = [f"-dict={words}", f"-artifact_prefix={folder}/", "-print_final_stats=1", *limits]
    guided = {} if name in BINARY else {"custom_mutator": mutated}
    atheris.Setup([sys.argv[0], *options, str(seeds)], one_input, **guided)
    atheris.Fuzz()


def _place(error: Exception) -> str:
    """Return where in our own code an error came from."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/harness/" in file or "/devices/" in file:
            place = f"{Path(file).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


if __name__ == "__main__":
    typer.run(main)
