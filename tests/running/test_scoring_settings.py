from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from harness.running.settings import ScoringSettings, settings_from


def test_options_of_scoring_reach_the_settings() -> None:
    asked = settings_from(
        {"upem_anchor": "ensemble", "upem_norm": "l1", "upem_sharpening": 0.25, "halving": True, "quick": True}
    )
    assert asked.scoring == ScoringSettings(upem_anchor="ensemble", upem_norm="l1", upem_sharpening=0.25)
    assert asked.effort.halving
    assert asked.effort.evaluations == settings_from({"quick": True}).effort.evaluations


def test_by_default_upem_is_the_plain_distance_from_the_full_width_on_all_images() -> None:
    default = settings_from({})
    assert default.scoring.model_dump() == {"upem_anchor": "full", "upem_norm": "l2", "upem_sharpening": None}
    assert not default.effort.halving


@pytest.mark.parametrize("option", [{"upem_anchor": "mean"}, {"upem_norm": "max"}, {"upem_sharpening": 0.0}])
def test_options_that_are_none_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(option))):
        settings_from(option)
