"""Run what a plan wants and does not have: tasks and seeds beside each other, everything trained and measured once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from threading import Thread

import torch

from harness import processes
from harness.ablation.errors import AblationError
from harness.ablation.measured import MEASURES, Subject
from harness.ablation.parts import MODELS, read_part, write_part
from harness.ablation.plan import Plan
from harness.ablation.tasks import check_task, load_task
from harness.ablation.variants import Variant
from harness.adaptation import AdaptationDiverged


def run_ablation(plan: Plan, jobs: int, progress: Callable[[int, int], None]) -> list[AdaptationDiverged]:
    """Make what is missing, `jobs` tasks and seeds at a time, with equal parts of the cores, and of the GPUs in turn.

    Returns what diverged; everything else is made. Raises AblationError, before anything is trained, where the folder
    holds results of other settings, and where it holds results of other images.
    """
    for task in plan.tasks:
        check_task(task, plan.network.image_size)
    (plan.folder / "cells").mkdir(parents=True, exist_ok=True)
    for task, seed in plan.units:
        _digest_of_finished(plan, task, seed)
    # The number of threads decides the last bits of a training: it must not depend on what else is asked for.
    threads = max(1, processes.usable_cores() // jobs)
    diverged: list[AdaptationDiverged] = []
    done, each = 0, len(plan.wanted)
    progress(done, each * len(plan.units))
    ended, lifeline = Pipe(duplex=False)
    spawning = get_context("spawn")
    begun = (threads, ended, plan.hardware.kind, spawning.Value("i", 0))
    with ended, lifeline, ProcessPoolExecutor(jobs, spawning, _begin_worker, begun) as pool:
        try:
            for future in as_completed([pool.submit(_run_unit, plan, task, seed) for task, seed in plan.units]):
                diverged += future.result()
                done += each
                progress(done, each * len(plan.units))
        except KeyboardInterrupt:
            lifeline.close()
            raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return diverged


def _begin_worker(threads: int, ended: Connection, kind: str, workers: Synchronized[int]) -> None:
    """Have a worker end when the process that started it does, or hangs up: Ctrl-C is for that one alone.

    Where there are GPUs, the first worker trains on the first, the second on the second, and so on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    if kind == "cuda":
        with workers.get_lock():
            torch.cuda.set_device(workers.value % torch.cuda.device_count())
            workers.value += 1
    Thread(target=_end_with, args=(ended,), daemon=True).start()


def _end_with(ended: Connection) -> None:
    ended.poll(None)  # nothing is ever sent
    os._exit(1)


def _run_unit(plan: Plan, task: str, seed: int) -> list[AdaptationDiverged]:
    """Measure all variants of one task and seed, as far as that is not done; return what diverged."""
    missing = [(v, part) for v, part in plan.wanted if not plan.part_path(task, seed, v, part).exists()]
    if not missing:
        return []
    domains, held_out = load_task(task, seed, plan.data_root, plan.network.image_size)
    if _digest_of_finished(plan, task, seed) not in (None, domains.digest):
        raise _other_images(plan, task, seed)
    diverged: dict[Variant, AdaptationDiverged] = {}
    for variant, part in missing:
        if variant in diverged:
            continue
        subject = Subject(plan, task, variant, variant.settings(plan.settings, seed), domains, held_out)
        try:
            write_part(plan.part_path(task, seed, variant, part), MEASURES[part](subject))
        except AdaptationDiverged as error:
            diverged[variant] = AdaptationDiverged(f"{task}, seed {seed}, {variant.label}: {error}")
    return [*diverged.values()]


def _digest_of_finished(plan: Plan, task: str, seed: int) -> str | None:
    """Return the digest of the images that the finished parts of a task and seed were made with; None: none is.

    Raises AblationError where they are not of the plan's settings, or not of the same images.
    """
    found = {
        read_part(plan, task, seed, variant, part, MODELS[part]).digest
        for variant, part in plan.wanted
        if plan.part_path(task, seed, variant, part).exists()
    }
    if len(found) > 1:
        raise _other_images(plan, task, seed)
    return found.pop() if found else None


def _other_images(plan: Plan, task: str, seed: int) -> AblationError:
    return AblationError(f"{plan.folder} has results of {task}, seed {seed}, with other images; choose another --run")
