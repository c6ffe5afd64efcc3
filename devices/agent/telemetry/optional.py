"""psutil: not needed, but it knows machines that keep all this elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..files import Files


def find_psutil() -> Any:
    """Return psutil where it is installed, else None."""
    try:
        import psutil
    except ImportError:
        return None
    return psutil


def psutil_for(files: Files) -> Any:
    """Return psutil where it is installed and `files` are of the machine that it looks at, else None."""
    return find_psutil() if files.own else None
