"""Exported subnets as files: their names, and writing them whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def subnet_filename(arch_id: str, precision: str, batch_size: int) -> str:
    """Return the file name of an exported subnet."""
    return f"{arch_id}-{precision}-b{batch_size}.onnx"


def write_subnet(folder: Path, model: bytes, arch_id: str, *, precision: str = "fp32", batch_size: int = 1) -> Path:
    """Write a serialised model into `folder` (made if absent) under its name, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / subnet_filename(arch_id, precision, batch_size)
    partial = final.with_name(f"{final.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(model)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)
    return final
