"""Run what a plan wants and does not have: tasks and seeds beside each other, everything trained and measured once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from threading import Thread

import torch

from harness import processes
from harness.ablation.measured import MEASURES, Subject
from harness.ablation.parts import MODELS, read_part, write_part
from harness.ablation.plan import Plan
from harness.ablation.tasks import check_task, load_task


def run_ablation(plan: Plan, jobs: int, progress: Callable[[int, int], None]) -> None:
    """Make what is missing, `jobs` tasks and seeds at a time, with equal parts of the cores.

    Raises AblationError, before anything is trained, where the folder holds results of other settings.
    """
    for task in plan.tasks:
        check_task(task, plan.network.image_size)
    (plan.folder / "cells").mkdir(parents=True, exist_ok=True)
    for task, seed in plan.units:
        for variant, part in plan.wanted:
            if plan.part_path(task, seed, variant, part).exists():
                read_part(plan, task, seed, variant, part, MODELS[part])
    # The number of threads decides the last bits of a training: it must not depend on what else is asked for.
    threads = max(1, processes.usable_cores() // jobs)
    done, each = 0, len(plan.wanted)
    progress(done, each * len(plan.units))
    ended, lifeline = Pipe(duplex=False)
    with ended, lifeline, ProcessPoolExecutor(jobs, get_context("spawn"), _begin_worker, (threads, ended)) as pool:
        try:
            for future in as_completed([pool.submit(_run_unit, plan, task, seed) for task, seed in plan.units]):
                future.result()
                done += each
                progress(done, each * len(plan.units))
        except KeyboardInterrupt:
            lifeline.close()
            raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin_worker(threads: int, ended: Connection) -> None:
    """Have a worker end when the process that started it does, or hangs up: Ctrl-C is for that one alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    Thread(target=_end_with, args=(ended,), daemon=True).start()


def _end_with(ended: Connection) -> None:
    ended.poll(None)  # nothing is ever sent
    os._exit(1)


def _run_unit(plan: Plan, task: str, seed: int) -> None:
    """Measure all variants of one task and seed, as far as that is not done."""
    missing = [(v, part) for v, part in plan.wanted if not plan.part_path(task, seed, v, part).exists()]
    if not missing:
        return
    domains, held_out = load_task(task, seed, plan.data_root, plan.network.image_size)
    for variant, part in missing:
        subject = Subject(plan, task, variant, variant.settings(plan.settings, seed), domains, held_out)
        write_part(plan.part_path(task, seed, variant, part), MEASURES[part](subject))
