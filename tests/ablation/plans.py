"""Plans of tiny trainings on real digits."""

import os
from pathlib import Path

from harness.ablation import Plan, chosen_experiments, run_ablation
from harness.adaptation import AdaptationDiverged, AdaptationSettings

TINY = AdaptationSettings(source_iterations=2, adaptation_iterations=4, batch_size=16, model_batch=3)


def plan(folder: Path, *experiments: str, methods: tuple[str, ...] | None = None, **changes: object) -> Plan:
    """Return a plan of these experiments, the ladder where none is named; `methods` are those of the ladder."""
    names = experiments or ("ladder",)
    values = {
        "tasks": ("digits",),
        "experiments": chosen_experiments(names, methods),
        "seeds": (0,),
        "settings": TINY,
        "data_root": None,
        "folder": folder,
        "evaluations": 16,
        "score_images": 64,
        "correlated": 6,
    }
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def run(asked: Plan) -> list[AdaptationDiverged]:
    """Run a plan; with as many jobs as cores, each has one thread, which is what nets this small need."""
    return run_ablation(asked, os.cpu_count() or 1, lambda done, total: None)
