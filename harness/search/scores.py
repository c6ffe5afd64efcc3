"""What gives architectures their scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.space import Architecture

#: The scores of architectures, in order; smaller is better: UPEM, as `Scorer` computes it. The more of them a call
#: gets, the more `Scorer` computes for several at once.
Score = Callable[[Sequence[Architecture]], list[float]]
