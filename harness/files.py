"""Files that are whole or absent, whatever ends the process that writes them, and the error where they cannot be."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from harness.clauses import complaint

#: No other program names anything so: what is found can be removed.
_SUFFIX = ".slimda-partial"


class WriteError(Exception):
    """What a disk does not take, because it is full or may not be written to; the message says why in one sentence."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield where to write what is, when the block ends, the file `path`, in one step and on disk.

    Its folder is made where it is absent. Where the block or the disk fails, what was at `path` still is. Raises
    WriteError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX, ignore_cleanup_errors=True
        ) as folder:
            partial = Path(folder, path.name)
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.chmod(0o644)
            partial.replace(path)
    except (OSError, SafetensorError) as error:
        raise WriteError(f"{path} cannot be written: {complaint(error)}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to the file `path`, whole or not at all; raises WriteError."""
    with whole(path) as partial:
        partial.write_bytes(content)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed had begun to write below a folder that no other process writes to."""
    for leftover in folder.rglob(f".*{_SUFFIX}"):
        shutil.rmtree(leftover, ignore_errors=True)
