"""The embedded digits: font digits as the labelled source, scikit-learn's handwritten digits as the target.

The target's published documentation says how its images came about: digits written on a form were extracted and
normalised by NIST's form-processing programs (size, stroke width, slant) to 32 x 32 binary bitmaps, and the black
pixels of each 4 x 4 block were counted, which gives 8 x 8 values of 0 to 16. The source is rendered through the same
steps. The parameters below were chosen by comparing *unlabelled* statistics of both domains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits as sklearn_digits
from torch import Tensor

from harness.data.domains import Domains, LabelledImages, Preprocessing, TargetLabels
from harness.data.glyphs import CANVAS, GLYPH_HEIGHT, HELD_OUT_FONTS, TRAINING_FONTS, Shapes, draw_shapes
from harness.data.splitting import split

CLASSES = tuple("0123456789")
SIZE = 16
BITMAP, BLOCK = 32, 4
BATCH = 100  # fits the processor's cache


@dataclass(frozen=True)
class Hand:
    """How a font's glyph is deformed towards handwriting; lengths in pixels of the glyph's canvas."""

    pen: float = 0.3  # share drawn with a pen along the skeleton instead of with the font's own outline
    lookalikes: float = 0.45  # share of look-alikes in digits that have some
    rotation: float = 10.0  # degrees, standard deviation
    slant: float = 0.2
    stretch: float = 0.15  # log of the aspect, standard deviation
    balance: float = 4.0  # how far the middle moves up or down, standard deviation: small and large loops
    keystone: float = 0.2  # relative widening towards the top or the bottom, standard deviation
    wobble: float = 2.3  # smooth random displacement, standard deviation
    knots: int = 5  # control points of that displacement, along each side


@dataclass(frozen=True)
class Sensor:
    """The normalisation that the target's bitmaps went through, in pixels of the 32 x 32 bitmap."""

    width: int = 20  # NIST fits every character into 20 x 32
    narrowest: float = 9.0
    ink: float = 312.0  # black pixels after stroke width normalisation: mean and standard deviation
    ink_spread: float = 34.0


def load_digits(seed: int, *, source_count: int = 8000, check_count: int = 1000) -> tuple[Domains, TargetLabels]:
    """Both domains as 1 x 16 x 16 images; the same seed gives the same bytes. Takes seconds, reads and writes no data.

    `source_check` is drawn from fonts that the training source never uses. The target is split at random, without its
    labels: 70% unlabelled for adaptation and scoring (in Domains), 30% for the report (in TargetLabels).
    """
    streams = np.random.SeedSequence(seed).spawn(3)
    source, source_labels = render(draw_shapes(TRAINING_FONTS), source_count, np.random.default_rng(streams[0]))
    check, check_labels = render(draw_shapes(HELD_OUT_FONTS), check_count, np.random.default_rng(streams[1]))
    bunch = sklearn_digits()
    counts = torch.from_numpy(bunch.images.astype(np.float32))
    unlabelled, held_out = split(len(counts), 0.7, np.random.default_rng(streams[2]))

    scaled = _upsample(source) / 16
    preprocessing = Preprocessing(
        size=(SIZE, SIZE),
        channels=1,
        mean=(round(scaled.mean().item(), 4),),
        std=(round(scaled.std().item(), 4),),
        value_scale=16.0,
        antialias=False,
    )

    def ready(blocks: Tensor) -> Tensor:
        return preprocessing.normalise(_upsample(blocks)).contiguous()

    domains = Domains(
        name="digits",
        classes=CLASSES,
        preprocessing=preprocessing,
        source=LabelledImages(ready(source), source_labels),
        source_check=LabelledImages(ready(check), check_labels),
        target=ready(counts[unlabelled]),
    )
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    return domains, TargetLabels(ready(counts[held_out]), labels[held_out])


