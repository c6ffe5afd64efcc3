"""The page's section on the cost models: a line for each way to predict, every unseen network drawn, all escaped."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report import CostModelRecord, write_page

from .cost_models import OWN, cost_model, unseen
from .factory import tradeoff
from .test_page import Page


def written(models: dict[str, CostModelRecord], folder: Path) -> Page:
    write_page(tradeoff(), folder / "report.html", title="What it costs", cost_models=models)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_each_way_to_predict_has_a_line_with_its_errors(tmp_path: Path) -> None:
    page = written({"cpu": cost_model(), "pi5": cost_model(held_out={**OWN, "mean": 0.5})}, tmp_path)
    lines = [line for line in page.lines if line[0] in ("Device", "cpu", "pi5")]
    assert lines[0] == ["Device", "Predicted by", "Mean", "90%", "99%", "Rank correlation", "Within 95% interval"]
    own = "cost model, 300 layers and 90 networks measured"
    assert lines[1] == ["cpu", own, "1.8%", "4.1%", "6.1%", "0.991", "20 of 21"]
    assert lines[2] == ["cpu", "multiply-adds alone", "9.1%", "20%", "30%", "0.900", "–"]
    assert lines[3][:3] == ["cpu", "parameters alone", "240%"]
    assert lines[4][:3] == ["pi5", own, "50%"]
    assert page.sections[-1] == "Predicted latency how far it was off on networks measured after the fit"


def test_unseen_networks_are_there_to_draw_with_their_intervals(tmp_path: Path) -> None:
    page = written({"cpu": cost_model(), "pi5": cost_model(unseen=[unseen(200.0)])}, tmp_path)
    drawn = page.data()["unseen"]
    assert len(drawn["cpu"]) == 21
    (only,) = drawn["pi5"]
    assert [only[name] for name in ("measured", "predicted", "low", "high")] == pytest.approx([200, 220, 180, 260])
    assert "cost-models" in page.attributes("id")


def test_there_is_no_section_where_nothing_was_fitted(tmp_path: Path) -> None:
    page = written({}, tmp_path)
    assert page.sections == ["cpu onnxruntime 1.31.1 · 1 thread · fp32 · batch 1"]
    assert "cost-models" not in page.attributes("id")


def test_what_a_device_is_called_is_text_and_nothing_else(tmp_path: Path) -> None:
    name = "</script><b onclick=alert(1)>&"
    network = {**unseen(1.0), "widths": "<img src=x>"}
    model = cost_model(unseen=[network], steps={"stage1<i>": [(4, 8)], "stage1": [(4, 8)]})
    page = written({name: model}, tmp_path)
    assert not {"b", "i", "img"} & {tag for tag, _ in page.tags}
    assert page.attributes("onclick") == []
    assert [line[0] for line in page.lines].count(name) == 3
    assert page.data()["unseen"][name][0]["widths"] == "<img src=x>"
