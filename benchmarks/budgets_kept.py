"""Whether selected subnets still keep their latency budgets when they are measured anew, in new processes, later.

Every subnet that a run selected for a latency, and said surely keeps it, is measured as a finalist again, with a store
of its own, so that nothing of the run is used. It keeps its budget where the upper bound is within it.

Usage: python -m benchmarks.budgets_kept --run DIR        a run with --latency-ms, on the device that it was made for
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from devices import connect, load_profile
from harness.export import subnet_filename, topology_key
from harness.measuring import Measurement, Store, Subject, finalists
from harness.report import Row, read_csv
from harness.running import overridden


def promised(rows: list[Row]) -> Iterator[tuple[Row, float]]:
    """Yield the selected rows that surely keep a latency budget, with its tightest limit in milliseconds."""
    for row in rows:
        parts = [part for budget in (row.budget or "").split(";") for part in budget.split("+")]
        limits = [float(part[:-2]) for part in parts if part.endswith("ms")]
        if limits and row.within_budget == "yes":
            yield row, min(limits)


def measured(device: str, host: str | None, run: Path, rows: list[Row]) -> dict[str, Measurement]:
    """Measure the subnets of rows again, by arch_id, with a new store."""
    profile = overridden(load_profile(device), host, rows[0].threads)
    subjects = []
    for row in rows:
        file = run / "subnets" / subnet_filename(row.arch_id, row.precision, row.batch_size)
        subjects.append(Subject(row.arch_id, file, topology_key(file.read_bytes()), row.precision, row.batch_size))
    with (
        connect(profile) as connected,
        tempfile.TemporaryDirectory() as folder,
        Progress(console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task(device)
        return finalists(
            connected,
            subjects,
            max(subjects, key=lambda subject: subject.file.stat().st_size),
            store=Store(Path(folder) / "new.sqlite"),
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def main(
    run: Annotated[Path, typer.Option(help="Run folder.")],
    host: Annotated[str | None, typer.Option(help="USER@HOST.")] = None,
) -> None:
    """Print the promised subnets with their old and new intervals, and the share that keeps its budget."""
    asked = list(promised(read_csv(run / "tradeoff.csv")))
    kept = 0
    print("| subnet | budget, ms | then, ms | now, ms | |\n|---|---|---|---|---|")
    for device in dict.fromkeys(row.device for row, _ in asked):
        own = [(row, limit) for row, limit in asked if row.device == device and row.precision == "fp32"]
        found = measured(device, host, run, [row for row, _ in own])
        for row, limit in own:
            summary = found[row.arch_id].summary
            within = summary is not None and summary.ci_high_ms is not None and summary.ci_high_ms <= limit
            kept += within
            then = f"{row.host_p50_ms:.4f} to {row.host_ci_high_ms:.4f}"
            now = f"{summary.p50_ms:.4f} to {summary.ci_high_ms:.4f}" if summary else "failed"
            print(f"| {row.arch_id} | {limit:g} | {then} | {now} | {'kept' if within else 'not kept'} |")
    print(f"\n{kept} of {len(asked)} kept")


if __name__ == "__main__":
    typer.run(main)
