"""psutil: not needed, but it knows machines whose files are elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..files import Files


def psutil_for(files: Files) -> Any:
    """Return psutil where it is installed and `files` are of the machine that it looks at; else None."""
    if not files.own:
        return None
    try:
        import psutil
    except ImportError:
        return None
    return psutil
