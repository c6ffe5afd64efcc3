"""Levelling: a factor that a whole process has is taken out, and nothing else is."""

from __future__ import annotations

import numpy as np

from harness.costs import LayerKind, MeasuredLayer, levelled_layers

KINDS = tuple(LayerKind((3, 3), (1, 1), (1, 1), (size, size)) for size in (8, 16))


def processes(factors: list[float]) -> list[list[MeasuredLayer]]:
    rng = np.random.default_rng(0)
    found = []
    for factor in factors:
        widths = rng.integers(2, 40, (30, 2))
        costs = (1 + 0.01 * widths[:, 0] * widths[:, 1]) * np.exp(0.02 * rng.standard_normal(30)) * factor
        found.append(
            [
                MeasuredLayer(KINDS[n % 2], int(w[0]), int(w[1]), float(c))
                for n, (w, c) in enumerate(zip(widths, costs, strict=True))
            ]
        )
    return found


def test_processes_slowed_as_a_whole_agree_again() -> None:
    factors = [1.0, 1.6, 0.7, 1.0, 1.1]
    levelled = np.array([layer.cost for layer in levelled_layers(processes(factors))])
    undisturbed = np.array([layer.cost for process in processes([1.0] * 5) for layer in process])
    off = levelled / undisturbed
    assert off.max() / off.min() < 1.05


def test_what_is_level_stays_about_as_it_is() -> None:
    before = [layer for process in processes([1.0] * 4) for layer in process]
    after = levelled_layers(processes([1.0] * 4))
    assert [layer[:3] for layer in after] == [layer[:3] for layer in before]
    np.testing.assert_allclose([layer.cost for layer in after], [layer.cost for layer in before], rtol=0.03)


def test_one_process_alone_is_left_alone() -> None:
    (only,) = processes([1.3])
    assert levelled_layers([only]) == tuple(only)


def test_no_layers_are_no_layers() -> None:
    assert levelled_layers([]) == ()
