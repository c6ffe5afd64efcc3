"""The images of a run: embedded digits, data sets by name, folders or lists."""

from __future__ import annotations

from typing import Any

from harness.console import Advance
from harness.data import Domains, TargetLabels, default_workers, load_digits, load_pair, load_source
from harness.running.settings import RunSettings


def load_inputs(settings: RunSettings, progress: Advance) -> tuple[Domains, TargetLabels | None]:
    """Return the domains of a run and, apart from them, what its report alone may see."""
    progress(0, 1)
    options: dict[str, Any] = {
        "data_root": settings.data_root,
        "size": None if settings.image_size is None else (settings.image_size, settings.image_size),
        "seed": settings.seed,
        "workers": default_workers() if settings.workers is None else settings.workers,
        "download": settings.download,
        "progress": progress,
    }
    if settings.source is None or settings.target is None:
        loaded: tuple[Domains, TargetLabels | None] = load_digits(settings.seed)
    elif settings.pretraining:
        loaded = load_source(settings.source, **options), None
    else:
        loaded = load_pair(settings.source, settings.target, **options)
    progress(1, 1)
    return loaded


def counted(settings: RunSettings, domains: Domains) -> str:
    """Say how many images were read, so that those which were passed over are missed."""
    source = f"{len(domains.source)} source images to train on and {len(domains.source_check)} to check with"
    told = f"{len(domains.classes)} classes; {source}"
    return told if settings.pretraining else f"{told}; {len(domains.target)} target images to adapt to"
