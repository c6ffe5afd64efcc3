"""The processes that torchrun started: rank 0 runs the command and speaks, the others do their part of what it asks.

What is asked travels through gloo, as do all collectives on processors. A process that fails says so and ends; torchrun
then ends the others, which say nothing of what it leaves undone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch.distributed as dist

#: How long a process waits for another: rank 0 may measure for hours in between.
PATIENCE = timedelta(days=7)

#: Whether this process left a task that it shares with others, so that they can no longer be spoken to.
_out_of_step = False


class SharedFailure(RuntimeError):
    """Raised by every process at the same point of a shared task: rank 0 tells it, the others wait for the next."""


class ProcessLost(RuntimeError):
    """Another process ended in the middle of a shared task; it has said why, unless it was killed."""


@contextmanager
def joined() -> Iterator[bool]:
    """Say whether this process is the one that runs the command; where torchrun started others, those serve it.

    They have served when the block begins, and are dismissed when that of rank 0 ends.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
        yield True
        return
    dist.init_process_group("gloo", timeout=PATIENCE)
    if dist.get_rank() == 0:
        try:
            yield True
        finally:
            if not _out_of_step:
                _broadcast(None)
                dist.destroy_process_group()
    else:
        _serve()
        dist.destroy_process_group()
        yield False


def usable_cores() -> int:
    """Return on how many cores this process may run; a container or taskset may leave it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count() -> int:
    """Return how many processes share the work."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def several() -> bool:
    """Say whether there are other processes that this one shares its work with."""
    return count() > 1


@contextmanager
def others_doing(task: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Have the other processes call `task`, a module's function, while the block does the part of this one, rank 0.

    Alone, the block is all there is. Raises ProcessLost where another process ended in between.
    """
    global _out_of_step
    if not several():
        yield
        return
    try:
        _broadcast((task, arguments))
        yield
    except SharedFailure:
        raise
    except BaseException as error:
        _out_of_step = True
        if _is_loss(error):
            raise ProcessLost("another process that torchrun started has ended, and this one with it") from error
        raise


def _serve() -> None:
    """Do what rank 0 asks for until it dismisses this process; a silent exit where it ends before."""
    try:
        while (message := _broadcast(None)) is not None:
            task, arguments = message
            with suppress(SharedFailure):
                task(*arguments)
            del message, task, arguments  # all images may be in there, and in the next message too
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except RuntimeError as error:
        if _is_loss(error):
            raise SystemExit(1) from None
        raise


def _is_loss(error: BaseException) -> bool:
    """Say whether a collective failed because of another process; gloo raises plain RuntimeErrors that name it."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())


def _broadcast(message: Any) -> Any:
    """Return rank 0's message in every process."""
    box = [message]
    dist.broadcast_object_list(box, src=0)
    return box[0]
