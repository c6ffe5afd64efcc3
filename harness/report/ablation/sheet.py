"""The files of one experiment: CSV, Markdown and picture, side by side in a folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from harness.files import write_whole

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Sheet:
    """Where an experiment's files go, what they are called, and what stands above the tables."""

    folder: Path
    stem: str
    title: str
    seeds: int
    notes: tuple[str, ...]

    def write(self, body: Sequence[str], tables: Mapping[str, Rows], figure: Figure) -> str:
        """Write the Markdown, CSV files (by what is added to the stem, `""` for the first) and the picture.

        Return the Markdown.
        """
        for name, rows in tables.items():
            write_rows(self.folder / f"{self.stem}{name}.csv", rows)
        heading = [f"# {self.title}, {self.seeds} {'seed' if self.seeds == 1 else 'seeds'}"]
        text = "\n".join([*heading, *(f"- {note}" for note in self.notes), *body]) + "\n"
        write_whole(self.folder / f"{self.stem}.md", text.encode())
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=150)
        write_whole(self.folder / f"{self.stem}.png", picture.getvalue())
        return text


def write_rows(path: Path, rows: Rows) -> None:
    """Write a CSV file whose columns are the keys of the first row; empty without rows."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_whole(path, text.getvalue().encode())
