"""Exported subnets as files: their names, and writing them whole or not at all."""

from __future__ import annotations

from pathlib import Path

from harness.files import write_whole


def subnet_filename(arch_id: str, precision: str, batch_size: int) -> str:
    """Return the file name of an exported subnet."""
    return f"{arch_id}-{precision}-b{batch_size}.onnx"


def write_subnet(folder: Path, model: bytes, arch_id: str, *, precision: str = "fp32", batch_size: int = 1) -> Path:
    """Write a serialised model into `folder` (made if absent) under its name, and return its path."""
    path = folder / subnet_filename(arch_id, precision, batch_size)
    write_whole(path, model)
    return path
