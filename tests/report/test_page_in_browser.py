"""The page in a real browser: it runs, offline, and says which subnet to deploy."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.report import Caution, Row, mark_front, write_page

from .browser import Tab
from .cost_models import cost_model
from .factory import row, tradeoff, unmeasured
from .facts import run_facts

CHARTS = ("tradeoff", "widths", "distribution", "rounds", "cost-models", "correlation", "history")


def all_rows() -> list[Row]:
    """Two devices, one of them in two precisions, everything that can be known, and everything that can go wrong."""
    cpu = [dataclasses.replace(own, peak_memory_mb=own.macs / 1e6) for own in tradeoff(labels=True)]
    pi5 = tradeoff(device="pi5", speed=0.3, labels=True)
    int8 = tradeoff(device="pi5", speed=0.6, precision="int8", candidates=20)
    pi5[3] = unmeasured(pi5[3], cost_source="predicted", predicted_ms=0.2)
    pi5[4] = dataclasses.replace(pi5[4], status="throttled", reason="the clock fell")
    pi5[-1] = unmeasured(pi5[-1], status="failed", reason="out of memory", within_budget=None)
    doubt: dict[str, Any] = {"status": "noisy", "reason": "±12%", "within_budget": "borderline"}
    pi5[-3] = dataclasses.replace(pi5[-3], budget="0.1ms;1/16", **doubt)
    baseline = row(arch_id="b" * 12, macs=9_000_000, compute_fraction=1.5, upem=None, host_p50_ms=0.2,
                   host_ci_low_ms=0.19, host_ci_high_ms=0.21, target_accuracy=0.8, accuracy_ci_low=0.7,
                   accuracy_ci_high=0.9)  # fmt: skip
    return mark_front([*cpu, *pi5, *int8, baseline])


def write_full(path: Path) -> list[Row]:
    rows = all_rows()
    write_page(
        rows,
        path,
        title="digits: what each budget costs",
        facts=run_facts(rows, [Caution("The governor is not performance.", "Set it.")]),
        cost_models={"cpu": cost_model()},
        baselines={"b" * 12: "mobilenet"},
    )
    return rows


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_full(path)
    return path


@pytest.fixture(scope="module")
def tab(chromium: Any, file: Path) -> Iterator[Tab]:
    """One tab for all tests that only look or that choose for themselves before they look."""
    opened = Tab(chromium, file)
    yield opened
    opened.close()


@pytest.fixture
def cpu(tab: Tab) -> Tab:
    """The tab with the subnets of the first device, by its first budget."""
    tab.choose("#deploy-series", "cpu")
    tab.page.select_option("#deploy-asked", label="1")
    tab.choose("#cost-axis", "latency")
    return tab


def named(tab: Tab) -> str:
    return tab.text("#named")


def of_budget(budget: str, device: str = "cpu") -> Row:
    return next(own for own in all_rows() if own.device == device and budget in own.budgets)


def test_it_loads_offline_without_a_complaint(tab: Tab, file: Path) -> None:
    assert tab.problems == []
    assert tab.requests == [file.resolve().as_uri()]


@pytest.mark.parametrize("chart", CHARTS)
def test_every_chart_shows_something(tab: Tab, chart: str) -> None:
    assert tab.page.locator(f"#{chart} .main-svg").count()
    assert tab.page.locator(f"#{chart} path.point, #{chart} .point path, #{chart} path.js-line").count() > 1
    assert tab.page.get_attribute(f"#{chart}", "aria-label")


def test_a_budget_of_the_run_names_what_the_run_chose_and_links_its_file(cpu: Tab) -> None:
    for budget in ("1/2", "1/64"):
        cpu.page.select_option("#deploy-asked", label=budget)
        assert named(cpu) == of_budget(budget).arch_id
        assert cpu.page.get_attribute("#onnx", "href") == f"subnets/{of_budget(budget).arch_id}-fp32-b1.onnx"
        assert named(cpu) in cpu.text("#subnet-name")


def test_any_other_budget_names_the_best_subnet_whose_upper_bound_is_within_it(cpu: Tab) -> None:
    chosen = of_budget("1/8")
    bound = 1000 * (chosen.host_ci_high_ms or 0)
    cpu.choose("#deploy-cost", "latency")
    cpu.page.fill("#deploy-number", f"{bound * 1.001:.4f}")
    assert named(cpu) == chosen.arch_id
    cpu.page.fill("#deploy-number", f"{bound * 0.999:.4f}")
    assert named(cpu) == of_budget("1/16").arch_id
    cpu.page.fill("#deploy-number", "0.001")
    assert "No exported subnet is within" in cpu.text("#deployed")
    assert cpu.page.locator("#onnx").count() == 0


def test_a_better_candidate_without_a_file_is_told_of(chromium: Any, tmp_path: Path) -> None:
    rows = [row(budget="1/2", selected="yes"), row(arch_id="f" * 12, upem=0.05, host_p50_ms=0.09, host_ci_low_ms=None,
                                                  host_ci_high_ms=None)]  # fmt: skip
    write_page(rows, tmp_path / "report.html", title="")
    opened = Tab(chromium, tmp_path / "report.html")
    opened.choose("#deploy-cost", "latency")
    opened.page.fill("#deploy-number", "110")
    assert f"Not exported, but known: {'f' * 12}" in opened.text("#deployed")
    assert "--latency-ms 0.11 --measure" in opened.text("#deployed")
    opened.close()


def test_the_keyboard_is_enough(cpu: Tab) -> None:
    cpu.page.focus("#deploy-slider")
    cpu.page.keyboard.press("End")
    assert named(cpu) == of_budget("1").arch_id
    cpu.page.keyboard.press("Home")
    assert "No exported subnet" in cpu.text("#deployed")
    for _ in range(5):
        cpu.page.keyboard.press("PageUp")
    assert named(cpu) != of_budget("1").arch_id
    ring = cpu.run("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    cpu.page.focus("#cost-axis")
    cpu.page.keyboard.press("ArrowDown")
    assert cpu.run("STATE.cost") == "macs"


def test_every_control_has_a_label(tab: Tab) -> None:
    unlabelled = """[...document.querySelectorAll('input, select')]
        .filter((own) => !own.labels.length && !own.getAttribute('aria-label')).map((own) => own.id)"""
    assert tab.run(unlabelled) == []
    assert (
        tab.run("[...document.querySelectorAll('a, button, input, select')].some((own) => own.tabIndex < 0)") is False
    )


def test_axes_are_offered_where_something_is_known(cpu: Tab) -> None:
    assert cpu.run("[...document.getElementById('cost-axis').options].map((own) => own.value)") == [
        *("latency", "macs", "memory")
    ]
    cpu.choose("#cost-axis", "memory")
    assert "Measured peak memory, MB" in cpu.text("#tradeoff")
    cpu.choose("#value-axis", "accuracy")
    assert "Target accuracy, %" in cpu.text("#tradeoff")
    assert "mobilenet" not in cpu.text("#tradeoff"), "it has no memory"
    cpu.choose("#cost-axis", "macs")
    assert "mobilenet" in cpu.text("#tradeoff")
    cpu.choose("#value-axis", "upem")
    assert "mobilenet" not in cpu.text("#tradeoff"), "it has no UPEM"


def test_devices_precisions_methods_and_kinds_are_hidden_and_shown(cpu: Tab) -> None:
    def points() -> int:
        return int(cpu.page.locator("#tradeoff .scatterlayer .point").count())

    everything = points()
    for name in ("pi5", "int8", "evolution", "throttled"):
        box = cpu.page.get_by_label(name, exact=True)
        box.uncheck()
        assert 0 < points() < everything, name
        box.check()
        assert points() == everything
    assert "1 failed one has no latency" in cpu.text("#tradeoff-note")


def test_kinds_and_series_differ_in_shape_and_not_in_colour_alone(cpu: Tab) -> None:
    drawn = cpu.run("""document.getElementById('tradeoff').data.filter((own) => own.customdata).map((own) => {
        const row = DATA.rows[own.customdata[0]];
        return [row.series, kind(row), [].concat(own.marker.symbol)[0], own.marker.color, row.name ?? ''];
    })""")
    shapes = {(series, kind): shape for series, kind, shape, _, name in drawn if not name}
    assert len({shapes[series, "measured"] for series in ("cpu", "pi5", "pi5 int8")}) == 3
    assert len({colour for _, _, _, colour, _ in drawn}) == 3
    assert len({shapes["pi5", kind] for kind in ("measured", "noisy", "throttled", "predicted")}) == 4
    cpu.choose("#cost-axis", "macs")
    failed = cpu.run("""document.getElementById('tradeoff').data.filter((own) => own.customdata)
        .filter((own) => DATA.rows[own.customdata[0]].status === 'failed').map((own) => own.marker.symbol[0])""")
    assert failed == ["x-thin-open"]


def test_a_failed_subnet_is_not_to_be_deployed(tab: Tab) -> None:
    tab.choose("#deploy-series", "pi5")
    tab.page.select_option("#deploy-asked", label="1/64")
    assert "It failed on this device: do not deploy it." in tab.text("#deployed")
    tab.choose("#deploy-cost", "latency")
    tab.page.keyboard.press("Tab")
    tab.page.fill("#deploy-number", "1e9")
    assert named(tab) == of_budget("1", "pi5").arch_id


def test_a_click_on_a_large_marker_shows_that_subnet(cpu: Tab) -> None:
    place = cpu.run(f"DATA.rows.findIndex((own) => own.id === '{of_budget('1/8').arch_id}')")
    cpu.run(f"document.getElementById('tradeoff').emit('plotly_click', {{points: [{{customdata: {place}}}]}})")
    assert named(cpu) == of_budget("1/8").arch_id


def test_the_panels_say_what_they_show_and_what_is_missing(cpu: Tab) -> None:
    assert "Distribution of all 720 raw samples" in cpu.text("#distribution-caption")
    assert "4 processes" in cpu.text("#rounds-caption")
    assert "Not recorded, because this device does not tell: power." in cpu.text("#history-note")
    assert "Hottest" in cpu.text("#history")
    assert "The governor is not performance." in cpu.text("#cautions")


@pytest.fixture(scope="module")
def other(chromium: Any, file: Path) -> Iterator[Tab]:
    """A tab whose window and colours change, opened in the dark."""
    opened = Tab(chromium, file, dark=True)
    yield opened
    opened.close()


def wait_for_ink(tab: Tab, colour: str) -> None:
    tab.wait_until(f"getComputedStyle(document.querySelector('#tradeoff .xtick text')).fill === '{colour}'")


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize(("width", "height"), [(1366, 768), (400, 800)])
def test_it_fits_its_window_in_light_and_dark(other: Tab, width: int, height: int, dark: bool) -> None:
    other.page.emulate_media(media="screen", color_scheme="dark" if dark else "light")
    other.page.set_viewport_size({"width": width, "height": height})
    wait_for_ink(other, "rgb(230, 232, 235)" if dark else "rgb(31, 35, 40)")
    picture = np.asarray(Image.open(io.BytesIO(other.page.screenshot())).convert("L"))
    ground, ink = np.median(picture), picture.max() if dark else picture.min()
    assert (ground < 60) == dark
    assert abs(float(ground) - float(ink)) > 150, "text stands out"
    other.wait_until(f"document.documentElement.scrollWidth <= {width}")  # nothing sticks out sideways
    assert other.problems == []


def test_paper_is_light_has_all_figures_and_no_controls(other: Tab) -> None:
    other.page.emulate_media(media="print", color_scheme="dark")
    wait_for_ink(other, "rgb(31, 35, 40)")
    other.wait_until("document.querySelector('#tradeoff .main-svg').clientWidth === PAPER_WIDTH")
    assert other.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not other.page.is_visible("#deploy-controls")
    assert other.page.is_visible("#named")
    paper = other.page.pdf(format="A4")
    assert 3 <= len(re.findall(rb"/Type ?/Page\b", paper)) <= 14


POOR = {
    "only predicted": unmeasured(row(budget="1", selected="yes"), cost_source="predicted", predicted_ms=1.0),
    "nothing known": unmeasured(row(budget="1", selected="yes")),
    "failed": unmeasured(row(budget="1", selected="yes"), status="failed", reason="no memory"),
    "not scored": row(upem=None, budget="1", selected="yes"),
    "joint": row(budget="10ms+4MB", selected="yes", widths="-".join(["64"] * 40)),
    "estimated": unmeasured(row(budget="5mJ", selected="yes"), cost_source="estimated", predicted_ms=7.0),
}


def test_devices_of_which_little_is_known_are_shown_without_errors(chromium: Any, tmp_path: Path) -> None:
    rows = [dataclasses.replace(own, device=device) for device, own in POOR.items()]
    write_page(rows, tmp_path / "report.html", title="")
    opened = Tab(chromium, tmp_path / "report.html")
    for device in POOR:
        opened.choose("#deploy-series", device)
        assert named(opened) == row().arch_id, device
        for cost in opened.run("[...CONTROL.cost.options].map((own) => own.value)"):
            opened.choose("#deploy-cost", cost)
            opened.page.fill("#deploy-number", "0")
            assert "Type a number above zero." in opened.text("#deployed")
            opened.page.fill("#deploy-number", "50")
    assert opened.problems == []
    opened.close()


@pytest.mark.parametrize("rows", [[], [row()]])
def test_pages_without_a_choice_say_so(chromium: Any, tmp_path: Path, rows: list[Row]) -> None:
    write_page(rows, tmp_path / "report.html", title="")
    opened = Tab(chromium, tmp_path / "report.html")
    assert "No subnet was selected in this run." in opened.text("#deploy")
    assert not opened.page.is_visible("#subnet")
    assert opened.problems == []
    opened.close()
