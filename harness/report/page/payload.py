"""What the page's script draws, as JSON that cannot end the element it stands in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.cost_models import CostModelRecord
from harness.report.page.facts import RunFacts
from harness.report.page.points import fronts, points, short, thinned
from harness.report.page.timing import history, timing
from harness.report.rows import Row, series_name


def payload(
    rows: Sequence[Row], names: Mapping[str, str], cost_models: Mapping[str, CostModelRecord], facts: RunFacts
) -> dict[str, Any]:
    """Return all that the script needs; rows are named by their place in ``rows``."""
    kept = thinned(rows, names)
    samples = {(series_name(s.device, s.precision, s.batch_size), s.arch_id): s for s in facts.samples}
    series = {row.series: {"name": row.series, "device": row.device, **_form(row)} for row in kept}
    return {
        "series": list(series.values()),
        "rows": points(kept, names),
        "all_rows": len(rows),
        "fronts": fronts(kept, names),
        "layers": [{"name": layer.name, "full": layer.full} for layer in facts.layers],
        "timing": {
            place: found
            for place, row in enumerate(kept)
            if (own := samples.get((row.series, row.arch_id))) and (found := timing(own))
        },
        "history": {name: history(moments) for name, moments in facts.moments.items() if moments},
        "unseen": {name: _unseen(model) for name, model in cost_models.items()},
    }


def _form(row: Row) -> dict[str, str]:
    batch = f", batch {row.batch_size}" if row.batch_size > 1 else ""
    return {"form": f"{row.precision}{batch}"}


def _unseen(model: CostModelRecord) -> list[dict[str, Any]]:
    """Return what was predicted and measured; a prediction that excludes nothing (zero to infinity) has no interval."""
    return [
        {
            "widths": own.widths,
            "predicted": short(own.predicted_ms),
            "low": short(own.low_ms) if math.isfinite(own.high_ms) else None,
            "high": short(own.high_ms) if math.isfinite(own.high_ms) else None,
            "measured": short(own.measured_ms),
        }
        for own in model.unseen
    ]


def script_safe(data: Any) -> str:
    """Return JSON for a script element: no ``<``, so that nothing in it closes the element or opens a comment."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
