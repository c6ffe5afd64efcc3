"""The comparison itself: every pair of networks with its ratio, the ratio's interval, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from harness.comparing.finished import FinishedRun, Result, Series
from harness.comparing.matching import Kind, Pair, matched_series, pairs
from harness.measuring import (
    Interval,
    anchor_medians_ns,
    by_anchor,
    equality_tolerance,
    slowdown,
    slowdown_of_anchors,
)
from harness.report.words import configuration

Verdict = Literal["faster", "slower", "no difference", "not compared"]

_MS = 1e6

SAME = "the same measurements in both runs, from one store (a --store of its own has a run measure anew)"

#: What a line compares where neither run measured the anchor as a subnet of its own.
ANCHOR = "full width (the anchor)"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One comparison; the fields are the CSV's columns. Figures are None where nothing was compared."""

    before_run: str
    after_run: str
    precision: str
    batch_size: int
    compared: Kind
    name: str
    """Of the subnet (its arch_id, or a baseline's name), or of the budget."""
    before_device: str
    after_device: str
    before_settings: str
    """Engine, its version, threads, power mode."""
    after_settings: str
    before_arch_id: str | None
    after_arch_id: str | None
    before_ms: float | None = None
    after_ms: float | None = None
    ratio: float | None = None
    """Latency after over before: the geometric mean over processes, with its 95% bootstrap interval."""
    ratio_low: float | None = None
    ratio_high: float | None = None
    relative_to: Literal["anchor", "nothing"] | None = None
    """Whether each latency was taken relative to the anchor's of the same rounds."""
    verdict: Verdict = "not compared"
    regression: bool = False
    """Whether it is slower beyond the interval and by more than the threshold."""
    failed_now: bool = False
    """Whether it failed in the later run, and did not before."""
    reason: str | None = None
    """Why it was not compared."""


COLUMNS = tuple(field.name for field in fields(Line))


def compare_runs(before: FinishedRun, after: FinishedRun, share: float) -> list[Line]:
    """Return what two runs have in common, subnet by subnet; `share` is the threshold of a regression.

    Where the anchor steadies the ratios of the others it has a line too, of its absolute latency: a machine or engine
    that has become slower as a whole shows there, and nowhere else.
    """
    found = []
    for one, other in matched_series(before, after):
        results = before.results[one], after.results[other]
        own = pairs(*results)
        judged = [_judged(_about(pair, before, after, one, other), pair.before, pair.after, share) for pair in own]
        anchor = _anchor(before, after, one, other, share) if own else None
        of_it = any(_is_anchor(pair.before) and _is_anchor(pair.after) for pair in own)
        found += [*([anchor] if anchor and not of_it else []), *judged]
    return found


def _about(pair: Pair, before: FinishedRun, after: FinishedRun, one: Series, other: Series) -> Line:
    return Line(
        before_run=str(before.path),
        after_run=str(after.path),
        precision=one.precision,
        batch_size=one.batch_size,
        compared=pair.kind,
        name=pair.name,
        before_device=one.device,
        after_device=other.device,
        before_settings=_settings(pair.before),
        after_settings=_settings(pair.after),
        before_arch_id=None if pair.kind == "anchor" else pair.before.row.arch_id,
        after_arch_id=None if pair.kind == "anchor" else pair.after.row.arch_id,
    )


def _settings(result: Result) -> str:
    """Say what a row was measured with, beside precision and batch size."""
    words = configuration(result.row)
    return ", ".join(text for name, text in words.items() if name not in ("precision", "batch_size"))


def _judged(about: Line, before: Result, after: Result, share: float) -> Line:
    if doubts := [f"{when}: {one.doubt}" for when, one in (("before", before), ("after", after)) if one.doubt]:
        failed_now = after.row.status == "failed" and not before.doubt
        return replace(about, failed_now=failed_now, reason="; ".join(doubts))
    if same := {one.uid for one in before.records} & {one.uid for one in after.records}:
        return replace(about, reason=f"{len(same)} of its processes are {SAME}")
    relative = by_anchor(before.records, after.records) and not (_is_anchor(before) and _is_anchor(after))
    medians = [float(np.median([one.p50_ns for one in result.records])) for result in (before, after)]
    return _decided(about, slowdown(before.records, after.records, relative=relative), medians, share, relative)


def _anchor(before: FinishedRun, after: FinishedRun, one: Series, other: Series, share: float) -> Line | None:
    """Return the line of the anchor; None where ratios are not relative to it, or both runs share measurements."""
    results = [_measured(run.results[own]) for run, own in ((before, one), (after, other))]
    records = [[record for result in own for record in result.records] for own in results]
    shared = {record.uid for record in records[0]} & {record.uid for record in records[1]}
    if not all(records) or shared or not by_anchor(*records):
        return None
    about = _about(Pair("anchor", ANCHOR, results[0][0], results[1][0]), before, after, one, other)
    medians = [float(np.median(anchor_medians_ns(own))) for own in records]
    return _decided(about, slowdown_of_anchors(*records), medians, share, relative=False)


def _measured(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if not result.doubt]


def _is_anchor(result: Result) -> bool:
    return any(record.topology == record.anchor_topology for record in result.records)


def _decided(about: Line, found: Interval | None, medians_ns: Sequence[float], share: float, relative: bool) -> Line:
    if found is None:
        return replace(about, reason="it takes two processes of each to compare them")
    verdict: Verdict = "slower" if found.low > 1 else "faster" if found.high < 1 else "no difference"
    return replace(
        about,
        before_ms=medians_ns[0] / _MS,
        after_ms=medians_ns[1] / _MS,
        ratio=found.estimate,
        ratio_low=found.low,
        ratio_high=found.high,
        relative_to="anchor" if relative else "nothing",
        verdict=verdict,
        regression=verdict == "slower" and found.estimate > 1 + equality_tolerance(medians_ns[0], share),
    )
