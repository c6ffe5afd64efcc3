"""What stops an ablation."""


class AblationError(ValueError):
    """An ablation that cannot be run or resumed; the message says why in one sentence."""
