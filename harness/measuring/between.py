"""How much slower one measurement is than another that was made apart from it: at another time, of other processes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.measuring.results import ProcessRecord, device_key
from harness.measuring.statistics import Interval, bootstrap_ratio


def by_anchor(before: Sequence[ProcessRecord], after: Sequence[ProcessRecord]) -> bool:
    """Return whether two measurements are to be compared by their ratios to the anchor of the same rounds.

    They are where both have the same anchor on the same device, system, engine and settings: it is then equally fast in
    both, and what its rounds show is the machine's momentary state. Elsewhere the anchor may itself have become faster
    or slower, which its ratio would hide.
    """
    known = {
        (record.anchor_topology, record.precision, record.batch_size, *device_key(record.fingerprint).values())
        for record in (*before, *after)
    }
    return len(known) == 1


def slowdown(before: Sequence[ProcessRecord], after: Sequence[ProcessRecord], *, relative: bool) -> Interval | None:
    """Return the latency of `after` over that of `before`, by bootstrap over processes; None below two of either.

    Where `relative`, each latency is first divided by the anchor's of the same rounds.
    """
    if relative:
        return bootstrap_ratio(*([math.exp(record.log_ratio) for record in records] for records in (before, after)))
    return bootstrap_ratio(*([record.p50_ns for record in records] for records in (before, after)))


def slowdown_of_anchors(before: Sequence[ProcessRecord], after: Sequence[ProcessRecord]) -> Interval | None:
    """Return the same of the anchors beside the records; what one process measured at once counts once."""
    return bootstrap_ratio(*(anchor_medians_ns(records) for records in (before, after)))


def anchor_medians_ns(records: Sequence[ProcessRecord]) -> list[float]:
    """Return the anchor's median in every process."""
    return [record.anchor_p50_ns for record in {record.anchor_ns: record for record in records}.values()]
