"""What a run knows beside its rows: raw samples in rounds, a device that warms up, an environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np

from harness.report import Caution, Layer, Moment, ProcessSamples, Row, RunFacts, SubnetSamples

from .factory import FULL

START = datetime(2026, 11, 20, 10, 0, tzinfo=timezone.utc)


def at(seconds: float) -> str:
    """Return a moment of the run."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def samples_of(row: Row, processes: int = 4, rounds: int = 6, each: int = 30) -> SubnetSamples:
    """Return samples about the row's median, every process a little off; the anchor takes 0.1 ms."""
    rng = np.random.default_rng(row.macs)

    def drawn(median_ns: float) -> list[list[int]]:
        spread = np.exp(rng.gamma(2.0, 0.02, (rounds, each)))
        return [[int(median_ns * share) for share in own] for own in spread]

    of = [
        ProcessSamples(at(10 * number), drawn(1e6 * (row.host_p50_ms or 0.1)), drawn(1e5))
        for number in range(processes)
    ]
    return SubnetSamples(row.device, row.precision, row.batch_size, row.arch_id, of)


def warming(count: int = 40) -> list[Moment]:
    """Return the states of a device that gets hotter and slower."""
    return [
        Moment(
            at(2 * place),
            anchor_ms=0.1 * (1 + place / 400),
            cpu_mhz=(2400 - 10 * place, 2400),
            hottest_c=(45 + place / 4, 47 + place / 4),
            others_load=0.01,
        )
        for place in range(count)
    ]


def run_facts(rows: Sequence[Row], cautions: Sequence[Caution] = ()) -> RunFacts:
    """Return all of it for the measured subnets among the rows that were selected."""
    chosen = [row for row in rows if row.selected == "yes" and row.host_p50_ms]
    return RunFacts(
        layers=[Layer(f"stage{place}.block1.inner1", width) for place, width in enumerate(FULL)],
        samples=[samples_of(row) for row in chosen],
        moments={series: warming() for series in dict.fromkeys(row.series for row in chosen)},
        environment={"Run": {"Seed": "0"}, "Device cpu": {"Board": "a board"}},
        cautions=cautions,
    )
