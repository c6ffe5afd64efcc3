"""The tasks: domains for the method and, apart from them, target labels for the report."""

from __future__ import annotations

from pathlib import Path

from harness.ablation.errors import AblationError
from harness.data import (
    NAMES,
    Domains,
    TargetLabels,
    default_workers,
    fetch,
    load_digits,
    load_mnist_usps,
    load_pair,
    named_pair,
)

TASKS = ("digits", "mnist-usps", "usps-mnist")


def check_task(task: str, image_size: int | None = None) -> None:
    """Raise AblationError where a task is neither one of ours nor a pair of data sets that are known by name.

    So it does where images of a fixed size are asked for in another.
    """
    if task not in TASKS and named_pair(task) is None:
        raise AblationError(
            f"unknown task {task!r}; known: {', '.join(TASKS)}, and pairs such as office31:amazon->office31:webcam "
            f"of {', '.join(NAMES)}"
        )
    if task in TASKS and image_size is not None:
        raise AblationError(
            f"the images of the task {task} have a fixed size; --image-size is for pairs such as "
            "office31:amazon->office31:webcam"
        )


def fetch_task(task: str, data_root: Path | None) -> None:
    """Download what is absent of the sets that a pair names; the other tasks have no set that can be."""
    for end in named_pair(task) or ():
        if data_root is not None:
            fetch(end, data_root)


def load_task(
    task: str, seed: int, data_root: Path | None, image_size: int | None = None
) -> tuple[Domains, TargetLabels]:
    """Return a task's domains and, apart from them, what the report alone may see; `image_size` is for pairs."""
    if task == "digits":
        return load_digits(seed)
    if data_root is None:
        raise AblationError(f"the task {task} needs --data-root: the folder that holds the data sets")
    if task in TASKS:
        return load_mnist_usps(data_root, "mnist-usps" if task == "mnist-usps" else "usps-mnist", seed)
    pair = named_pair(task)
    assert pair is not None
    size = None if image_size is None else (image_size, image_size)
    domains, held_out = load_pair(*pair, data_root=data_root, size=size, seed=seed, workers=default_workers())
    assert held_out is not None  # all sets that have names have labels
    return domains, held_out
