"""Scores kept in one SQLite file, so that a killed search replays them and a later one starts from them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from harness.bank import ModelBank, StandaloneBank
from harness.databases import connected
from harness.space import Architecture, decode, encode

#: Of the table, and of what its scores are.
_VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS scores (
    key TEXT NOT NULL, widths TEXT NOT NULL, upem REAL NOT NULL, PRIMARY KEY (key, widths)
) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""


class ScoreBookError(ValueError):
    """A file of scores that cannot be used; the message says why in one sentence."""


class ScoreBook:
    """UPEM by what it depends on (`score_key`) and by architecture; made where it is absent.

    Each operation has its own connection, so threads may share the book. All raise ScoreBookError, and WriteError where
    the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._connected() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise ScoreBookError(f"the scores in {path} are of version {version}, not {_VERSION}; remove the file")
            if version == 0:  # to read a book does not write to it
                connection.executescript(_SCHEMA)

    def add(self, key: str, scores: Mapping[Architecture, float]) -> None:
        """Keep scores, all or none; when this returns they survive the death of this process."""
        with self._connected() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?)",
                [(key, encode(arch), upem) for arch, upem in scores.items()],
            )

    def all(self, key: str) -> dict[Architecture, float]:
        """Return every score under a key."""
        with self._connected() as connection:
            rows = connection.execute("SELECT widths, upem FROM scores WHERE key = ?", (key,)).fetchall()
        try:
            return {decode(widths): float(upem) for widths, upem in rows}
        except (ValueError, TypeError, AttributeError) as error:
            raise ScoreBookError(f"the scores in {self.path} are not those of subnets; remove the file") from error

    def _connected(self) -> AbstractContextManager[sqlite3.Connection]:
        return connected(self.path, f"the scores in {self.path}", ScoreBookError, "; remove the file")


def score_key(bank: ModelBank, images: Tensor, anchors: Iterable[Architecture], norm: str, temperature: float) -> str:
    """Return a digest of everything that the scores of a bank's subnets depend on."""
    digest = hashlib.sha256()
    archs = bank.archs if isinstance(bank, StandaloneBank) else (bank.space.full,)
    about = (bank.spec.model, bank.spec.head, *map(encode, archs), "anchors", *map(encode, anchors), norm, temperature)
    digest.update(repr(about).encode())
    for arch in archs:
        for name, value in bank.weights_of(arch).state_dict().items():
            _update(digest, name, value)
    _update(digest, "images", images)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, name: str, value: Tensor) -> None:
    digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
    digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
