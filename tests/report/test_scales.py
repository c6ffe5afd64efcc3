from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.report.scales import plain_log_ticks
from harness.report.words import duration


@pytest.mark.parametrize("low", [1e-5, 0.0145, 0.018, 0.3, 7.0, 950.0])
def test_ticks_of_any_range_lie_in_it_and_can_be_written(low: float) -> None:
    """Also from 15 to 97 microseconds, where no choice of round numbers has three to eight ticks but the densest."""
    for high in low * np.geomspace(1.05, 1e4, 60):
        axes = Figure().subplots()
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        plain_log_ticks(axes, duration)
        ticks = axes.get_xticks()
        assert 2 <= len(ticks) <= 8
        gaps = [np.log(later / earlier) / np.log(high / low) for earlier, later in pairwise(ticks)]
        assert min(gaps) > 0.1  # their words do not meet
        assert low <= min(ticks)
        assert max(ticks) <= high
        assert len({axes.xaxis.get_major_formatter()(tick) for tick in ticks}) == len(ticks)
