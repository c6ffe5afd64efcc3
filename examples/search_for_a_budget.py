"""Search an adapted and measured run for a budget, verify the answer on the device, and name the file to deploy.

python examples/search_for_a_budget.py runs/example 1/8
"""

from __future__ import annotations

import sys
from pathlib import Path

import harness


def main(run: Path, budget: str, store: Path | None = None) -> None:
    """Print what answers the budget, a share of the multiply-adds, and write the report."""
    for row in harness.search_run(run, budgets=budget, store=store):
        file = run / "subnets" / f"{row.arch_id}-{row.precision}-b{row.batch_size}.onnx"
        print(f"{row.budget} on {row.device}: {row.host_p50_ms:.4f} ms, UPEM {row.upem:.4f}, {file}")
    print(f"{len(harness.report_run(run))} rows; see {run / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
