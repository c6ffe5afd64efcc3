"""The page in a real browser, made of data that would have it run something: it runs nothing that is not its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from harness.report import Caution, Layer, RunFacts, write_page

from .browser import Tab
from .cost_models import cost_model
from .factory import row, tradeoff
from .facts import samples_of, warming

HOSTILE = """</script><img src=x onerror=alert(1)><svg onload="window.hit=1">'${alert(2)}'&lt;b&gt;"""


def test_nothing_that_comes_from_data_files_or_boards_runs(chromium: Any, tmp_path: Path) -> None:
    chosen = [
        dataclasses.replace(own, device=HOSTILE, engine=HOSTILE, reason=HOSTILE, status="noisy", power_mode=HOSTILE,
                            budget=HOSTILE.replace(";", "") if own.budget == "1" else own.budget)
        for own in tradeoff(labels=True, candidates=3)
    ]  # fmt: skip
    samples = [dataclasses.replace(samples_of(own), device=HOSTILE) for own in chosen[3:]]
    facts = RunFacts(
        layers=[Layer(f"{HOSTILE}{place}", 128) for place in range(7)],
        samples=samples,
        moments={chosen[0].series: warming()},
        environment={HOSTILE: {HOSTILE: HOSTILE}},
        cautions=[Caution(HOSTILE, HOSTILE)],
    )
    network = {"widths": HOSTILE, "predicted_ms": 1.0, "low_ms": 0.9, "high_ms": 1.1, "measured_ms": 1.0}
    write_page(
        [*chosen, row(arch_id="b" * 12, upem=None)],
        tmp_path / "report.html",
        title=HOSTILE,
        facts=facts,
        cost_models={HOSTILE: cost_model(unseen=[network])},
        baselines={"b" * 12: HOSTILE},
    )
    opened = Tab(chromium, tmp_path / "report.html")
    for axis in ("macs", "latency"):
        opened.choose("#cost-axis", axis)
    for place in range(7):
        opened.run(f"CONTROL.asked.selectedIndex = {place}, takeAsked()")
    marker = opened.page.locator("#tradeoff .scatterlayer .point").last
    marker.hover(force=True)
    assert opened.problems == []
    assert len(opened.requests) == 1
    assert opened.run("window.hit") is None
    assert opened.page.locator("img, svg[onload], [onerror]").count() == 0
    assert HOSTILE in opened.text("#cautions")
    assert "onerror=alert(1)" in opened.text("#widths") or "onerror=alert(1)" in opened.text("#subnet-name")
    opened.close()


def test_a_script_that_got_in_would_not_run(chromium: Any, tmp_path: Path) -> None:
    """Beside escaping, the page's policy knows its own scripts by their digests."""
    write_page([row()], tmp_path / "report.html", title="MARK")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    got_in = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"
    (tmp_path / "report.html").write_text(page.replace("<h1>MARK", f"<h1>{got_in}", 1), encoding="utf-8")
    opened = Tab(chromium, tmp_path / "report.html")
    assert opened.run("window.hit") is None
    assert any("Content Security Policy" in problem for problem in opened.problems)
    opened.close()
