"""The scorer of a run: its images, its options, and the scores that its folder keeps."""

from __future__ import annotations

from harness.bank import ModelBank
from harness.running import Run
from harness.search import ScoreBook, Scorer, spread


def scorer_for(run: Run, bank: ModelBank) -> Scorer:
    """Return what scores the bank's subnets as the run was asked to; it replays what an earlier search scored."""
    options = run.settings.scoring
    scorer = spread.new_scorer(
        bank,
        run.domains.calibration[: run.settings.effort.score_images],
        anchor=options.upem_anchor,
        norm=options.upem_norm,
        sharpening=options.upem_sharpening,
        book=ScoreBook(run.folder.scores),
    )
    run.folder.record.score_key = scorer.key
    return scorer
