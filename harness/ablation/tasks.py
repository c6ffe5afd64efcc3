"""The tasks: domains for the method and, apart from them, target labels for the report."""

from __future__ import annotations

from pathlib import Path

from harness.ablation.errors import AblationError
from harness.data import Domains, TargetLabels, load_digits, load_mnist_usps

TASKS = ("digits", "mnist-usps", "usps-mnist")


def load_task(task: str, seed: int, data_root: Path | None) -> tuple[Domains, TargetLabels]:
    """Return a task's domains and, apart from them, what the report alone may see."""
    if task == "digits":
        return load_digits(seed)
    if data_root is None:
        raise AblationError(f"the task {task} needs --data-root: the folder that holds mnist/ and usps/")
    return load_mnist_usps(data_root, "mnist-usps" if task == "mnist-usps" else "usps-mnist", seed)
