"""What the page knows of a real run beside its rows, and what it does where the run folder has lost something."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from harness.report import Row, RunFacts, read_csv
from harness.results.page_facts import run_facts
from harness.running import RunFolder, read_record
from tests.report.browser import Tab, browser


def facts_of(run: Path) -> tuple[RunFacts, list[Row]]:
    folder = RunFolder(run, read_record(run))
    rows = read_csv(folder.tradeoff)
    return run_facts(folder, rows, ["a warning"]), rows


@pytest.fixture
def copied(quick_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(quick_run, tmp_path / "run"))


def test_every_selected_subnet_has_the_samples_that_its_row_counts(quick_run: Path) -> None:
    facts, rows = facts_of(quick_run)
    chosen = {row.arch_id: row for row in rows if row.selected == "yes"}
    assert {own.arch_id for own in facts.samples} == set(chosen)
    for own in facts.samples:
        rounds = [samples for process in own.processes for samples in process.rounds_ns]
        assert sum(map(len, rounds)) == chosen[own.arch_id].samples
        assert len(own.processes) == chosen[own.arch_id].processes


def test_layers_are_those_of_the_full_network(quick_run: Path) -> None:
    facts, rows = facts_of(quick_run)
    full = next(row for row in rows if row.compute_fraction == 1)
    assert "-".join(str(layer.full) for layer in facts.layers) == full.widths
    assert facts.layers[0].name == "stem"


def test_the_device_and_the_environment_are_told(quick_run: Path) -> None:
    facts, _ = facts_of(quick_run)
    (moments,) = facts.moments.values()
    assert [moment.ended for moment in moments] == sorted({moment.ended for moment in moments})
    assert all(moment.anchor_ms > 0 for moment in moments)
    assert facts.environment["Run"]["Seed"] == "0"
    assert facts.environment["Device tiny"]["Engine"] == "onnxruntime"
    assert "torch" in facts.environment["Software"]
    assert facts.cautions[0].text == "a warning"


def test_a_page_is_made_of_what_is_left(copied: Path) -> None:
    (copied / "measurements.sqlite").write_bytes(b"not a database")
    shutil.rmtree(copied / "bank")
    facts, _ = facts_of(copied)
    assert not facts.layers
    assert not facts.moments
    assert any("cannot be read" in caution.text and caution.advice for caution in facts.cautions)
    (copied / "measurements.sqlite").unlink()
    assert not any("cannot be read" in caution.text for caution in facts_of(copied)[0].cautions)


def test_a_subnet_keeps_its_samples_where_its_file_is_lost(copied: Path) -> None:
    shutil.rmtree(copied / "subnets")
    facts, _ = facts_of(copied)
    assert all(own.processes for own in facts.samples)


def test_measurements_of_an_older_version_are_shown_without_what_they_do_not_tell(copied: Path) -> None:
    with sqlite3.connect(copied / "measurements.sqlite") as connection:
        connection.execute("DROP TABLE networks")
    facts, rows = facts_of(copied)
    assert [caution.text for caution in facts.cautions if "older version" in caution.text] == [
        "measurements.sqlite is of an older version and does not say which subnet its raw samples are of."
    ]
    assert not any(own.processes for own in facts.samples)
    assert facts.moments
    assert rows


def test_the_page_of_a_real_run_works_in_a_browser(quick_run: Path) -> None:
    with browser() as started:
        tab = Tab(started, quick_run / "report.html")
        assert tab.problems == []
        assert len(tab.requests) == 1
        named = []
        for place in range(int(tab.run("CONTROL.asked.options.length")) - 1):
            tab.run(f"CONTROL.asked.selectedIndex = {place}, takeAsked()")
            named.append(tab.text("#named"))
            file = tab.page.get_attribute("#onnx", "href")
            assert file is not None
            assert (quick_run / file).is_file()
            assert tab.page.is_visible("#rounds .main-svg >> nth=0")
        assert len(named) == 3
        assert tab.problems == []
        tab.close()
