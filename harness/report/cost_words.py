"""A cost model in sentences: how far off it was, and the steps of the device's cost."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.report.cost_models import Blocks, CostModelRecord, Errors
from harness.report.words import UNKNOWN, digits

_STAGE = re.compile(r"stem|stage\d+")


def cost_sentences(name: str, model: CostModelRecord) -> list[str]:
    """Say of the model of one configuration what it was off by on networks it had not seen, and what costs nothing."""
    return [_errors(name, model), _steps(name, model)]


def off(share: float) -> str:
    """Write a relative error, which may exceed 1: 1.8%, 24%, 240%."""
    return f"{digits(100 * share, 2)}%"


def rank_correlation(errors: Errors) -> str:
    """Write a rank correlation, where there is one."""
    return UNKNOWN if errors.rank_correlation is None else f"{errors.rank_correlation:.3f}"


def held(errors: Errors) -> str:
    """Write how many measurements their predicted intervals held, where there are intervals."""
    return UNKNOWN if errors.coverage is None else f"{round(errors.coverage * errors.count)} of {errors.count}"


def _errors(name: str, model: CostModelRecord) -> str:
    own = model.held_out
    details = [
        f"90%: {off(own.p90)}",
        f"99%: {off(own.p99)}",
        f"rank correlation {rank_correlation(own)}",
        f"95% intervals held {held(own)}",
    ]
    return (
        f"cost model of {name}: off by {off(own.mean)} on {own.count} networks measured after the fit "
        f"({', '.join(details)}); multiply-adds alone {off(model.macs_only.mean)}, "
        f"parameters alone {off(model.params_only.mean)}"
    )


def _steps(name: str, model: CostModelRecord) -> str:
    if model.blocks.size == 1:
        return f"no steps of channels were found on {name}"
    blocks = f"{name} computes channels in {_blocks(model.blocks)}"
    if not model.steps:
        return f"{blocks}; no widths were found that surely cost nothing extra"
    stages = [_narrowest(slot, runs) for slot, runs in model.steps.items() if _STAGE.fullmatch(slot)]
    inner = [runs for slot, runs in model.steps.items() if not _STAGE.fullmatch(slot)]
    if not stages:
        return f"{blocks}, so that some inner widths of blocks cost nothing extra (run.json lists them)"
    of_inner = sum(map(len, inner))
    of_stages = sum(map(len, model.steps.values())) - of_inner
    return (
        f"{blocks}, so that some widths cost nothing extra: {', '.join(stages)} "
        f"(run.json lists all such runs: {of_stages} of stages, {of_inner} of inner widths)"
    )


def _blocks(blocks: Blocks) -> str:
    where = f" where inputs are a multiple of {blocks.align}" if blocks.align > 1 else ""
    return f"blocks of {blocks.size}{where}"


def _narrowest(slot: str, runs: Sequence[tuple[int, int]]) -> str:
    low, high = runs[0]
    return f"in {re.sub(r'(?<=stage)', ' ', slot)} {high} channels cost no more than {low}"
