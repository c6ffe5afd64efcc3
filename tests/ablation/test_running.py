"""The ablation end to end, tiny, on real digits: cells are kept, resumed, and never trained twice."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from harness.ablation import BUDGETS, AblationError, Experiment, Plan, share, write_experiment
from harness.ablation.budgets import budget_architectures, random_architectures
from harness.ablation.experiments import chosen_experiments
from harness.ablation.measured import FOLLOWED
from harness.ablation.parts import Cell, ConvergencePart, CorrelationPart, SearchPart, UpemPart, read_part
from harness.ablation.tasks import load_task
from harness.ablation.training import adapted_bank, source_bank
from harness.ablation.variants import Variant, variant
from harness.adaptation import Hardware, training
from harness.bank import create_bank, load_bank, state_digest
from harness.costs import ComplexityCounter
from harness.report.ablation import UPEM_FORMS
from tests.ablation.conftest import MEASURED
from tests.ablation.plans import TINY, plan, run
from tests.data.made import mnist
from tests.runs import Runner, start, wait_for

SLIMDA, SYMNET = variant("slimda"), variant("symnet", "symnet")


def whole(folder: Path) -> Plan:
    return plan(folder, *MEASURED, methods=("source-only", "symnet", "slimda"))


def cell(folder: Path, method: str) -> Cell:
    (one,) = [v for v in chosen_experiments(["ladder"])[0].variants if v.method == method]
    return read_part(plan(folder), "digits", 0, one, "accuracy", Cell)


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_every_cell_has_every_budget_and_source_only_both_statistics(finished: Path) -> None:
    assert [len(cell(finished, m).outcomes) for m in ("source-only", "symnet", "slimda")] == [14, 7, 7]
    assert all(0.0 <= outcome.accuracy <= 1.0 for outcome in cell(finished, "slimda").outcomes)


def test_subnets_are_scored_at_random_for_the_ladder_alone_and_of_slimda_alone(tmp_path: Path) -> None:
    def scored(*experiments: str, methods: tuple[str, ...] | None = None) -> list[Variant]:
        wanted = plan(tmp_path, *experiments, methods=methods).wanted
        return [variant for variant, part in wanted if part == "correlation"]

    assert scored("ladder") == [SLIMDA]
    assert scored("ladder", methods=("symnet", "seed")) == []
    without = plan(tmp_path, experiments=chosen_experiments(["ladder"], correlation=False))
    assert {part for _, part in without.wanted} == {"accuracy"}
    assert scored("confidence", "heads", "adapted-head", "convergence") == []


def test_a_cell_of_an_older_version_which_held_the_scores_too_is_kept(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    path, scores = (folder / "cells" / f"digits-seed0-slimda{part}.json" for part in ("", ".correlation"))
    both = {**json.loads(path.read_text()), "scored": json.loads(scores.read_text())["scored"]}
    path.write_text(json.dumps(both))
    before = path.read_bytes(), scores.read_bytes()
    scores.unlink()
    run(whole(folder))
    assert (path.read_bytes(), scores.read_bytes()) == before


def test_standalone_trains_a_network_for_every_budget(tmp_path: Path) -> None:
    run(plan(tmp_path, methods=("standalone",)))
    outcomes = cell(tmp_path, "standalone").outcomes
    assert [outcome.budget for outcome in outcomes] == list(BUDGETS)
    assert len({outcome.widths for outcome in outcomes}) == len(BUDGETS)


def test_what_is_finished_is_not_made_again(finished: Path) -> None:
    before = times(finished)
    run(whole(finished))
    assert times(finished) == before


def test_a_lost_result_is_measured_again_on_the_kept_bank_and_is_the_same(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    lost = [
        folder / "cells" / f"digits-seed0-slimda{part}.json" for part in ("", ".correlation", ".search", ".convergence")
    ]
    before = {path: path.read_bytes() for path in lost}
    for path in lost:
        path.unlink()
    banks = times(folder / "banks")
    run(whole(folder))
    assert {path: path.read_bytes() for path in lost} == before
    assert times(folder / "banks") == banks


def test_a_lost_bank_is_trained_again_to_the_same_weights(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    bank, part = folder / "banks" / "digits-seed0-slimda", folder / "cells" / "digits-seed0-slimda.upem.json"
    before = (bank / "weights.safetensors").read_bytes(), part.read_bytes()
    shutil.rmtree(bank)
    part.unlink()
    run(whole(folder))
    assert ((bank / "weights.safetensors").read_bytes(), part.read_bytes()) == before


def test_a_training_that_was_ended_goes_on_where_it_was(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains, _ = load_task("digits", 0, None)
    step, steps = training._step, 0

    def ended_in_the_fifth(*arguments: Any) -> dict[str, float]:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 1)
    monkeypatch.setattr(training, "_step", ended_in_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        adapted_bank(plan(tmp_path), "digits", 0, SLIMDA, domains)
    bank, losses = adapted_bank(plan(tmp_path), "digits", 0, SLIMDA, domains)
    assert steps == 1 + TINY.iterations
    undisturbed, its_losses = adapted_bank(plan(finished), "digits", 0, SLIMDA, domains)
    assert losses == pytest.approx(its_losses, rel=1e-3)
    for name, weight in undisturbed.state_dict().items():
        torch.testing.assert_close(bank.state_dict()[name], weight, rtol=1e-3, atol=1e-4)
    assert list(tmp_path.rglob("checkpoint*")) == []


def test_every_bank_is_trained_in_the_precision_that_is_asked_for(tmp_path: Path) -> None:
    domains, _ = load_task("digits", 0, None)
    for method in ("slimda", "standalone"):
        weights = set()
        for bf16 in (False, True):
            asked = plan(tmp_path / str(bf16), hardware=Hardware("cpu", bf16))
            bank, _ = adapted_bank(asked, "digits", 0, variant(method, method), domains)
            weights.add(state_digest(bank.state_dict()))
        assert len(weights) == 2
    sources = [source_bank(plan(tmp_path / name), 0, domains) for name in ("False", "True")]
    assert state_digest(sources[0].state_dict()) != state_digest(sources[1].state_dict())


def test_cells_of_other_settings_are_refused_before_anything_is_trained(finished: Path) -> None:
    before = times(finished)
    with pytest.raises(AblationError, match="other settings"):
        run(plan(finished, "heads", settings=TINY.model_copy(update={"temperature": 1.0})))
    assert times(finished) == before


def test_results_of_other_images_are_not_mixed_with_those_of_these(finished: Path, tmp_path: Path) -> None:
    def other_digest(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "of other images"}))

    shutil.copytree(finished / "cells", tmp_path / "cells")
    asked, cells = whole(tmp_path), sorted((tmp_path / "cells").glob("*.json"))
    other_digest(cells[0])
    with pytest.raises(AblationError, match="has results of digits, seed 0, with other images"):
        run(asked)
    for path in cells[1:]:
        other_digest(path)
    cells[-1].unlink()
    with pytest.raises(AblationError, match="has results of digits, seed 0, with other images"):
        run(asked)
    assert not (tmp_path / "banks").exists()


def test_what_diverges_costs_only_itself(tmp_path: Path) -> None:
    variants = (SYMNET, variant("torn apart", "symnet", learning_rate=1e30))
    asked = plan(tmp_path, experiments=(Experiment("rates", "Rates", variants, reference="symnet"),))
    (problem,) = run(asked)
    assert str(problem).startswith("digits, seed 0, torn apart: adaptation diverged")
    text = write_experiment(asked, asked.experiments[0])
    assert "| symnet |" in text
    assert "torn apart" not in text
    (tmp_path / "cells" / "digits-seed0-symnet.json").unlink()
    assert write_experiment(asked, asked.experiments[0]) == "Rates: nothing was left to report"


def test_a_search_of_another_length_is_refused(finished: Path) -> None:
    with pytest.raises(AblationError, match=r"slimda\.search\.json was made with other settings"):
        run(plan(finished, "search", evaluations=17))


def test_banks_of_other_settings_are_refused(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "banks", tmp_path / "banks")
    longer = TINY.model_copy(update={"adaptation_iterations": 5})
    with pytest.raises(AblationError, match="digits-seed0-slimda was made with other settings"):
        run(plan(tmp_path, "upem", settings=longer))


def test_a_damaged_cell_is_named(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "digits-seed0-symnet.json").write_text("{}")
    with pytest.raises(AblationError, match="digits-seed0-symnet"):
        run(plan(tmp_path, methods=("symnet",)))


def test_upem_is_told_in_all_forms_at_every_budget_without_the_anchor(finished: Path) -> None:
    scored = read_part(plan(finished), "digits", 0, SLIMDA, "upem", UpemPart).scored
    full = load_bank(finished / "banks" / "digits-seed0-slimda")[0].space.full
    for budget in BUDGETS:
        own = [one for one in scored if one.budget == budget]
        assert len({one.widths for one in own}) == len(own) == 6
    assert all(set(one.upem) == set(map(str, UPEM_FORMS)) for one in scored)
    assert "-".join(map(str, full)) not in {one.widths for one in scored}


def test_the_default_form_and_the_ladders_sharpened_one_are_the_ladders_upem(finished: Path) -> None:
    every = {s.widths: s for s in read_part(plan(finished), "digits", 0, SLIMDA, "upem", UpemPart).scored}
    ladder = read_part(plan(finished), "digits", 0, SLIMDA, "correlation", CorrelationPart).scored
    ladder = [one for one in ladder if one.widths in every]
    assert ladder
    for one in ladder:
        assert every[one.widths].upem["l2-plain-full"] == pytest.approx(one.upem, abs=1e-6)
        assert every[one.widths].upem["l2-T0.25-full"] == pytest.approx(one.upem_sharpened, abs=1e-6)
        assert every[one.widths].accuracy == one.accuracy


def test_every_search_stays_within_budgets_and_evaluations(finished: Path) -> None:
    part = read_part(plan(finished), "digits", 0, SLIMDA, "search", SearchPart)
    assert {one.strategy for one in part.found} == {"greedy", "random", "evolution", "uniform"}
    for one in part.found:
        assert one.compute_fraction <= share(one.budget)
        assert one.evaluations <= 16
    assert {one.upem for one in part.found if one.strategy == "uniform" and one.budget == "1"} == {0.0}


def test_convergence_starts_at_the_source_bank_and_ends_at_the_cell(finished: Path) -> None:
    for one in (SLIMDA, SYMNET):
        part = read_part(plan(finished), "digits", 0, one, "convergence", ConvergencePart)
        assert len(part.losses) == TINY.adaptation_iterations
        assert sorted({point.iteration for point in part.points}) == [0, 1, 2, 3, 4]
        last = {p.budget: p.accuracy for p in part.points if p.iteration == TINY.adaptation_iterations}
        final = {o.budget: o.accuracy for o in cell(finished, one.method).outcomes}
        assert last == {budget: final[budget] for budget in FOLLOWED}


def test_banks_on_the_way_differ_from_each_other(finished: Path) -> None:
    bank = finished / "banks" / "digits-seed0-slimda"
    weights = {(bank / place / "weights.safetensors").read_bytes() for place in ("after-1", "after-2", "after-3", ".")}
    assert len(weights) == 4


def test_another_head_is_measured_on_the_same_bank(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "banks", tmp_path / "banks")
    heads = chosen_experiments(["heads"])[0]
    some = replace(heads, variants=tuple(v for v in heads.variants if v.training(TINY) == "slimda"))
    run(plan(tmp_path, experiments=(some,)))
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {
        "digits-seed0-slimda.json",
        "digits-seed0-slimda-head=target.json",
    }
    assert {path.name for path in (tmp_path / "banks").iterdir()} == {p.name for p in (finished / "banks").iterdir()}
    own, other = (
        read_part(plan(tmp_path), "digits", 0, one, "accuracy", Cell) for one in (SLIMDA, variant("x", head="target"))
    )
    assert [o.accuracy for o in own.outcomes] != [o.accuracy for o in other.outcomes]


def test_compared_subnets_are_within_their_budgets_and_near_them() -> None:
    bank = create_bank("resnet8", tuple("0123456789"), (1, 16, 16))
    counter = ComplexityCounter(bank)
    for label, arch in budget_architectures(bank).items():
        assert 0.75 * share(label) <= counter.compute_fraction(arch) <= share(label)


def test_a_correlation_has_at_least_30_distinct_architectures_near_every_budget(tmp_path: Path) -> None:
    bank = create_bank("resnet8", tuple("0123456789"), (1, 16, 16))
    counter = ComplexityCounter(bank)
    each = Plan((), (), (), TINY, None, tmp_path).correlated
    assert each >= 30
    found = list(random_architectures(bank, 3, BUDGETS, each))
    assert len({arch for _, arch in found}) == len(found) == len(BUDGETS) * each
    assert bank.space.full not in {arch for _, arch in found}
    assert all(0.7 * share(b) <= counter.compute_fraction(arch) <= share(b) for b, arch in found)
    assert found[:each] == list(random_architectures(bank, 3, BUDGETS[:1], each))


def test_what_is_absent_of_a_pair_is_downloaded_where_that_is_asked_for(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreachable:
        def __init__(self, root: str, *, train: bool, download: bool) -> None:
            raise RuntimeError("no network.")

    monkeypatch.setattr("harness.data.small.USPS", Unreachable)
    mnist(tmp_path / "mnist")
    asked = ("ablation", "--run", tmp_path / "run", "--tasks", "mnist->usps", "--data-root", tmp_path, "--seeds", 1)
    absent = runner(*asked)
    assert (absent.code, "--download fetches it" in absent.sentence) == (2, True)
    failed = runner(*asked, "--download")
    assert (failed.code, "usps could not be downloaded" in failed.sentence) == (2, True)


def test_unknown_tasks_and_missing_data_are_told(tmp_path: Path) -> None:
    with pytest.raises(AblationError, match="unknown task 'nonsense'"):
        run(plan(tmp_path, tasks=("nonsense",)))
    with pytest.raises(AblationError, match="--data-root"):
        load_task("mnist-usps", 0, None)


class TestEndedEarly:
    """Workers end with the process that started them, in the middle of a training."""

    @pytest.fixture
    def begun(self, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
        """An ablation of more than can be waited for, at work, and its workers."""
        process = start("ablation", "--run", tmp_path, "--seeds", 2, "--jobs", 2, "--source-iterations", 100_000)
        wait_for(lambda: len(list(tmp_path.glob("banks/.*-source.lock"))) == 2, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        yield process, workers
        process.kill()

    def test_by_a_kill(self, begun: tuple[subprocess.Popen[str], list[psutil.Process]]) -> None:
        process, workers = begun
        process.kill()
        assert psutil.wait_procs(workers, timeout=60)[1] == []

    @pytest.mark.parametrize("heard", ["by it alone", "by all, as at a terminal"])
    def test_by_ctrl_c_which_is_told_in_one_sentence(
        self, begun: tuple[subprocess.Popen[str], list[psutil.Process]], heard: str
    ) -> None:
        process, workers = begun
        process.send_signal(signal.SIGINT)
        for worker in workers if heard.startswith("by all") else ():
            worker.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err
        assert err.count("error:") == 1
        assert psutil.wait_procs(workers, timeout=60)[1] == []
