"""Digit shapes from the fonts that matplotlib ships, as distance fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

# Every other font that matplotlib ships was looked at and draws no digits at the digits' codes: cmex10 and cmsy10 draw
# symbols, LastResort boxes; STIXNonUni*, STIXSiz* and DejaVu*Display have no such glyphs.
TRAINING_FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique", "DejaVuSansMono-Oblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic",
    "cmb10", "cmmi10", "cmr10", "cmss10", "cmti10",
)  # fmt: skip
HELD_OUT_FONTS = ("DejaVuSans-Oblique", "DejaVuSerif-BoldItalic", "STIXGeneralBolIta", "cmtt10")
DOTTED_ZERO = "DejaVuSansMono"  # its zero has a dot inside, a typewriter's habit that no hand follows

# What a hand's digit may look like instead: the open four, the one that is a stroke, the six and nine of few bends.
# Taken from sans-serif fonts only, whose letters have no feet; cm* fonts put dashes at some of these codes.
LOOKALIKES = {0: "O", 1: "|", 2: "Z", 3: "", 4: "Ч", 5: "S", 6: "бb", 7: "", 8: "", 9: "gq"}
LOOKALIKE_FONTS = "DejaVuSans"

CANVAS, GLYPH_HEIGHT = 64, 40
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Shapes:
    """G digit shapes as signed distances in pixels, [G, CANVAS, CANVAS] float32, larger is more inside.

    `pen` measures from the skeleton (0 on it, negative off it), `outline` from the glyph's edge (positive inside).
    `labels` [G]: the digit; `lookalike` [G]: whether it is a look-alike instead of the digit's own glyph.
    """

    pen: npt.NDArray[np.float32]
    outline: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    lookalike: Mask


@cache
def draw_shapes(fonts: tuple[str, ...]) -> Shapes:
    """All digit shapes of these fonts."""
    masks: list[Mask] = []
    labels: list[int] = []
    lookalike: list[bool] = []
    for font in fonts:
        for digit in range(10):
            for mask, is_lookalike in _variants(font, digit):
                masks.append(mask)
                labels.append(digit)
                lookalike.append(is_lookalike)
    stacked = np.stack(masks)
    inside = np.stack([distance_transform_edt(mask) for mask in stacked])
    outside = np.stack([distance_transform_edt(~mask) for mask in stacked])
    pen = -np.stack([distance_transform_edt(~line) for line in skeletons(stacked)])
    outline = (inside - outside).astype(np.float32)
    return Shapes(pen.astype(np.float32), outline, np.array(labels), np.array(lookalike))


def _variants(font: str, digit: int) -> list[tuple[Mask, bool]]:
    """The digit's own glyph and its look-alikes in this font."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    own = _glyph(path, str(digit))
    found = [] if digit == 0 and font.startswith(DOTTED_ZERO) else [(own, False)]
    if font.startswith(LOOKALIKE_FONTS):
        found += [(_glyph(path, character), True) for character in LOOKALIKES[digit]]
    if digit == 1:
        found.append((_without_foot(own), True))
    if digit == 7:
        found.append((_crossed(own), True))
    return found


def _glyph(path: Path, character: str) -> Mask:
    """One character, scaled to GLYPH_HEIGHT and centred on the canvas."""
    font = ImageFont.truetype(str(path), 96)
    left, top, right, bottom = font.getbbox(character)
    image = Image.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), character, fill=255, font=font)
    return _centred(image.crop(image.getbbox()))


def _centred(image: Image.Image) -> Mask:
    width = min(CANVAS - 16, max(1, round(image.width * GLYPH_HEIGHT / image.height)))
    canvas = Image.new("L", (CANVAS, CANVAS))
    scaled = image.resize((width, GLYPH_HEIGHT), Image.Resampling.BILINEAR)
    canvas.paste(scaled, ((CANVAS - width) // 2, (CANVAS - GLYPH_HEIGHT) // 2))
    return np.asarray(canvas) > 127


def _without_foot(mask: Mask) -> Mask:
    """A one without the serif that it stands on."""
    image = Image.fromarray(mask).convert("L")
    left, top, right, bottom = image.getbbox() or (0, 0, CANVAS, CANVAS)
    short = image.crop((left, top, right, bottom - (bottom - top) // 5))
    return _centred(short.crop(short.getbbox()))


def _crossed(mask: Mask) -> Mask:
    """A seven with the bar that much of the world puts through it."""
    crossed = mask.copy()
    row = CANVAS // 2 + 2
    stem = int(np.flatnonzero(mask[row]).mean())
    crossed[row - 2 : row + 3, stem - 10 : stem + 11] = True
    return crossed


def skeletons(masks: Mask) -> Mask:
    """Zhang-Suen thinning (Zhang and Suen 1984) of all masks [G, H, W] at once; borders must be empty."""
    thin = masks.copy()
    for _ in range(max(masks.shape[1:])):
        before = int(thin.sum())
        for first in (True, False):
            thin &= ~_removable(thin, first)
        if int(thin.sum()) == before:
            break
    return thin


def _removable(thin: Mask, first: bool) -> Mask:
    padded = np.pad(thin, ((0, 0), (1, 1), (1, 1)))
    height, width = thin.shape[1:]
    clockwise = [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]  # from north
    p = [padded[:, r : r + height, c : c + width] for r, c in clockwise]
    neighbours = np.zeros(thin.shape, np.int8)
    crossings = np.zeros(thin.shape, np.int8)
    for here, following in zip(p, [*p[1:], p[0]], strict=True):
        neighbours += here
        crossings += ~here & following
    north, east, south, west = p[0], p[2], p[4], p[6]
    if first:
        free = ~(north & east & south) & ~(east & south & west)
    else:
        free = ~(north & east & west) & ~(north & south & west)
    result: Mask = thin & (neighbours >= 2) & (neighbours <= 6) & (crossings == 1) & free
    return result
