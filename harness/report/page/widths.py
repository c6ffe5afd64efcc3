"""A subnet's widths as a small drawing: a bar for each layer, dark as far as the subnet has channels."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.page.facts import Layer

_HEIGHT, _STEP, _BAR = 36, 9, 7


def widths_drawing(widths: str, layers: Sequence[Layer]) -> str:
    """Return it as SVG; nothing where the layers are unknown or others than those of the network."""
    channels = [int(width) for width in widths.split("-")]
    if len(channels) != len(layers):
        return ""
    most = max(layer.full for layer in layers)
    bars = "".join(
        _bar(place, layer.full / most, "full") + _bar(place, own / most, "own")
        for place, (own, layer) in enumerate(zip(channels, layers, strict=True))
    )
    step = max(2.0, min(_STEP, 360 / len(layers)))
    width = len(layers) * _STEP
    label = f"{sum(channels)} of {sum(layer.full for layer in layers)} channels"
    return (
        f'<svg class="widths" role="img" aria-label="{label}" viewBox="0 0 {width} {_HEIGHT}" '
        f'preserveAspectRatio="none" width="{len(layers) * step:.0f}" height="{_HEIGHT}">{bars}</svg>'
    )


def _bar(place: int, share: float, look: str) -> str:
    height = round(_HEIGHT * share, 1)
    return (
        f'<rect class="{look}" x="{place * _STEP}" y="{round(_HEIGHT - height, 1)}" width="{_BAR}" height="{height}"/>'
    )
