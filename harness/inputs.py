"""The images of a run: embedded digits or folders."""

from __future__ import annotations

from harness.console import Advance
from harness.data import Domains, TargetLabels, load_digits, load_folders
from harness.settings import RunSettings

DEFAULT_SIZE = 224


def load_inputs(settings: RunSettings, progress: Advance) -> tuple[Domains, TargetLabels | None]:
    """Return the domains of a run and, apart from them, what its report alone may see."""
    if settings.source is None or settings.target is None:
        progress(0, 1)
        digits = load_digits(settings.seed)
        progress(1, 1)
        return digits
    size = settings.image_size or DEFAULT_SIZE
    return load_folders(settings.source, settings.target, size=(size, size), seed=settings.seed, progress=progress)