def _upsample(blocks: Tensor) -> Tensor:
    return F.interpolate(blocks[:, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)


def render(shapes: Shapes, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """`count` digits as block counts [N, 8, 8] in 0..16, and their labels [N]; classes equally frequent, shuffled."""
    hand, sensor = Hand(), Sensor()
    labels = rng.permutation(np.arange(count) % 10)
    chosen = _choose(shapes, labels, rng, hand.lookalikes)
    blocks = [_render_batch(shapes, part, rng, hand, sensor) for part in np.split(chosen, range(BATCH, count, BATCH))]
    return torch.cat(blocks), torch.from_numpy(labels)


def _choose(shapes: Shapes, labels: np.ndarray, rng: np.random.Generator, lookalikes: float) -> np.ndarray:
    """A shape for every label: the digit's own glyph, or with the given probability a look-alike."""
    chosen = np.empty(len(labels), np.int64)
    for digit in range(10):
        own = np.flatnonzero((shapes.labels == digit) & ~shapes.lookalike)
        others = np.flatnonzero((shapes.labels == digit) & shapes.lookalike)
        where = np.flatnonzero(labels == digit)
        chosen[where] = rng.choice(own, len(where))
        if len(others):
            alike = where[rng.random(len(where)) < lookalikes]
            chosen[alike] = rng.choice(others, len(alike))
    return chosen


def _render_batch(shapes: Shapes, chosen: np.ndarray, rng: np.random.Generator, hand: Hand, sensor: Sensor) -> Tensor:
    count = len(chosen)
    with_pen = rng.random(count) < hand.pen
    fields = np.where(with_pen[:, None, None], shapes.pen[chosen], shapes.outline[chosen])
    level = np.where(with_pen, -rng.uniform(1.5, 3.5, count), rng.uniform(-1.0, 0.5, count))
    written = _write(torch.from_numpy(fields), rng, hand)
    bitmaps = _normalise(written, torch.from_numpy(level).float(), rng, sensor)
    return F.avg_pool2d(bitmaps.float()[:, None], BLOCK)[:, 0] * BLOCK**2


def _normal(rng: np.random.Generator, deviation: float, *shape: int) -> Tensor:
    return torch.from_numpy((rng.standard_normal(shape) * deviation).astype(np.float32))


def _write(fields: Tensor, rng: np.random.Generator, hand: Hand) -> Tensor:
    """Warp the fields [N, CANVAS, CANVAS] by a random affine map and smooth random displacements."""
    count = len(fields)
    angle, slant = _normal(rng, math.radians(hand.rotation), count), _normal(rng, hand.slant, count)
    aspect = _normal(rng, hand.stretch, count).exp()
    across = _normal(rng, hand.keystone, count)[:, None, None]
    lift = _normal(rng, hand.balance * 2 / CANVAS, count)[:, None, None]
    knots = _normal(rng, hand.wobble * 2 / CANVAS, count, 2, hand.knots, hand.knots)

    span = _span(CANVAS)
    cos, sin = angle.cos(), angle.sin()
    x = _outer(cos * aspect, span[None, :]) + _outer(slant * cos - sin, span[:, None])
    y = _outer(sin * aspect, span[None, :]) + _outer(slant * sin + cos, span[:, None])
    height = y * (CANVAS / GLYPH_HEIGHT)
    bend = _smooth(knots)
    x = x * (1 + across * height) + bend[:, 0]
    y = y + lift * (1 - height.square()).clamp(min=0) + bend[:, 1]
    return _sample(fields, x, y)


def _span(size: int) -> Tensor:
    """The centres of `size` pixels in grid_sample's coordinates, -1 to 1."""
    return (torch.arange(size) + 0.5) * (2 / size) - 1


def _outer(factors: Tensor, pattern: Tensor) -> Tensor:
    return factors[:, None, None] * pattern


def _sample(fields: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Values of the fields [N, C, C] at x [N, H or 1, W] and y [N, H, W or 1], in -1..1: [N, H, W]."""
    shape = (len(fields), y.shape[1], x.shape[2])
    grid = torch.stack([x.expand(shape), y.expand(shape)], -1)
    return F.grid_sample(fields[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _smooth(knots: Tensor) -> Tensor:
    """Cubic interpolation of knots [N, 2, K, K] to [N, 2, CANVAS, CANVAS], as two products with its basis."""
    count = knots.shape[-1]
    identity = torch.eye(count)[None, None]
    basis = F.interpolate(identity, size=(count, CANVAS), mode="bicubic", align_corners=True)[0, 0]
    return basis.T @ knots @ basis


def _normalise(fields: Tensor, level: Tensor, rng: np.random.Generator, sensor: Sensor) -> Tensor:
    """NIST's normalisation: fit the bounding box of the ink into the bitmap, then the stroke width, then the slant.

    fields: [N, C, C]; level: [N], ink is where the field exceeds it. Returns binary bitmaps [N, 32, 32].
    """
    ink = fields > level[:, None, None]
    left, right = _extent(ink.any(1))
    top, bottom = _extent(ink.any(2))
    natural = (right - left) / (bottom - top) * BITMAP
    width = natural.clamp(min=sensor.narrowest).where(
        natural < sensor.narrowest * 1.3, torch.tensor(float(sensor.width))
    )
    span = _span(BITMAP)
    x = _outer((right - left) / CANVAS * BITMAP / width, span[None, :]) + ((left + right) / CANVAS - 1)[:, None, None]
    y = _outer((bottom - top) / CANVAS, span[:, None]) + ((top + bottom) / CANVAS - 1)[:, None, None]
    fitted = _sample(fields, x, y)
    columns = (torch.arange(BITMAP) + 0.5 - BITMAP / 2).abs()
    fitted = fitted.masked_fill(columns > (width / 2)[:, None, None], -math.inf)
    wanted = _normal(rng, sensor.ink_spread, len(fields)) + sensor.ink
    return _set_upright(_with_ink(fitted, wanted))


def _extent(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First index and last index + 1 of the True values in each row of [N, L]."""
    marks = occupied.float()
    return marks.argmax(1).float(), occupied.shape[1] - marks.flip(1).argmax(1).float()


def _with_ink(fields: Tensor, wanted: Tensor) -> Tensor:
    """Thicken or thin the strokes until about `wanted` pixels are black, by bisecting the level."""
    low, high = torch.full_like(wanted, -CANVAS), torch.full_like(wanted, CANVAS)
    for _ in range(14):
        middle = (low + high) / 2
        too_much = (fields > middle[:, None, None]).sum((1, 2)) > wanted
        low, high = torch.where(too_much, middle, low), torch.where(too_much, high, middle)
    return fields > high[:, None, None]


def _set_upright(bitmaps: Tensor) -> Tensor:
    """Shear about the centre so that the leftmost ink of the first and of the last inked row line up."""
    index = torch.arange(len(bitmaps))
    top, bottom = _extent(bitmaps.any(2))
    first, _ = _extent(bitmaps[index, top.long()])
    last, _ = _extent(bitmaps[index, bottom.long() - 1])
    slope = (last - first) / (bottom - top - 1).clamp(min=1)
    return _shift_rows(bitmaps, slope[:, None] * (torch.arange(BITMAP) - (BITMAP - 1) / 2))


def _shift_rows(bitmaps: Tensor, shift: Tensor) -> Tensor:
    """Move every row [N, 32, 32] to the left by its shift [N, 32], empty pixels coming in."""
    columns = torch.arange(BITMAP) + shift.round().long()[:, :, None]
    inside = (columns >= 0) & (columns < BITMAP)
    return bitmaps.gather(2, columns.clamp(0, BITMAP - 1)) & inside
