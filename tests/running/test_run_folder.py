"""run.json: what is read back is what was written; what is no record is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.report import CostModelRecord
from harness.running.holding import RunError
from harness.running.run_folder import Record, RunFolder, read_record
from harness.running.settings import RunSettings
from tests.report.cost_models import cost_model


def kept(models: dict[str, CostModelRecord], folder: Path) -> Record:
    record = Record(arguments=RunSettings(), seed=0, started="", versions={}, cost_models=models)
    RunFolder(folder, record).save()
    return read_record(folder)


def test_a_cost_model_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    memory = {"rates": {"constant": 2.0}, "held_out": {"median": 0.1, "p90": 0.2}}
    model = cost_model(memory=memory)
    assert kept({"cpu": model}, tmp_path).cost_models == {"cpu": model}


def test_what_is_no_record_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "cost_models": {"cpu": 3}}')
    with pytest.raises(RunError, match="is not a run record"):
        read_record(tmp_path)
