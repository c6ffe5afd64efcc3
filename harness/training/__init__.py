"""The trainings of a run: its bank adapted, or one pretrained; how they learn is `harness.adaptation`."""

from harness.training.adapting import adapt, new_bank
from harness.training.following import following, require_tensorboard
from harness.training.pretraining import pretrain, pretraining_from

__all__ = ["adapt", "following", "new_bank", "pretrain", "pretraining_from", "require_tensorboard"]
