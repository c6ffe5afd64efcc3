"""Measure subnets of an adapted bank on this machine, and ask the fitted cost model about one that was not measured.

python examples/measure_and_predict.py runs/example
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import harness


def main(run: Path, store: Path | None = None) -> None:
    """Print the measured latency of the full width, and the predicted one of widths drawn at random."""
    for device, found in harness.profile(run, store=store).items():
        model = found.latency_model
        assert isinstance(model, harness.CostModel)
        full = max(found.measured, key=sum)
        measured = found.measured[full].summary
        assert measured is not None
        print(f"{device}: full width {measured.p50_ms:.4f} ms in one process, {len(found.measured)} subnets measured")
        rng = random.Random(0)
        widths = tuple(rng.choice(options) for options in zip(*found.measured, strict=True))
        print(f"widths {widths}: {model.predict_ms(widths):.4f} ms, predicted")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
