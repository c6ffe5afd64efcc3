"""The card beside an exported subnet: all that whoever deploys the file needs to know, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.markdown import escaped, markdown_table
from harness.report.rows import Row
from harness.report.words import UNKNOWN, count, digits, flags, interval, part_of_full, percent


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card says, beside the rows of the devices that the file was measured on."""

    file: str
    title: str
    """What network it is, as the beginning of a sentence."""
    inputs: Mapping[str, str]
    """Type and shape, by name; so are outputs."""
    outputs: Mapping[str, str]
    classes: Sequence[str]
    preprocessing: Mapping[str, Any]
    """As the file's own metadata have it (`harness.data.Preprocessing`)."""
    provenance: Mapping[str, str]


def card_text(card: Card, rows: Sequence[Row]) -> str:
    """Return the card; `rows` are the file's own, a device each, at least one."""
    return "\n".join(
        [
            f"# {escaped(card.file)}\n",
            _about(card, rows[0]),
            "## Input and output\n",
            markdown_table(["", "name", "type and shape"], _ends(card)),
            "".join(f"- {line}\n" for line in _preparation(card.preprocessing)),
            "## Classes\n",
            f"In the order of the logits: {', '.join(escaped(name) for name in card.classes)}.\n",
            "## Cost\n",
            markdown_table(COST_HEADINGS, map(_cost, rows)),
            "".join(f"- {escaped(note)}\n" for note in _notes(rows)),
            "## Run it on an image\n",
            "Saved in this folder as `example.py`, with onnxruntime, numpy and pillow installed: "
            f"`python example.py photo.png`.\n\n{example(card)}",
            "## Provenance\n",
            markdown_table(["", ""], card.provenance.items()),
        ]
    )


def _about(card: Card, row: Row) -> str:
    of_full = f", {part_of_full(row.compute_fraction)} of the full width's" if row.upem is not None else ""
    lines = [
        f"{escaped(card.title)}, in {row.precision}.",
        f"{count(row.macs)} multiply-adds{of_full}; {count(row.params)} parameters; "
        f"{'size unknown' if row.model_bytes is None else f'{digits(row.model_bytes / 1e6)} MB'}.",
    ]
    if row.upem is not None:
        lines.append(
            f"UPEM {row.upem:.4f}: the distance of its predictions from the full width's on unlabelled target images."
        )
    if row.target_accuracy is not None and row.accuracy_ci_low is not None and row.accuracy_ci_high is not None:
        ends = f"{percent(row.accuracy_ci_low)}–{percent(row.accuracy_ci_high)}"
        lines.append(f"Accuracy on held-out target images: {percent(row.target_accuracy)} [95%: {ends}].")
    return "\n".join(lines) + "\n"


def _ends(card: Card) -> Iterator[tuple[str, str, str]]:
    for title, ends in (("input", card.inputs), ("output", card.outputs)):
        yield from ((title, name, shape) for name, shape in ends.items())


def _preparation(how: Mapping[str, Any]) -> Iterator[str]:
    height, width = how["size"]
    yield "grey (one channel)" if how["channels"] == 1 else "RGB, channels first"
    antialias = "with" if how["antialias"] else "without"
    if how["resize"] == "stretch":
        yield f"resized to {height} x {width} pixels (height x width), {how['interpolation']}, {antialias} antialiasing"
    else:
        yield (
            f"its shorter side resized to {how['shorter_side']} pixels, {how['interpolation']}, {antialias} "
            f"antialiasing; then the {height} x {width} pixels in its middle"
        )
    if not how["antialias"]:
        yield "the example differs where an image is larger than that: pillow antialiases whatever it makes smaller"
    mean, std = (", ".join(f"{value:g}" for value in how[name]) for name in ("mean", "std"))
    yield f"values from 0 to 1, minus {mean}, divided by {std}"


COST_HEADINGS = ["device", "p50, ms [95%]", "p99, ms", "memory, MB", "energy, mJ", "conditions", "processes", "budget"]


def _cost(row: Row) -> list[str]:
    parts = (row.engine, row.engine_version, row.power_mode and f"power mode {row.power_mode}")
    threads = f"{row.threads} thread{'s' if row.threads > 1 else ''}" if row.threads else None
    conditions = [" ".join(filter(None, parts)), threads, row.precision, f"batch {row.batch_size}"]
    return [
        row.device,
        _latency(row),
        *(UNKNOWN if v is None else digits(v) for v in (row.host_p99_ms, row.peak_memory_mb, row.energy_mj)),
        ", ".join(filter(None, conditions)),
        UNKNOWN if row.processes is None else str(row.processes),
        ", ".join(filter(None, [*row.budgets, *flags(row)])) or UNKNOWN,
    ]


def _latency(row: Row) -> str:
    """Write what was measured; what was not says so, and what failed has no number."""
    if row.host_p50_ms is not None:
        low, high = row.host_ci_low_ms, row.host_ci_high_ms
        return digits(row.host_p50_ms) + ("" if low is None or high is None else f" [{interval(low, high)}]")
    if row.predicted_ms is not None and row.status != "failed":
        return f"{row.cost_source}, not measured: {digits(row.predicted_ms)}"
    return UNKNOWN


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    if any(row.host_p50_ms is not None for row in rows):
        yield "latency of one call, a whole batch, as its caller on the device waits for it: median over processes"
    yield from (f"{row.device}: {row.reason}" for row in rows if row.reason)


def example(card: Card) -> str:
    """Return a Python program, as Markdown, that names the class of one image."""
    if card.preprocessing["resize"] == "stretch":
        resizing = "image = image.resize((width, height), Image.Resampling.BILINEAR)\n"
    else:
        resizing = (
            'size = tuple(int(how["shorter_side"] * side / min(image.size)) for side in image.size)\n'
            "image = image.resize(size, Image.Resampling.BILINEAR)\n"
            "left, top = round((image.width - width) / 2), round((image.height - height) / 2)\n"
            "image = image.crop((left, top, left + width, top + height))\n"
        )
    (source,), (answer,) = card.inputs, card.outputs
    mode = "L" if card.preprocessing["channels"] == 1 else "RGB"
    return (
        "```python\n"
        "import json\n"
        "import sys\n\n"
        "import numpy as np\n"
        "import onnxruntime\n"
        "from PIL import Image, ImageOps\n\n"
        f'session = onnxruntime.InferenceSession({json.dumps(card.file)}, providers=["CPUExecutionProvider"])\n'
        "about = session.get_modelmeta().custom_metadata_map\n"
        'how, classes = json.loads(about["preprocessing"]), json.loads(about["classes"])\n'
        'height, width = how["size"]\n'
        f'image = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("{mode}")\n'
        f"{resizing}"
        "pixels = np.asarray(image, dtype=np.float32).reshape(height, width, -1) / 255\n"
        'values = ((pixels - how["mean"]) / how["std"]).transpose(2, 0, 1).astype(np.float32)\n'
        "batch = np.stack([values] * session.get_inputs()[0].shape[0])\n"
        f"logits = session.run([{json.dumps(answer)}], {{{json.dumps(source)}: batch}})[0][0]\n"
        "print(classes[int(logits.argmax())])\n"
        "```\n"
    )
