"""The machine's files, read below a root folder, so that a copied or made-up tree can stand in for a board."""

from __future__ import annotations

from pathlib import Path


class Files:
    """Text files of procfs, sysfs and the devicetree; what cannot be read is None."""

    def __init__(self, root: str = "/") -> None:
        self.root = Path(root)

    @property
    def own(self) -> bool:
        """Whether these are the files of the machine that this process runs on."""
        return str(self.root) == "/"

    def read(self, path: str) -> str | None:
        """Return the text at `path` without surrounding blanks and the NUL that a devicetree's strings end with."""
        try:
            return self._below(path).read_text(encoding="utf-8", errors="replace").strip("\0\n\r\t ")
        except OSError:
            return None

    def number(self, path: str) -> float | None:
        """Return the whole number at `path`."""
        text = self.read(path)
        try:
            return float(int(text)) if text else None
        except ValueError:
            return None

    def find(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern, in order."""
        try:
            return sorted("/" + str(found.relative_to(self.root)) for found in self.root.glob(pattern.lstrip("/")))
        except OSError:
            return []

    def _below(self, path: str) -> Path:
        return self.root / path.lstrip("/")
