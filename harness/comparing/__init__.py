"""Comparing finished runs: what got faster, slower or did not change, by the raw samples that each has kept."""

from harness.comparing.commands import execute_compare

__all__ = ["execute_compare"]
