"""How well the accuracy on the target is estimated without its labels, of banks that were trained on the source alone.

Reads the source banks of an ablation and says, for the full width, 1/8 and 1/64 of the compute: accuracy on held-out
source images, on the target, and what adaptation estimates of the latter before it begins.

Usage: python benchmark.py ablation --tasks TASKS --data-root DATA --run RUN ..., and then
python -m benchmarks.foresight RUN --tasks TASKS --data-root DATA --seeds N
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from harness.ablation.budgets import budget_architectures
from harness.ablation.tasks import load_task
from harness.adaptation import look_ahead
from harness.bank import load_bank
from harness.results.evaluation import target_accuracy

BUDGETS = ("1", "1/8", "1/64")


def main(
    run: Annotated[Path, typer.Argument(help="Folder of the ablation.", exists=True)],
    tasks: Annotated[str, typer.Option(help="Comma list, as of the ablation.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data sets.")] = None,
    image_size: Annotated[int | None, typer.Option(help="As of the ablation.")] = None,
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 1,
) -> None:
    """Print a Markdown table, a line for every task, seed and budget."""
    torch.set_num_threads(1)
    print("| task | seed | compute | held-out source | target | estimate |\n|---|---|---|---|---|---|")
    errors: list[float] = []
    for task in tasks.split(","):
        for seed in range(seeds):
            domains, labels = load_task(task, seed, data_root, image_size)
            bank, _ = load_bank(run / "banks" / f"source-{domains.source_digest[:16]}-seed{seed}-source")
            for budget, arch in budget_architectures(bank).items():
                if budget not in BUDGETS:
                    continue
                real = float(target_accuracy(bank, arch, domains.calibration, labels).value)
                ahead = look_ahead(bank, arch, domains)
                errors.append(abs(ahead.estimated_target_accuracy - real))
                print(
                    f"| {task} | {seed} | {budget} | {ahead.source_accuracy:.1%} | {real:.1%} | "
                    f"{ahead.estimated_target_accuracy:.1%} |",
                    flush=True,
                )
    print(f"\noff by {100 * sum(errors) / len(errors):.1f} points on average, {100 * max(errors):.1f} at most")


if __name__ == "__main__":
    typer.run(main)
