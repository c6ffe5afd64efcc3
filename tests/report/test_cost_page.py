"""The page's section on the cost models: a line for each way to predict, every unseen network drawn, all escaped."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report import CostModelRecord, write_page
from harness.report.cost_page import unseen_chart

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
    assert page.headings[-1] == "Predicted latency how far it was off on networks measured after the fit"


def test_unseen_networks_are_drawn_with_their_intervals() -> None:
    figure = unseen_chart({"cpu": cost_model(), "pi5": cost_model(unseen=[unseen(200.0)])})
    equal, cpu, pi5 = figure.data
    assert (cpu.name, len(cpu.x), pi5.name) == ("cpu", 21, "pi5")
    assert figure.layout.xaxis.title.text == "Measured latency, ms"
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    ends = (pi5.y[0] - pi5.error_y.arrayminus[0], pi5.y[0] + pi5.error_y.array[0])
    assert (pi5.x[0], pi5.y[0], *ends) == pytest.approx((200, 220, 180, 260))
    assert equal.x == equal.y == pytest.approx((0.01, 220))
    assert cpu.marker.color != pi5.marker.color
    assert pi5.hovertext[0] == "pi5: 12-12-24<br>measured 200 ms<br>predicted 220 (180–260)"


def test_there_is_no_section_where_nothing_was_fitted(tmp_path: Path) -> None:
    page = written({}, tmp_path)
    assert page.headings == ["cpu onnxruntime 1.31.1 · 1 thread · fp32 · batch 1"]
    assert "cost-models" not in page.attributes("id")


def test_what_a_device_is_called_is_text_and_nothing_else(tmp_path: Path) -> None:
    name = "</script><b onclick=alert(1)>&"
    network = {**unseen(1.0), "widths": "<img src=x>"}
    model = cost_model(unseen=[network], steps={"stage1<i>": [(4, 8)], "stage1": [(4, 8)]})
    page = written({name: model}, tmp_path)
    assert not {"b", "i", "img"} & {tag for tag, _ in page.tags}
    assert page.attributes("onclick") == []
    assert [line[0] for line in page.lines].count(name) == 3
    (trace,) = [trace for trace in unseen_chart({name: model}).data if trace.mode == "markers"]
    assert "<b" not in trace.name
    assert "<img" not in trace.hovertext[0]
