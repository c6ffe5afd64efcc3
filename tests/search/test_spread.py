from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.bank import create_bank
from harness.search import Scorer
from harness.search.spread import shared_out
from harness.space import decode, encode
from tests.bank.factory import images_for, lived_in_bank
from tests.torchrun import torchrun

SCRIPT = """
import json, sys
import torch
from harness import processes
from harness.search import spread
from harness.space import decode
from tests.bank.factory import images_for, lived_in_bank

with processes.joined() as commanding:
    if commanding:
        bank = lived_in_bank("resnet8")
        scorer = spread.new_scorer(bank, images_for(bank, 16), norm="l1")
        archs = [decode(text) for text in json.loads(sys.argv[2])]
        scores = scorer(archs[:5]) + scorer(archs[5:])
        torch.nn.init.constant_(bank.heads.adapted.bias, float("nan"))
        try:
            spread.new_scorer(bank, images_for(bank, 16))(archs)
            problem = ""
        except ValueError as error:
            problem = str(error)
        with open(sys.argv[1], "w") as file:
            json.dump([type(scorer).__name__, scorer.evaluations, scores, problem], file)
"""


def test_two_processes_give_the_scores_of_one_and_tell_a_diverged_bank(tmp_path: Path) -> None:
    bank = lived_in_bank("resnet8")
    rng = np.random.default_rng(0)
    archs = [bank.space.sample(rng) for _ in range(12)]
    script, answers = tmp_path / "script.py", tmp_path / "answers.json"
    script.write_text(SCRIPT, encoding="utf-8")
    done = torchrun(2, script, answers, json.dumps([encode(arch) for arch in archs]))
    assert done.returncode == 0, done.stderr
    kind, evaluations, scores, problem = json.loads(answers.read_text())
    assert kind == "SpreadScorer"
    assert evaluations == len(archs)
    assert scores == pytest.approx(Scorer(bank, images_for(bank, 16), norm="l1")(archs), abs=1e-5)
    assert "the bank has diverged" in problem


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_shares_are_a_partition_that_keeps_subnets_that_begin_alike_together(count: int) -> None:
    bank = create_bank("resnet8", ("a", "b"), (1, 16, 16))
    rng = np.random.default_rng(1)
    archs = [bank.space.sample(rng) for _ in range(40)]
    shares = shared_out(bank, archs, count)
    assert len(shares) == count
    assert sorted(arch for share in shares for arch in share) == sorted(archs)
    stems = [arch[0] for share in shares for arch in share]
    assert stems == sorted(stems)
    work = [sum(sum(arch) ** 2 for arch in share) for share in shares]
    assert max(work) <= sum(work) / count + max(sum(arch) ** 2 for arch in archs)


def test_sharing_out_nothing_leaves_every_process_without() -> None:
    bank = create_bank("resnet8", ("a", "b"), (1, 16, 16))
    assert shared_out(bank, [], 2) == [[], []]
    assert shared_out(bank, [decode("40-40-80-160-40-80-160")], 2) in ([[bank.space.full], []], [[], [bank.space.full]])
