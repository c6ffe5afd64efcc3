"""How a training is followed: at the terminal, and in TensorBoard where that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.console import Advance
from harness.running import Run, RunError


@dataclass(frozen=True)
class Following:
    """What a training tells while it runs: how far it is, and after every step what there is to see."""

    progress: Advance
    observe: Callable[[int, Mapping[str, float]], None]


@contextmanager
def following(run: Run, title: str) -> Iterator[Following]:
    """Show a stage of the run with its loss, and write what is observed where TensorBoard reads it."""
    with ExitStack() as stack:
        advance = stack.enter_context(run.console.stage(title))
        writer = new_writer(run.folder.path / "tensorboard") if run.settings.tensorboard else None
        if writer is not None:
            stack.callback(writer.close)

        def observe(step: int, seen: Mapping[str, float]) -> None:
            run.console.note(f"loss {next(iter(seen.values())):.3f}")
            if writer is not None:
                for name, value in seen.items():
                    writer.add_scalar(name, value, step)

        yield Following(advance, observe)


def new_writer(folder: Path) -> Any:
    """Return what writes for TensorBoard, which is an extra; RunError where it is not installed."""
    require_tensorboard()
    return import_module("torch.utils.tensorboard").SummaryWriter(str(folder))


def require_tensorboard() -> None:
    """Stop before anything is done where TensorBoard is missing."""
    try:
        import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise RunError(
            "--tensorboard needs a package that is not installed: pip install 'slimda-edge[tensorboard]'"
        ) from error
