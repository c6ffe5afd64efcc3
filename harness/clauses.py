"""What is wrong with a file, as a clause that can be shown: on one line and not long, whatever the file holds."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MOST = 200


def complaint(error: Exception) -> str:
    """Return what is wrong with a file, out of what a library says of it."""
    if isinstance(error, ValidationError):
        return one_line(_first(error.errors(include_url=False)), MOST)
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return one_line(said, MOST) or type(error).__name__


def one_line(text: str, most: int | None = None) -> str:
    """Fold any text (an exception's, a board's) into one printable line of at most so many characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if most is None or len(line) <= most else f"{line[: most - 1]}…"


def _first(found: list[ErrorDetails]) -> str:
    """Return the first complaint with the place in the file; of another format, all others follow from that."""
    for error in found:
        if error["loc"] == ("format",) and error["type"] == "literal_error":
            return f"it is of format {error['input']!r:.20}, and this version reads format {error['ctx']['expected']}"
    place = ".".join(map(str, found[0]["loc"]))
    return f"{place}: {found[0]['msg']}".removeprefix(": ").replace("Value error, ", "")
